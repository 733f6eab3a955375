"""Split assignments and exposures into kept and rejected rows, each of these with a reason from a closed list."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.experiments.readout.rejected_enrolments import as_rejected
from transforms.experiments.readout.schemas import ENROLMENT_ROWS, ROW_REASONS
from transforms.tables.buckets import MapBuckets
from transforms.tables.rejects import first_reason, is_blank


@dataclass(frozen=True)
class ExperimentWindow:
    """The time of an experiment. ends_at: its planned end. as_of: of the readout; later rows are not used."""

    starts_at: datetime
    ends_at: datetime
    as_of: datetime


@dataclass(eq=False)
class CleanEnrolments(beam.PTransform):
    """Apply clean_enrolments() to every table; reject_enrolments() has the rows that it does not keep.

    is_exposure: whether the tables are EXPOSURE_ROWS, or else ASSIGNMENT_ROWS. experiment: rows of another name are
    left out; empty: none.
    """

    is_exposure: bool
    experiment: str
    arms: tuple[str, ...]
    window: ExperimentWindow

    @property
    def given(self) -> dict[str, object]:
        """Return the arguments of both functions."""
        names = ("is_exposure", "experiment", "arms", "window")
        return {name: getattr(self, name) for name in names}

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Keep rows in one map."""
        return rows | MapBuckets(clean_enrolments, out=ENROLMENT_ROWS, **self.given)


def clean_enrolments(
    rows: pl.DataFrame, *, is_exposure: bool, experiment: str, arms: tuple[str, ...], window: ExperimentWindow
) -> pl.DataFrame:
    """Keep the rows without a reason of rejection: ENROLMENT_ROWS."""
    named = _name_enrolments(rows, is_exposure, experiment)
    return named.filter(_reason(is_exposure, arms, window).is_null())


def reject_enrolments(
    rows: pl.DataFrame, *, is_exposure: bool, experiment: str, arms: tuple[str, ...], window: ExperimentWindow
) -> pl.DataFrame:
    """Select the rejected rows as they were read: REJECTED_ENROLMENTS."""
    named = _name_enrolments(rows, is_exposure, experiment)
    return as_rejected(named.with_columns(reason=_reason(is_exposure, arms, window)))


def _name_enrolments(rows: pl.DataFrame, is_exposure: bool, experiment: str) -> pl.DataFrame:
    """Bring assignments or exposures of one experiment into the form of ENROLMENT_ROWS."""
    is_other = pl.col("experiment").cast(pl.String) != experiment
    of_experiment = rows.filter(~is_other.fill_null(False)) if experiment else rows
    return of_experiment.select(
        "user_id",
        pl.lit(None, pl.Enum([])).alias("arm") if is_exposure else pl.col("arm"),
        at=pl.col("exposed_at" if is_exposure else "assigned_at"),
        is_exposure=pl.lit(is_exposure),
    )


def _reason(is_exposure: bool, arms: tuple[str, ...], window: ExperimentWindow) -> pl.Expr:
    """Return the first reason of rejection that applies to a row; null: it is kept.

    An assignment may be older than the experiment's start, where users were assigned first and exposed later.
    """
    arm, at = pl.col("arm").cast(pl.String), pl.col("at")
    is_assignment = pl.lit(not is_exposure)
    conditions = {
        "missing_user": is_blank("user_id"),
        "missing_time": at.is_null(),
        "missing_arm": is_assignment & arm.is_null(),
        "unknown_arm": is_assignment & ~arm.is_in(arms).fill_null(True),
        "in_the_future": at >= window.as_of,
        "before_start": pl.lit(is_exposure) & (at < window.starts_at),
        "after_end": at >= window.ends_at,
    }
    assert tuple(conditions) == ROW_REASONS
    return first_reason(conditions)
