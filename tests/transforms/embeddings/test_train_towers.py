"""The embeddings artifact: written, opened, continued from."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from models.towers.contract import Sequences, WarmStart
from tests.stages import element_of, run_graph, tables_of
from tests.worlds import AS_OF, by_bucket, catalog_of, random_plays, snapshot_inputs, spectral_towers, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks, write_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.embeddings.embeddings import (
    check_embeddings,
    open_embeddings,
    read_embeddings_report,
    read_tower_weights,
)
from transforms.embeddings.sample_sequences import sample_sequences
from transforms.embeddings.sequences import SEQUENCES
from transforms.embeddings.train_towers import TrainTowers, train_towers
from transforms.tables.columns import to_table

PLAYS = random_plays(6)


def train(
    catalog: Catalog, tracks: pl.DataFrame, folder: Path, plays: pl.DataFrame, warm_start_path: str, fit: Any
) -> str:
    folder.mkdir(parents=True)
    drawn = sample_sequences(plays, as_of=AS_OF, share=1.0, seed=1)
    rows = distinct_tracks(tracks)
    train_towers(
        folder,
        sequences=[(0, to_table(drawn, SEQUENCES))],
        catalog=catalog,
        keys=content_keys(rows, collect_tracks(rows, match_names=True)),
        warm_start_path=warm_start_path,
        as_of=AS_OF,
        fit=fit,
    )
    return str(folder)


def test_earlier_embeddings_are_handed_over_by_the_tracks_ids(tmp_path: Path) -> None:
    before, after = tracks_of(40), tracks_of(45).filter(pl.col("track_id") != "t0007")
    first = train(catalog_of(PLAYS, before, tmp_path / "a"), before, tmp_path / "one", PLAYS, "", spectral_towers)
    seen: list[WarmStart] = []

    def fit(sequences: Sequences, content: Any, near: Any, similar: Any, warm_start: Any, on_epoch: Any) -> Any:
        seen.append(warm_start)
        on_epoch({"loss": 1.0})
        return spectral_towers(sequences, content, near, similar, None, on_epoch)

    second = train(catalog_of(PLAYS, after, tmp_path / "b"), after, tmp_path / "two", PLAYS, first, fit)
    (start,) = seen
    assert np.array_equal(start.weights["id"], read_tower_weights(first)[0]["id"])
    assert start.row.tolist() == [*range(7), *range(8, 40), *[-1] * 5]
    about = read_embeddings_report(second)
    assert about["is_warm_start"] and about["epochs"] == [{"loss": 1.0}] and about["sequences"] > 100
    assert about["version"] != read_embeddings_report(first)["version"]
    assert open_embeddings(second).tracks.shape == (44, 8)


def test_without_any_sequence_there_is_no_vector_and_candidates_go_on(tmp_path: Path) -> None:
    tracks = tracks_of(40)
    catalog = catalog_of(PLAYS.clear(), tracks, tmp_path / "catalog")

    def never(*_: Any) -> Any:
        raise AssertionError("there is nothing to learn from")

    path = train(catalog, tracks, tmp_path / "towers", PLAYS.clear(), "", never)
    embeddings = open_embeddings(path)
    assert not embeddings.is_trained and embeddings.tracks.shape == (40, 0)
    assert read_embeddings_report(path)["sequences"] == 0
    # who continues from them starts anew
    continued = []
    train(catalog, tracks, tmp_path / "next", PLAYS, path, lambda *a: continued.append(a[4]) or spectral_towers(*a))
    assert continued == [None]


def test_what_cannot_be_continued_is_said_before_anything_runs(tmp_path: Path) -> None:
    tracks = tracks_of(40)
    catalog = catalog_of(PLAYS, tracks, tmp_path / "catalog")
    path = train(catalog, tracks, tmp_path / "towers", PLAYS, "", spectral_towers)
    check_embeddings(path, 8)
    with pytest.raises(ValueError, match="length 8, not 64: --tower_size"):
        check_embeddings(path, 64)
    with pytest.raises(FileNotFoundError, match="no artifact at"):
        check_embeddings(str(tmp_path / "nowhere"), 8)
    with pytest.raises(FileNotFoundError, match="no embeddings at"):
        check_embeddings(str(tmp_path / "catalog"), 8)


def test_vectors_are_those_of_the_moment(tmp_path: Path) -> None:
    catalog = catalog_of(PLAYS, tracks_of(40), tmp_path / "catalog")
    moment = snapshot_inputs(PLAYS, catalog, tmp_path)
    vectors = moment["embeddings"].tracks
    assert np.linalg.norm(vectors, axis=1)[:37].min() > 0.9
    known = moment["embeddings"].embed_users(Sequences(*(np.full((1, n), -1) for n in (50, 20)), np.zeros((1, 4))))
    assert not known.any()


def test_the_stage_trains_on_the_sequences_of_every_bucket(tmp_path: Path) -> None:
    tracks = tracks_of(40)
    catalog = catalog_of(PLAYS, tracks, tmp_path / "catalog")
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(tracks, READ_TRACKS)), match_names=True)

    def build(root: beam.Pipeline) -> beam.PCollection:
        paths = [element_of(root, name, str(tmp_path / name)) for name in ("catalog", "tracks")]
        drawn = [sample_sequences(part, as_of=AS_OF, share=1.0, seed=1) for part in by_bucket(PLAYS, 2)]
        stage = TrainTowers(*paths, "", AS_OF, str(tmp_path / "embeddings"), spectral_towers)
        return tables_of(root, "sequences", SEQUENCES, drawn) | stage

    (path,) = run_graph(build)
    expected = snapshot_inputs(PLAYS, catalog, tmp_path)["embeddings"]
    np.testing.assert_array_equal(open_embeddings(path).tracks, expected.tracks)
    assert Path(path).parent == tmp_path / "embeddings" and open_embeddings(path).is_trained
