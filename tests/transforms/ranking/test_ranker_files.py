import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.transforms.ranking.training_examples import HEADS, save_any_ranker
from tests.worlds import catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.blending import PRIOR_BLEND
from transforms.catalog.catalog import Catalog
from transforms.features.features import FEATURES
from transforms.features.hydrate import hydrate_candidates
from transforms.ranking.ranker_files import Vocabulary, check_ranker, encode_batch, learn_vocabulary, write_rewards
from transforms.tables.schemas import RECENT_LENGTH

World = tuple[pl.DataFrame, Catalog]


def vocabulary_of(track_ids: list[str], artist_ids: list[str]) -> Vocabulary:
    return Vocabulary(pl.Series(track_ids, dtype=pl.String), pl.Series(artist_ids, dtype=pl.String))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Candidates and their catalog."""
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path)), catalog


def test_rows_follow_ids_not_codes(tmp_path: Path) -> None:
    catalog = catalog_of(plays_of([]), tracks_of(6), tmp_path)
    tracks, artists = vocabulary_of(["t0004", "t0001", "gone"], ["a1", "a9"]).rows_of(catalog)
    assert tracks.tolist() == [0, 2, 0, 0, 1, 0, 0] and tracks.dtype == np.int32
    # artists of the catalog: a0 a1 a2 a3 a5; the last row is that of an unknown artist
    assert artists.tolist() == [0, 1, 0, 0, 0, 0]


def test_only_tracks_with_enough_plays_have_an_embedding(world: World) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=20)
    played = catalog.tracks.filter(pl.col("n_plays") >= 20)
    assert vocabulary.track_ids.to_list() == played["track_id"].to_list() and 0 < len(played) < 40
    assert set(vocabulary.artist_ids) == set(played["artist_id"].drop_nulls())
    spec = vocabulary.spec(HEADS)
    assert (spec.num_tracks, spec.recent_length, spec.heads) == (len(played), RECENT_LENGTH, HEADS)


def test_a_batch_holds_the_rows_of_the_candidates(world: World) -> None:
    candidates, catalog = world
    rows = learn_vocabulary(catalog, min_plays=5).rows_of(catalog)
    batch = encode_batch(candidates, rows)
    for number, row in enumerate(candidates.iter_rows(named=True)):
        assert batch["dense"][number].tolist() == [row[feature.name] for feature in FEATURES]
        assert batch["track"][number] == rows[0][row["track"]]
        assert batch["artist"][number] == (0 if row["artist"] is None else rows[1][row["artist"]])
        assert batch["recent"][number].tolist() == [0 if code < 0 else rows[0][code] for code in row["recent"]]
    types = {"dense": np.float32, "track": np.int32, "artist": np.int32, "recent": np.int32}
    assert {name: array.dtype for name, array in batch.items()} == types


@pytest.fixture
def saved(world: World, tmp_path: Path) -> tuple[Vocabulary, Path]:
    """The artifact of a ranker, and its vocabulary."""
    vocabulary, directory = learn_vocabulary(world[1], min_plays=5), tmp_path / "ranker"
    save_any_ranker(vocabulary.spec(HEADS), directory)
    vocabulary.save(directory)
    PRIOR_BLEND.save(directory)
    write_rewards(directory)
    return vocabulary, directory


def test_a_folder_without_a_ranker_is_refused(saved: tuple[Vocabulary, Path]) -> None:
    _, directory = saved
    check_ranker(str(directory), is_trusted=False)
    (directory / "spec.json").unlink()
    with pytest.raises(FileNotFoundError, match="no ranker"):
        check_ranker(str(directory), is_trusted=False)


def test_a_ranker_of_other_features_is_refused(saved: tuple[Vocabulary, Path]) -> None:
    vocabulary, directory = saved
    spec = vocabulary.spec(HEADS)
    dense = (*spec.dense[:3], "phase_of_the_moon", *spec.dense[4:])
    save_any_ranker(dataclasses.replace(spec, dense=dense), directory)
    with pytest.raises(ValueError, match="phase_of_the_moon"):
        check_ranker(str(directory), is_trusted=False)


def test_a_ranker_of_a_model_that_does_not_exist_is_refused(saved: tuple[Vocabulary, Path]) -> None:
    _, directory = saved
    (directory / "model.json").write_text('{"model": "crystal_ball"}')
    with pytest.raises(ValueError, match="the model 'crystal_ball'; the models are dcn_v2, popularity"):
        check_ranker(str(directory), is_trusted=False)


def test_a_ranker_of_other_rewards_is_refused_and_one_of_other_weights_is_not(saved: tuple[Vocabulary, Path]) -> None:
    _, directory = saved
    described = json.loads((directory / "rewards.json").read_text())

    def write(name: str, **changes: object) -> None:
        entries = [{**one, **changes} if one["name"] == name else one for one in described["rewards"]]
        (directory / "rewards.json").write_text(json.dumps({**described, "rewards": entries}))

    write("skipped", weight=-7)
    check_ranker(str(directory), is_trusted=False)
    write("saved", sentence="not one of its heads")
    check_ranker(str(directory), is_trusted=False)
    write("skipped", sentence="left after a second")
    message = "the reward 'skipped' meant 'left after a second, .*' when .* now 'its first play"
    with pytest.raises(ValueError, match=message):
        check_ranker(str(directory), is_trusted=False)
    (directory / "rewards.json").write_text(json.dumps({**described, "version": 0}))
    with pytest.raises(ValueError, match="of version 0, today's are of version"):
        check_ranker(str(directory), is_trusted=False)
