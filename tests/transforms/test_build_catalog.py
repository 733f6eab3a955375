"""Counts, neighbours and the catalog, against plain loops."""

import math
from collections import defaultdict
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, tracks_of
from transforms.build_catalog import count_tracks, sum_counts
from transforms.co_listening import WINDOW, count_pairs, find_neighbours
from transforms.columns import to_table
from transforms.schemas import CATALOG, NEIGHBOURS, PAIR_COUNTS, TRACK_COUNTS

MOMENTS = [AS_OF - 20 * DAY, AS_OF - 10 * DAY, AS_OF]


def is_listened(row: dict) -> bool:  # type: ignore[type-arg]
    return row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)


def slow_pairs(plays: pl.DataFrame, moment: int) -> dict[tuple[int, int], float]:
    """Weights of co-listens that `moment` knows of; the log is what the last moment knows."""
    weights: dict[tuple[int, int], float] = defaultdict(float)
    rows = [row for row in plays.iter_rows(named=True) if is_listened(row) and row["known_at"] < MOMENTS[-1]]
    for _, of_user in groupby(rows, key=lambda row: row["user_id"]):
        session: list[dict] = []  # type: ignore[type-arg]
        for row in of_user:
            if session and row["played_at"] - session[-1]["played_at"] > timedelta(minutes=30):
                session = []
            for distance, other in enumerate(reversed(session[-WINDOW:]), 1):
                if other["track"] != row["track"] and max(row["known_at"], other["known_at"]) < MOMENTS[moment]:
                    weights[other["track"], row["track"]] += 1 / distance
                    weights[row["track"], other["track"]] += 1 / distance
            session.append(row)
    return weights


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pairs_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed)
    pairs = count_pairs(plays, moments=MOMENTS)
    to_table(pairs, PAIR_COUNTS)
    for moment in range(len(MOMENTS)):
        sums = pairs.filter(pl.col("moment") <= moment).group_by("track", "other").agg(pl.col("weight").sum() / 60)
        found = {(track, other): weight for track, other, weight in sums.iter_rows()}
        assert found == pytest.approx(dict(slow_pairs(plays, moment)))


def test_a_session_ends_after_half_an_hour_and_with_its_user() -> None:
    minute = 1 / 1440
    rows = [("a", 0, 100 * minute), ("a", 1, 71 * minute), ("a", 2, 40 * minute), ("b", 3, 40 * minute)]
    plays = plays_of([{"user_id": user, "track": track, "days": days} for user, track, days in rows])
    pairs = count_pairs(plays, moments=[AS_OF])
    assert sorted(pairs.select("track", "other").rows()) == [(0, 1), (1, 0)]


def test_skips_and_other_actions_are_not_heard_together() -> None:
    rows = [{"track": 0}, {"track": 1, "ms_played": 29_999}, {"track": 2, "action": 2}, {"track": 3, "ms_played": None}]
    plays = plays_of([{"user_id": "a", "days": 1 - number / 1000, **row} for number, row in enumerate(rows)])
    pairs = count_pairs(plays, moments=[AS_OF])
    assert set(pairs.select("track", "other").rows()) == {(0, 3), (3, 0)}
    assert pairs["weight"].to_list() == [60, 60]


def test_neighbours_are_the_best_shrunk_cosines() -> None:
    plays = random_plays(4)
    counts = sum_counts(count_tracks(plays, as_of=MOMENTS[1], half_life_days=14.0))
    pairs = count_pairs(plays, moments=MOMENTS)
    found = find_neighbours(pairs, moment=1, track_counts=counts, num_neighbours=4, shrinkage=3.0)
    to_table(found, NEIGHBOURS)
    n = dict(counts.select("track", "n_plays").iter_rows())
    scored: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (track, other), weight in slow_pairs(plays, 1).items():
        scored[track].append((weight / math.sqrt(n[track] * n[other]) * weight / (weight + 3.0), other))
    for track, candidates in scored.items():
        best = sorted(candidates, key=lambda pair: -pair[0])[:4]
        mine = found.filter(pl.col("track") == track)
        assert mine["similarity"].to_list() == pytest.approx([score for score, _ in best], rel=1e-5)
    assert set(found["track"]) == set(scored)


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed)
    as_of = MOMENTS[1]
    found = sum_counts(count_tracks(plays, as_of=as_of, half_life_days=14.0))
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
    merged = sum_counts(pl.concat([sum_counts(pl.concat(counts[1:] or counts[:0] or [counts[0].clear()])), counts[0]]))
    assert merged.equals(sum_counts(count_tracks(plays, as_of=AS_OF, half_life_days=14.0)))
    arguments = {"moment": 0, "track_counts": merged, "num_neighbours": 5, "shrinkage": 3.0}
    whole = find_neighbours(count_pairs(plays, moments=[AS_OF]), **arguments)
    split = find_neighbours(pl.concat(count_pairs(part, moments=[AS_OF]) for part in parts)[::-1], **arguments)
    assert split.equals(whole)


def test_the_catalog_holds_what_was_counted(tmp_path: Path) -> None:
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


def test_a_catalog_of_nothing(tmp_path: Path) -> None:
    catalog = catalog_of(plays_of([]), tracks_of(0), tmp_path)
    assert catalog.tracks.is_empty() and catalog.neighbours.shape == (0, 5)
