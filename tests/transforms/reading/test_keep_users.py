"""Plays of some users only."""

import apache_beam as beam
import polars as pl

from tests.stages import joined, run_graph, tables_of
from tests.worlds import by_bucket, random_plays
from transforms.reading.keep_users import REPORT_USERS, KeepUsers
from transforms.tables.schemas import PLAYS


def test_keep_users_as_a_transform() -> None:
    plays = random_plays(5)
    chosen = ["ü003", "ü011", "ü003", "nobody"]
    parts = [REPORT_USERS.frame([{"user_id": user} for user in some]) for some in (chosen[:2], chosen[2:])]

    def build(root: beam.Pipeline) -> beam.PCollection:
        users = tables_of(root, "users", REPORT_USERS, parts)
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | KeepUsers(users)

    found, keys = joined(run_graph(build)), ["user_id", "played_at", "track", "action"]
    expected = plays.with_columns(pl.col("user_id").cast(pl.String)).filter(pl.col("user_id").is_in(chosen))
    assert found.sort(keys).equals(expected.sort(keys)) and found["user_id"].n_unique() == 2
