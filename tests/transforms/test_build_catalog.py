"""Counts, neighbours and the catalog, against plain loops."""

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
    """Weights of first listens near each other that `moment` knows of; the log is what the last moment knows."""
    weights: dict[tuple[int, int], float] = defaultdict(float)
    rows = [row for row in plays.iter_rows(named=True) if is_listened(row) and row["known_at"] < MOMENTS[-1]]
    for _, of_user in groupby(rows, key=lambda row: row["user_id"]):
        firsts: list[dict] = []  # type: ignore[type-arg]
        for row in of_user:
            if row["track"] in [first["track"] for first in firsts]:
                continue
            for distance, other in enumerate(reversed(firsts[-WINDOW:]), 1):
                if max(row["known_at"], other["known_at"]) < MOMENTS[moment]:
                    days = (row["played_at"] - other["played_at"]) / timedelta(days=1)
                    weight = round(1024 * distance**-0.25 * 2 ** (-days / 100)) / 1024
                    weights[other["track"], row["track"]] += weight
                    weights[row["track"], other["track"]] += weight
            firsts.append(row)
    return weights


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pairs_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed)
    pairs = count_pairs(plays, moments=MOMENTS)
    to_table(pairs, PAIR_COUNTS)
    for moment in range(len(MOMENTS)):
        sums = pairs.filter(pl.col("moment") <= moment).group_by("track", "other").agg(pl.col("weight").sum() / 1024)
        found = {(track, other): weight for track, other, weight in sums.iter_rows()}
        assert found == pytest.approx(dict(slow_pairs(plays, moment)))


def test_pairs_reach_across_sessions_and_count_less_with_the_gap() -> None:
    rows = [("a", 0, 200), ("a", 1, 100), ("a", 0, 99), ("a", 2, 99), ("b", 3, 99)]
    plays = plays_of([{"user_id": user, "track": track, "days": days} for user, track, days in rows])
    pairs = count_pairs(plays, moments=[AS_OF])
    found = {(track, other): weight for track, other, weight in pairs.select("track", "other", "weight").rows()}
    # 100 days halve; the second listen to 0 does not count, and b's plays are b's alone
    assert found[0, 1] == 512 and found[1, 2] == round(1024 * 2**-0.01)
    assert found[0, 2] == round(1024 * 2**-0.25 * 2**-1.01) and not [pair for pair in found if 3 in pair]


def test_of_a_heavy_user_only_the_newest_first_listens_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.co_listening.MAX_TRACKS_PER_USER", 3)
    plays = plays_of([{"user_id": "a", "track": track, "days": 9 - track / 10} for track in range(6)])
    assert set(count_pairs(plays, moments=[AS_OF])["track"]) == {3, 4, 5}


def test_skips_and_other_actions_are_not_heard_together() -> None:
    rows = [{"track": 0}, {"track": 1, "ms_played": 29_999}, {"track": 2, "action": 2}, {"track": 3, "ms_played": None}]
    plays = plays_of([{"user_id": "a", "days": 1 - number / 1000, **row} for number, row in enumerate(rows)])
    pairs = count_pairs(plays, moments=[AS_OF])
    assert set(pairs.select("track", "other").rows()) == {(0, 3), (3, 0)}
    assert pairs["weight"].to_list() == [1024, 1024]


def test_neighbours_are_the_most_similar() -> None:
    plays = random_plays(4)
    counts = sum_counts(count_tracks(plays, as_of=MOMENTS[1], half_life_days=14.0))
    pairs = count_pairs(plays, moments=MOMENTS)
    found = find_neighbours(pairs, moment=1, track_counts=counts, num_neighbours=4)
    to_table(found, NEIGHBOURS)
    n = dict(counts.select("track", "n_plays").iter_rows())
    scored: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (track, other), weight in slow_pairs(plays, 1).items():
        scored[track].append((weight / n[track] ** 0.5 / n[other] ** 0.05, other))
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
            "n_week": sum(play["played_at"] >= as_of - 7 * DAY for play in mine),
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
    arguments = {"moment": 0, "track_counts": merged, "num_neighbours": 5}
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
