"""Pairs of listens against a plain loop."""

from collections import Counter
from typing import Any

import polars as pl
import pytest

from tests.stages import run_graph, tables_of
from tests.worlds import AS_OF, by_bucket, plays_of, random_plays
from transforms.now_playing.count_transitions import CountTransitions, count_transitions
from transforms.now_playing.successor_tables import TRANSITIONS
from transforms.tables.columns import to_frame
from transforms.tables.schemas import PLAYS


def is_known_listen(row: dict[str, Any]) -> bool:
    is_listen = row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)
    return is_listen and row["known_at"] < AS_OF


def goes_on(before: dict[str, Any], row: dict[str, Any]) -> bool:
    pause = (row["played_at"] - before["played_at"]).total_seconds() - (before["ms_played"] or 0) / 1000
    return before["user_id"] == row["user_id"] and pause <= 1800


def slow_counts(plays: pl.DataFrame) -> Counter[tuple[int, int]]:
    """Count by a loop over the listens of each user."""
    counts: Counter[tuple[int, int]] = Counter()
    sessions: list[list[dict[str, Any]]] = []
    before: dict[str, Any] | None = None
    for row in filter(is_known_listen, plays.iter_rows(named=True)):
        if before is None or not goes_on(before, row):
            sessions.append([])
        sessions[-1].append(row)
        before = row
    for session in sessions:
        for later, row in enumerate(session):
            counts[row["track"], row["track"]] += 1
            for distance in range(1, min(5, later) + 1):
                earlier = session[later - distance]["track"]
                if earlier != row["track"] and not row["is_shuffle"]:
                    counts[earlier, row["track"]] += 60 // distance
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed).with_columns(is_shuffle=pl.int_range(pl.len()) % 7 == 0)
    found = count_transitions(plays, as_of=AS_OF)
    assert {(row["track"], row["other"]): row["count"] for row in found.to_dicts()} == slow_counts(plays)


def test_only_listens_of_a_session_that_were_known_are_pairs() -> None:
    minutes = 1 / 1440
    rows = [
        {"user_id": "a", "track": track, "days": 1 - at * minutes, **more}
        for at, track, more in [
            (0, 0, {}),
            (4, 1, {"ms_played": 1_000}),
            (5, 2, {}),
            (9, 3, {"is_shuffle": True}),
            (60, 4, {}),
            (64, 5, {"known_at": AS_OF}),
        ]
    ]
    counts = count_transitions(plays_of(rows), as_of=AS_OF).filter(pl.col("track") != pl.col("other"))
    assert counts.rows() == [(0, 2, 60)]


def test_the_stage_brings_the_counts_of_a_track_together() -> None:
    plays = random_plays(5)

    def graph(root):  # type: ignore[no-untyped-def]
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | CountTransitions(AS_OF, num_buckets=4)

    tables = [to_frame(table) for _, table in run_graph(graph)]
    assert len({track for table in tables for track in table["track"].unique()}) == sum(
        table["track"].n_unique() for table in tables
    )
    summed = pl.concat(tables).group_by("track", "other").agg(pl.col("count").sum())
    assert summed.sort("track", "other").equals(
        count_transitions(plays, as_of=AS_OF).select(TRANSITIONS.names).sort("track", "other")
    )
