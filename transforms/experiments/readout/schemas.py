"""Declared tables of an experiment: what goes in, what flows between stages, and the sums of the readout."""

import pyarrow as pa

from transforms.experiments.inference.estimates import SUM_NAMES
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME, TIMESTAMP, USER_ID

# Reasons of rejection in order of precedence: a rejected row has the first that applies.
ROW_REASONS = (
    "missing_user",
    "missing_time",
    "missing_arm",
    "unknown_arm",
    "in_the_future",
    "before_start",
    "after_end",
)
UNUSED_REASONS = ("in_two_arms", "repeated", "not_assigned", "before_assignment")
ENROLMENT_REASONS = (*ROW_REASONS, *UNUSED_REASONS)

ASSIGNMENTS = Schema(
    "assignments",
    (
        Column("user_id", pa.string(), "the user", is_required=True),
        Column("arm", pa.string(), "arm of the experiment, one of `--arms`", is_required=True),
        Column("assigned_at", TIMESTAMP, "time of the assignment", is_required=True),
        Column("experiment", pa.string(), "`--experiment` leaves rows of other names out; null: of any"),
    ),
)
EXPOSURES = Schema(
    "exposures",
    (
        Column("user_id", pa.string(), "the user", is_required=True),
        Column("exposed_at", TIMESTAMP, "time at which the arms could first differ for the user", is_required=True),
        Column("experiment", pa.string(), "`--experiment` leaves rows of other names out; null: of any"),
    ),
)
# ASSIGNMENTS and EXPOSURES as read.
ASSIGNMENT_ROWS = Schema(
    "assignment_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("arm", NAME, "as read"),
        Column("assigned_at", TIMESTAMP, "as read"),
        Column("experiment", NAME, "as read"),
    ),
)
EXPOSURE_ROWS = Schema(
    "exposure_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("exposed_at", TIMESTAMP, "as read"),
        Column("experiment", NAME, "as read"),
    ),
)
# Both in one table.
ENROLMENT_ROWS = Schema(
    "enrolment_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("arm", NAME, "as read; null in exposures"),
        Column("at", TIMESTAMP, "assigned_at or exposed_at"),
        Column("is_exposure", pa.bool_(), "whether the row is of the exposures"),
    ),
)
REJECTED_ENROLMENTS = Schema(
    "rejected_enrolments",
    (
        Column("user_id", pa.string(), "as read"),
        Column("table", pa.string(), "assignments or exposures"),
        Column("arm", pa.string(), "as read; null in exposures"),
        Column("at", TIMESTAMP, "assigned_at or exposed_at, as read"),
        Column("reason", pa.string(), f"reason of rejection, one of {', '.join(ENROLMENT_REASONS)}"),
    ),
)
ENROLLED = Schema(
    "enrolled",
    (
        Column("user_id", USER_ID, "the user"),
        Column("arm", pa.int8(), "index of the arm in --arms; 0 is the control"),
        Column("exposed_at", TIMESTAMP, "first exposure at or after the assignment; null: never exposed"),
    ),
)
# Sums over users, exact and in any order; see estimates.py for the names of SUM_NAMES.
ARM_SUMS = Schema(
    "arm_sums",
    (
        Column("metric", pa.string(), "name of the metric"),
        Column("segment", pa.string(), "all, new, returning or capped"),
        Column("look", pa.int16(), "complete days since the start, minus 1"),
        Column("arm", pa.int8(), "index of the arm in --arms"),
        *(
            Column(name, pa.int64(), f"sum over users of {name if name == 'n' else ' * '.join(name)}")
            for name in SUM_NAMES
        ),
    ),
)
