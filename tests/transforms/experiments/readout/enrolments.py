"""Assignments and exposures as the stages read them."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tests.worlds import AS_OF, DAY
from transforms.experiments.readout.clean_enrolments import ExperimentWindow
from transforms.experiments.readout.schemas import ASSIGNMENT_ROWS, ENROLMENT_ROWS, EXPOSURE_ROWS

STARTS_AT = AS_OF - 10 * DAY
WINDOW = ExperimentWindow(STARTS_AT, STARTS_AT + 20 * DAY, AS_OF)
ARMS = ("control", "treatment")


def at(days: float) -> datetime:
    """Return a time so many days after the start."""
    return STARTS_AT + timedelta(days=days)


def assignments(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return ASSIGNMENT_ROWS.frame([dict(zip(ASSIGNMENT_ROWS.names, row, strict=False)) for row in rows])


def exposures(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return EXPOSURE_ROWS.frame([dict(zip(EXPOSURE_ROWS.names, row, strict=False)) for row in rows])


def enrolment_rows(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Rows of user, arm (None: an exposure) and days since the start."""
    return ENROLMENT_ROWS.frame(
        [{"user_id": user, "arm": arm, "at": at(days), "is_exposure": arm is None} for user, arm, days in rows]
    )
