"""Counts and the catalog, against plain loops."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, run_graphs, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, tracks_of
from transforms.catalog.build_catalog import BuildCatalog, count_tracks, sum_track_counts
from transforms.catalog.catalog import open_catalog
from transforms.catalog.collect_tracks import write_tracks
from transforms.catalog.count_markets import count_markets, sum_markets
from transforms.catalog.track_codes import READ_TRACKS
from transforms.tables.columns import to_table
from transforms.tables.schemas import CATALOG, MARKET_COUNTS, PLAYS, TRACK_COUNTS

MOMENTS = [AS_OF - 20 * DAY, AS_OF - 10 * DAY, AS_OF]


def is_listened(row: dict) -> bool:  # type: ignore[type-arg]
    return row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed)
    as_of = MOMENTS[1]
    found = sum_track_counts(count_tracks(plays, as_of=as_of, half_life_days=14.0))
    to_table(found, TRACK_COUNTS)
    rows = [row for row in plays.iter_rows(named=True) if row["action"] == 0 and row["known_at"] < as_of]
    for row in found.iter_rows(named=True):
        mine = [play for play in rows if play["track"] == row["track"]]
        timed = [play["ms_played"] for play in mine if play["ms_played"] is not None]
        popularity = sum(0.5 ** ((as_of - play["played_at"]) / DAY / 14) for play in mine if is_listened(play))
        assert row["popularity"] / 2**20 == pytest.approx(popularity, abs=1e-4)
        assert row == {
            "track": row["track"],
            "n_plays": len(mine),
            "n_users": len({play["user_id"] for play in mine}),
            "n_plays_7d": sum(play["played_at"] >= as_of - 7 * DAY for play in mine),
            "n_timed": len(timed),
            "n_skips": sum(ms < 30_000 for ms in timed),
            "ms_played": sum(timed),
            "popularity": row["popularity"],
            "first_played_at": min(play["played_at"] for play in mine),
        }
    assert set(found["track"]) == {play["track"] for play in rows}


@pytest.mark.parametrize("num_buckets", [1, 7, 64])
def test_buckets_do_not_show_in_sums(num_buckets: int) -> None:
    plays = random_plays(5)
    parts = by_bucket(plays, num_buckets)
    counts = [count_tracks(part, as_of=AS_OF, half_life_days=14.0) for part in parts]
    merged = sum_track_counts(
        pl.concat([sum_track_counts(pl.concat(counts[1:] or counts[:0] or [counts[0].clear()])), counts[0]])
    )
    assert merged.equals(sum_track_counts(count_tracks(plays, as_of=AS_OF, half_life_days=14.0)))


def test_the_catalog_contains_the_counts(tmp_path: Path) -> None:
    plays, tracks = random_plays(6), tracks_of(60)
    catalog = catalog_of(plays, tracks, tmp_path)
    assert catalog.tracks.columns == CATALOG.names and len(catalog.tracks) == 60
    unplayed = catalog.tracks[50]
    assert unplayed["n_plays"].item() == 0 and unplayed["popularity"].item() == 0.0
    assert unplayed["skip_rate"].item() is None and unplayed["completion"].item() is None
    played = catalog.tracks.filter(pl.col("n_plays") > 0)
    assert played["completion"].is_between(0, 1).all() and played["skip_rate"].is_between(0, 1).all()
    assert catalog.neighbours.shape == catalog.similarities.shape == (60, 5)
    assert ((catalog.neighbours == -1) == (catalog.similarities == 0)).all()
    assert (np.diff(catalog.similarities, axis=1) <= 0).all() and (catalog.neighbours[50] == -1).all()
    assert catalog.by_popularity["popularity"].is_sorted(descending=True)
    assert catalog.has("artist") and not catalog_of(plays, tracks.select("track_id").pipe(bare), tmp_path / "b").has(
        "artist"
    )


def bare(ids: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([tracks_of(0), ids], how="diagonal")


def test_a_catalog_without_tracks(tmp_path: Path) -> None:
    catalog = catalog_of(plays_of([]), tracks_of(0), tmp_path)
    assert catalog.tracks.is_empty() and catalog.neighbours.shape == (0, 5)


def test_the_stage_writes_a_catalog_for_each_moment(tmp_path: Path) -> None:
    plays, tracks, moments = random_plays(8), tracks_of(40), (AS_OF - 10 * DAY, AS_OF)
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(tracks, READ_TRACKS)), match_names=True)
    markets = [sum_markets(count_markets(plays, as_of=at, half_life_days=14.0)) for at in moments]

    def build(root: beam.Pipeline) -> Any:
        stage = BuildCatalog(
            moments,
            tuple(tables_of(root, f"markets{n}", MARKET_COUNTS, [one]) for n, one in enumerate(markets)),
            element_of(root, "tracks", str(tmp_path / "tracks")),
            str(tmp_path / "catalogs"),
            num_buckets=3,
            num_neighbours=5,
            half_life_days=14.0,
        )
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 2)) | stage

    paths = [path for (path,) in run_graphs(build)]
    assert len(set(paths)) == 2 and {str(Path(path).parent) for path in paths} == {str(tmp_path / "catalogs")}
    for number, (path, at) in enumerate(zip(paths, moments, strict=True)):
        found, expected = open_catalog(path), catalog_of(plays, tracks, tmp_path / str(number), as_of=at)
        assert found.tracks.equals(expected.tracks) and found.markets.equals(expected.markets)
        np.testing.assert_array_equal(found.neighbours, expected.neighbours)
        np.testing.assert_array_equal(found.similarities, expected.similarities)
