"""Rows of assignments and exposures are kept, or rejected with the first reason that applies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graph, tables_of
from tests.transforms.experiments.readout.enrolments import ARMS, WINDOW, assignments, at, exposures
from transforms.experiments.readout.clean_enrolments import CleanEnrolments, clean_enrolments, reject_enrolments
from transforms.experiments.readout.schemas import ASSIGNMENT_ROWS, ROW_REASONS

GIVEN = {"experiment": "", "arms": ARMS, "window": WINDOW}
TIMES = st.sampled_from([None, at(-30), at(-0.1), at(0), at(3), at(10), at(25)])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("u", "control", at(1)), None),
        (("u", "control", at(-30)), None),
        ((None, None, None), "missing_user"),
        (("", "control", at(1)), "missing_user"),
        (("u", "control", None), "missing_time"),
        (("u", None, at(1)), "missing_arm"),
        (("u", "Control", at(1)), "unknown_arm"),
        (("u", "control", at(10)), "in_the_future"),
    ],
)
def test_reasons_of_assignments(row: tuple[object, ...], reason: str | None) -> None:
    rejected = reject_enrolments(assignments(row), is_exposure=False, **GIVEN)
    assert rejected["reason"].to_list() == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("days", "reason"), [(0, None), (-0.01, "before_start"), (9.99, None), (10, "in_the_future"), (25, "in_the_future")]
)
def test_reasons_of_exposures(days: float, reason: str | None) -> None:
    rejected = reject_enrolments(exposures(("u", at(days))), is_exposure=True, **GIVEN)
    assert rejected["reason"].to_list() == ([reason] if reason else [])


def test_what_comes_after_the_planned_end_does_not_count() -> None:
    window = type(WINDOW)(WINDOW.starts_at, at(5), WINDOW.as_of)
    rejected = reject_enrolments(exposures(("u", at(5))), is_exposure=True, experiment="", arms=ARMS, window=window)
    assert rejected["reason"].to_list() == ["after_end"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "", "u", "v"]),
            st.sampled_from([None, "control", "x"]),
            TIMES,
            st.sampled_from([None, "e", "f"]),
        ),
        max_size=8,
    ),
    st.sampled_from(["", "e"]),
)
def test_every_row_of_the_experiment_is_kept_or_rejected(rows: list[tuple[object, ...]], experiment: str) -> None:
    mine = [row for row in rows if not experiment or row[3] in (None, experiment)]
    for is_exposure, table in (
        (False, assignments(*rows)),
        (True, exposures(*((user, time, name) for user, _, time, name in rows))),
    ):
        given_now = {**GIVEN, "experiment": experiment, "is_exposure": is_exposure}
        kept, rejected = clean_enrolments(table, **given_now), reject_enrolments(table, **given_now)
        assert len(kept) + len(rejected) == len(mine)
        assert set(rejected["reason"]) <= set(ROW_REASONS) and set(rejected["table"]) <= {"assignments", "exposures"}


def test_the_stage() -> None:
    rows = assignments(("u", "control", at(1), "e"), ("v", "x", at(1), "e"), ("w", "x", at(1), "f"))
    clean = CleanEnrolments(False, "e", ARMS, WINDOW)
    kept = run_graph(lambda root: tables_of(root, "Rows", ASSIGNMENT_ROWS, [rows]) | clean)
    assert joined(kept)["user_id"].to_list() == ["u"]
    rejected = reject_enrolments(rows, **clean.given)
    assert rejected.select("user_id", "reason").rows() == [("v", "unknown_arm")]
