"""The history and the users that other recommenders get."""

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.worlds import by_bucket, plays_of, random_plays
from transforms.evaluation.export_history import (
    EVALUATED_USERS,
    HISTORY_ROWS,
    ExportHistory,
    distinct_users,
    export_history,
)
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS, TRACK_CODES

CODES = pl.DataFrame(
    {"track_id": [f"t{code:04d}" for code in range(40)], "track": pl.Series(range(40), dtype=pl.Int32)}
)


def plain_history(plays: pl.DataFrame) -> list[tuple[str, str, object]]:
    rows = []
    for row in plays.iter_rows(named=True):
        if row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000):
            rows.append((row["user_id"], f"t{row['track']:04d}", row["played_at"]))
    return rows


def test_listens_are_exported_in_order_with_ids_for_codes() -> None:
    plays = random_plays(51)
    history = export_history(plays, track_codes=CODES)
    assert to_table(history, HISTORY_ROWS).num_rows == len(history)
    assert history.rows() == plain_history(plays)
    assert 0 < len(history) < len(plays)


@pytest.mark.parametrize(
    ("changes", "is_exported"),
    [
        ({"ms_played": 29_999}, False),
        ({"ms_played": 30_000}, True),
        ({"ms_played": None}, True),
        ({"action": 1}, False),
    ],
)
def test_skips_and_other_actions_are_not_exported(changes: dict[str, object], is_exported: bool) -> None:
    history = export_history(plays_of([{"user_id": "a", "track": 3, "days": 1, **changes}]), track_codes=CODES)
    assert history["track_id"].to_list() == ["t0003"] * is_exported


def test_each_user_is_exported_once_also_without_a_play() -> None:
    rows = [{"user_id": "b", "track": 1, "days": 2}, {"user_id": "b", "track": 2, "days": 1}]
    users = distinct_users(plays_of([*rows, {"user_id": "a", "track": None, "days": None}]))
    assert to_table(users, EVALUATED_USERS).column("user_id").to_pylist() == ["a", "b"]


def test_the_stage_yields_the_history_of_everyone_and_the_users_of_the_evaluation() -> None:
    plays = random_plays(52)
    few = plays.filter(pl.col("user_id").cast(pl.String) < "ü010")

    def build(root: beam.Pipeline, which: int) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        users = tables_of(root, "users", PLAYS, by_bucket(few, 2))
        history = tables_of(root, "history", PLAYS, by_bucket(plays, 2))
        return (history | ExportHistory(users, codes))[which]

    history = joined(run_graph(lambda root: build(root, 0)))
    assert sorted(history.rows()) == sorted(plain_history(plays))
    users = joined(run_graph(lambda root: build(root, 1)))
    assert sorted(users["user_id"]) == sorted(set(few["user_id"]))
