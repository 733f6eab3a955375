"""Users are enrolled in one arm, from their first exposure on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graph, tables_of
from tests.transforms.experiments.readout.enrolments import ARMS, STARTS_AT, at, enrolment_rows
from transforms.experiments.readout.enrol_users import EnrolUsers, enrol_users, reject_unused_rows
from transforms.experiments.readout.schemas import ENROLMENT_ROWS, UNUSED_REASONS

GIVEN = {"arms": ARMS, "has_exposures": True, "starts_at": STARTS_AT}


@pytest.mark.parametrize(
    ("rows", "enrolled", "reasons"),
    [
        ([("control", 1), (None, 2), (None, 3)], (0, 2), ["repeated"]),
        ([("treatment", 1), ("treatment", 2), (None, 2)], (1, 2), ["repeated"]),
        ([("treatment", 1)], (1, None), []),
        ([("control", 1), ("treatment", 5), (None, 2)], None, ["in_two_arms"] * 3),
        ([(None, 2), (None, 3)], None, ["not_assigned"] * 2),
        ([(None, 0), ("control", 1), (None, 2)], (0, 2), ["before_assignment"]),
        ([("control", 1), (None, 1)], (0, 1), []),
    ],
)
def test_cases(rows: list[tuple[str | None, int]], enrolled: tuple[int, int | None] | None, reasons: list[str]) -> None:
    table = enrolment_rows(*(("u", *row) for row in rows))
    found = enrol_users(table, **GIVEN)
    expected = [] if enrolled is None else [("u", enrolled[0], None if enrolled[1] is None else at(enrolled[1]))]
    assert found.rows() == expected
    assert reject_unused_rows(table)["reason"].to_list() == reasons


def test_without_exposures_users_count_from_their_assignment_or_the_start() -> None:
    table = enrolment_rows(("u", "control", -20), ("v", "treatment", 3))
    found = enrol_users(table, arms=ARMS, has_exposures=False, starts_at=STARTS_AT)
    assert found.rows() == [("u", 0, at(0)), ("v", 1, at(3))]


ROWS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from([None, "control", "treatment"]), st.integers(0, 3)), max_size=9
)


@given(ROWS)
def test_every_row_is_used_or_rejected_in_any_order(rows: list[tuple[str, str | None, int]]) -> None:
    table = enrolment_rows(*rows)
    enrolled, rejected = enrol_users(table, **GIVEN), reject_unused_rows(table)
    used = len(enrolled) + enrolled["exposed_at"].count()
    assert used + len(rejected) == len(rows)
    assert set(rejected["reason"]) <= set(UNUSED_REASONS) and enrolled["user_id"].is_unique().all()
    again = enrol_users(enrolment_rows(*rows[::-1]), **GIVEN)
    assert again.sort("user_id").rows() == enrolled.sort("user_id").rows()


def test_the_stage() -> None:
    tables = [enrolment_rows(("u", "control", 1), ("u", None, 2)), enrolment_rows(("v", None, 2))]
    kept = run_graph(lambda root: tables_of(root, "Rows", ENROLMENT_ROWS, tables) | EnrolUsers(ARMS, True, STARTS_AT))
    assert joined(kept)["user_id"].to_list() == ["u"]
