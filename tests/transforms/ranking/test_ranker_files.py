"""Vocabularies, encoding, and rankers of other features or rewards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.ranker.contract import SPEC_FILE
from tests.transforms.ranking.training_examples import HEADS
from tests.worlds import catalog_of, moment_of, plays_of, random_plays, tracks_of
from transforms.candidates.blending import PRIOR_BLEND
from transforms.features.features import FEATURES
from transforms.features.hydrate import hydrate_candidates
from transforms.ranking.ranker_files import (
    Vocabulary,
    check_ranker,
    encode_batch,
    learn_vocabulary,
    write_rewards,
)
from transforms.tables.schemas import RECENT_LENGTH


def vocabulary_of(track_ids: list[str], artist_ids: list[str]) -> Vocabulary:
    return Vocabulary(pl.Series(track_ids, dtype=pl.String), pl.Series(artist_ids, dtype=pl.String))


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **moment_of(plays, catalog, tmp_path)), catalog


def test_rows_follow_ids_not_codes(tmp_path: Path) -> None:
    catalog = catalog_of(plays_of([]), tracks_of(6), tmp_path)
    tracks, artists = vocabulary_of(["t0004", "t0001", "gone"], ["a1", "a9"]).rows_of(catalog)
    assert tracks.tolist() == [0, 2, 0, 0, 1, 0, 0] and tracks.dtype == np.int32
    # artists of the catalog: a0 a1 a2 a3 a5; the last row answers an unknown artist
    assert artists.tolist() == [0, 1, 0, 0, 0, 0]


def test_only_what_was_played_enough_has_an_embedding(world: tuple[pl.DataFrame, Any]) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=20)
    played = catalog.tracks.filter(pl.col("n_plays") >= 20)
    assert vocabulary.track_ids.to_list() == played["track_id"].to_list() and 0 < len(played) < 40
    assert set(vocabulary.artist_ids) == set(played["artist_id"].drop_nulls())
    spec = vocabulary.spec(HEADS)
    assert (spec.num_tracks, spec.recent_length, spec.heads) == (len(played), RECENT_LENGTH, HEADS)


def test_a_batch_holds_the_rows_of_the_candidates(world: tuple[pl.DataFrame, Any]) -> None:
    candidates, catalog = world
    rows = learn_vocabulary(catalog, min_plays=5).rows_of(catalog)
    batch = encode_batch(candidates, rows)
    for place, row in enumerate(candidates.iter_rows(named=True)):
        assert batch["dense"][place].tolist() == [row[feature.name] for feature in FEATURES]
        assert batch["track"][place] == rows[0][row["track"]]
        assert batch["artist"][place] == (0 if row["artist"] is None else rows[1][row["artist"]])
        assert batch["recent"][place].tolist() == [0 if code < 0 else rows[0][code] for code in row["recent"]]
    assert {name: array.dtype for name, array in batch.items()} == {
        "dense": np.float32,
        "track": np.int32,
        "artist": np.int32,
        "recent": np.int32,
    }


def test_a_ranker_of_other_features_is_refused(world: tuple[pl.DataFrame, Any], tmp_path: Path) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    vocabulary.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="no ranker"):
        check_ranker(str(tmp_path))
    PRIOR_BLEND.save(tmp_path)
    write_rewards(tmp_path)
    fields = json.loads(vocabulary.spec(HEADS).to_json())
    fields["dense"][3] = "phase_of_the_moon"
    (tmp_path / SPEC_FILE).write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="phase_of_the_moon"):
        check_ranker(str(tmp_path))


def test_a_ranker_of_other_rewards_is_refused_and_one_of_other_weights_is_not(
    world: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    vocabulary.save(tmp_path)
    PRIOR_BLEND.save(tmp_path)
    write_rewards(tmp_path)
    (tmp_path / SPEC_FILE).write_text(vocabulary.spec(HEADS).to_json())
    said = json.loads((tmp_path / "rewards.json").read_text())

    def saying(name: str, **changes: object) -> str:
        entries = [{**one, **changes} if one["name"] == name else one for one in said["rewards"]]
        return json.dumps({**said, "rewards": entries})

    (tmp_path / "rewards.json").write_text(saying("skipped", weight=-7))
    check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(saying("saved", sentence="not one of its heads"))
    check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(saying("skipped", sentence="left after a second"))
    with pytest.raises(
        ValueError, match="the reward 'skipped' meant 'left after a second, .*' when .* now 'its first play"
    ):
        check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(json.dumps({**said, "version": 0}))
    with pytest.raises(ValueError, match="of version 0, today's are of version"):
        check_ranker(str(tmp_path))
