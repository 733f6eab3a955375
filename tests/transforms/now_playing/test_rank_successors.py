"""Chances of successors: against a plain computation, for every track that was played, whatever the bucket."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, tables_of
from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks, write_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.now_playing.count_transitions import count_transitions
from transforms.now_playing.rank_successors import RankSuccessors, rank_successors
from transforms.now_playing.successor_tables import SUCCESSOR_ROWS, TRANSITIONS
from transforms.tables.columns import to_table

NUM_TRACKS = 40


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(3, num_tracks=NUM_TRACKS)


@pytest.fixture(scope="module")
def tracks() -> pl.DataFrame:
    vectors = np.random.default_rng(0).standard_normal((NUM_TRACKS, 4)).astype(np.float32)
    vector = pl.Series("vector", vectors.tolist(), dtype=pl.List(pl.Float32))
    return tracks_of(NUM_TRACKS).with_columns(vector)


@pytest.fixture(scope="module")
def catalog(plays: pl.DataFrame, tracks: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog_of(plays, tracks, tmp_path_factory.mktemp("catalog") / "one")


@pytest.fixture(scope="module")
def keys(tracks: pl.DataFrame) -> dict[str, np.ndarray]:
    distinct = distinct_tracks(tracks)
    return content_keys(distinct, collect_tracks(distinct, match_names=True))


@pytest.fixture(scope="module")
def successors(plays: pl.DataFrame, catalog: Catalog, keys: dict[str, np.ndarray]) -> pl.DataFrame:
    return rank_successors(count_transitions(plays, as_of=AS_OF), catalog=catalog, keys=keys, as_of=AS_OF)


def test_every_track_that_was_played_has_successors_and_chances_that_sum_to_one(
    plays: pl.DataFrame, catalog: Catalog, successors: pl.DataFrame
) -> None:
    played = set(catalog.tracks.with_row_index("code").filter(pl.col("popularity") > 0)["code"])
    assert set(successors["track"]) == played
    sums = successors.group_by("track").agg(pl.col("chance").sum())["chance"]
    # of so few tracks all are listed
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    assert (successors["track"] != successors["other"]).all() and (successors["chance"] > 0).all()
    assert successors.select("track", "other").is_unique().all()
    falling = successors.select((pl.col("chance").diff().over("track") <= 0).fill_null(True))
    assert falling.to_series().all()


def test_chances_are_those_of_the_plain_computation(
    plays: pl.DataFrame, catalog: Catalog, keys: dict[str, np.ndarray], successors: pl.DataFrame
) -> None:
    track = int(catalog.by_popularity["track"][0])
    counts = count_transitions(plays, as_of=AS_OF).filter(pl.col("track") == track, pl.col("other") != track)
    listens = {row["other"]: row["count"] / 60 for row in counts.to_dicts()}
    near = {
        int(other): float(similarity)
        for other, similarity in zip(catalog.neighbours[track], catalog.similarities[track], strict=True)
        if other >= 0
    }
    tracks = catalog.coded.to_dicts()
    ordered = sorted(tracks, key=lambda row: (-row["popularity"], row["track"]))
    offered = {}
    for same, most, weight in (("artist", 20, 0.6), ("genre", 60, 0.3), (None, 60, 0.1)):
        own = [row for row in ordered if same is None or (row[same] is not None and row[same] == tracks[track][same])][
            :most
        ]
        for row in own:
            offered[row["track"]] = offered.get(row["track"], 0.0) + weight / len(own)
    offered.pop(track, None)
    alike = {
        other: weight * np.exp(4 * float(keys["vector"][track] @ keys["vector"][other]))
        for other, weight in offered.items()
    }
    backoff = {
        other: 0.7 * near.get(other, 0.0) / sum(near.values()) + 0.3 * alike.get(other, 0.0) / sum(alike.values())
        for other in {*near, *alike}
    }
    total = sum(listens.values()) + 5
    expected = {
        other: (listens.get(other, 0.0) + 5 * backoff.get(other, 0.0)) / total for other in {*listens, *backoff}
    }
    found = {row["other"]: row["chance"] for row in successors.filter(pl.col("track") == track).to_dicts()}
    assert found == pytest.approx(expected, abs=1e-5)
    sources = dict(successors.filter(pl.col("track") == track).select("other", "source").rows())
    assert sources[max(listens, key=lambda other: listens[other])] == "followed"
    assert {"followed", "co_listened", "content"} >= set(sources.values())


def test_what_is_not_released_or_has_no_rights_anywhere_never_comes_next(
    plays: pl.DataFrame, tracks: pl.DataFrame, keys: dict[str, np.ndarray], tmp_path: Path
) -> None:
    is_first = pl.int_range(pl.len()) < 2
    limited = READ_TRACKS.conform(
        tracks.with_columns(
            markets=pl.when(is_first).then(pl.lit([], pl.List(pl.String))).otherwise("markets"),
            release_date=pl.when(pl.int_range(pl.len()) == 2).then(pl.date(2030, 1, 1)).otherwise("release_date"),
        )
    )
    catalog = catalog_of(plays, limited, tmp_path / "catalog")
    found = rank_successors(count_transitions(plays, as_of=AS_OF), catalog=catalog, keys=keys, as_of=AS_OF)
    assert not set(found["other"]) & {0, 1, 2} and {0, 1, 2} <= set(found["track"])


def test_the_stage_gives_the_same_for_buckets_of_tracks(
    plays: pl.DataFrame, tracks: pl.DataFrame, catalog: Catalog, successors: pl.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(tracks, READ_TRACKS)), match_names=True)
    catalog_of(plays, tracks, tmp_path / "catalog")
    counts = count_transitions(plays, as_of=AS_OF)
    parts = [counts.filter(pl.col("track") % 3 == number) for number in range(3)]

    def graph(root):  # type: ignore[no-untyped-def]
        paths = [element_of(root, name, str(tmp_path / name)) for name in ("catalog", "tracks")]
        return tables_of(root, "counts", TRANSITIONS, parts) | RankSuccessors(*paths, as_of=AS_OF)

    found = joined(run_graph(graph)).sort("track", "chance", "other", descending=[False, True, False])
    expected = successors.with_columns(pl.col("source").cast(pl.String))
    assert found.equals(expected.select(SUCCESSOR_ROWS.names))
