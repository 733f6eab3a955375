"""Rows of erased users."""

import apache_beam as beam
import polars as pl

from tests.stages import joined, run_graph, tables_of
from transforms.events.drop_erased import ERASED, DropErased, count_erased, drop_erased, select_erased, union_erased
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import EVENT_ROWS, USER_ROWS

EVENTS = EVENT_ROWS.frame([{"user_id": user, "track_id": "t"} for user in ("a", "b", None, "a", "", "c")])


def erased(*ids: str) -> pl.DataFrame:
    return ERASED.frame([{"user_id": one} for one in ids])


def test_rows_of_other_users_and_without_user_stay() -> None:
    left = drop_erased(EVENTS, erased=erased("a", "z"))
    assert left["user_id"].to_list() == ["b", None, "", "c"]
    assert count_erased(EVENTS, erased=erased("a", "z")).rows() == [("erased", 2)]
    assert drop_erased(EVENTS, erased=erased()).equals(EVENTS)


def test_no_dictionary_contains_erased_ids() -> None:
    table = to_table(drop_erased(EVENTS, erased=erased("a", "c")), EVENT_ROWS)
    assert table.column("user_id").chunk(0).dictionary.to_pylist() == ["b", ""]


def test_flagged_and_listed_users_are_erased() -> None:
    users = USER_ROWS.frame([{"user_id": "b", "erased": True}, {"user_id": "a", "erased": True}, {"user_id": "c"}])
    both = pl.concat(
        [to_frame(to_table(one, ERASED)).cast(pl.String) for one in (select_erased(users), erased("d", "a"))]
    )
    assert union_erased(both)["user_id"].to_list() == ["a", "b", "d"]


def test_the_stage_drops_the_rows_of_every_table() -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        listed = tables_of(root, "erased", ERASED, [ERASED.frame([{"user_id": "a"}])])
        return tables_of(root, "events", EVENT_ROWS, [EVENTS[:3], EVENTS[3:]]) | DropErased(EVENT_ROWS, listed)

    assert joined(run_graph(build))["user_id"].to_list() == ["b", None, "", "c"]
