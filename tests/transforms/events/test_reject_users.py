"""Rows of the user table: those that do not count have a reason, and those that count are what the plays take."""

from collections import Counter
from typing import Any

import apache_beam as beam
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graphs, tables_of
from transforms.events.clean_events import users_without_events
from transforms.events.order_histories import order_histories
from transforms.events.reject_users import REJECTED_USERS, USER_REASONS, RejectUsers, reject_users
from transforms.tables.columns import to_table
from transforms.tables.schemas import USER_ROWS

rows = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.none() | st.sampled_from(["", "u", "v", "ü"]),
            "market": st.none() | st.sampled_from(["", "DE", "de", "US", "Mars"]),
            "erased": st.none() | st.just(False),
        }
    ),
    max_size=12,
)


@given(rows)
def test_every_row_is_kept_or_rejected_and_the_kept_one_has_the_market_that_counts(users: list[dict[str, Any]]) -> None:
    frame = USER_ROWS.frame(users)
    rejected = to_table(reject_users(frame), REJECTED_USERS).to_pylist()
    assert {row["reason"] for row in rejected} <= set(USER_REASONS)
    left = Counter((row["user_id"], row["market"]) for row in users)
    left.subtract((row["user_id"], row["market"]) for row in rejected)
    kept = [pair for pair, n in left.items() for _ in range(n)]
    assert min(left.values(), default=0) >= 0
    assert sorted(user for user, _ in kept) == sorted({row["user_id"] for row in users if row["user_id"]})
    plays = order_histories(users_without_events(frame), max_user_events=9)
    counted = users_without_events(USER_ROWS.frame([{"user_id": user, "market": market} for user, market in kept]))
    columns = [pl.col("user_id").cast(pl.String), "market"]
    assert sorted(plays.select(columns).rows()) == sorted(counted.select(columns).rows())


def test_the_stage_brings_the_rows_of_a_user_together() -> None:
    def graph(root: beam.Pipeline) -> Any:
        users = [{"user_id": "u", "market": "DE"}, {"user_id": None}, {"user_id": "u", "market": "US"}]
        tables = tables_of(root, "Users", USER_ROWS, [USER_ROWS.frame([row]) for row in users])
        return (tables | RejectUsers(3),)

    (rejected,) = run_graphs(graph)
    assert set(joined(rejected).rows()) == {(None, None, "missing_user"), ("u", "DE", "repeated_user")}
