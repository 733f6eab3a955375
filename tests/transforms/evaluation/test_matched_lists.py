from pathlib import Path

import numpy as np

from tests.transforms.evaluation.random_lists import catalog
from transforms.catalog.deep_catalogue import popularity_deciles


def test_deciles_hold_a_tenth_of_the_plays_each_and_tracks_without_a_play_are_the_tail(tmp_path: Path) -> None:
    tracks = catalog(tmp_path)
    decile, plays = popularity_deciles(tracks).to_numpy(), tracks.tracks["n_plays"].to_numpy()
    assert set(decile[plays == 0]) <= {9} and decile[plays.argmax()] == 0
    for one in range(10):
        # a track belongs to the decile in which its first play lies
        assert abs(plays[decile == one].sum() / plays.sum() - 0.1) <= plays.max() / plays.sum()
    assert (np.diff(decile[np.lexsort((np.arange(len(plays)), -plays))]) >= 0).all()
