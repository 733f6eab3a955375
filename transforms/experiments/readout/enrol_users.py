"""Enrol whole users: one arm and the first exposure of each; reject users of two arms, repeats and stray exposures."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.experiments.readout.rejected_enrolments import as_rejected
from transforms.experiments.readout.schemas import ENROLLED
from transforms.tables.buckets import MapBuckets
from transforms.tables.counts import counts_frame
from transforms.tables.rejects import first_reason


@dataclass(eq=False)
class EnrolUsers(beam.PTransform):
    """Apply enrol_users() to every bucket of ENROLMENT_ROWS; reject_unused_rows() has the rows that it does not use.

    has_exposures: False: whoever is assigned counts as exposed, from the assignment or the experiment's start on.
    """

    arms: tuple[str, ...]
    has_exposures: bool
    starts_at: datetime

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Enrol in one map."""
        given = {"arms": self.arms, "has_exposures": self.has_exposures, "starts_at": self.starts_at}
        return rows | MapBuckets(enrol_users, out=ENROLLED, **given)


def enrol_users(rows: pl.DataFrame, *, arms: tuple[str, ...], has_exposures: bool, starts_at: datetime) -> pl.DataFrame:
    """Return arm and first exposure of every user who is in one arm: ENROLMENT_ROWS -> ENROLLED."""
    kept = _with_reasons(rows).filter(pl.col("reason").is_null())
    code = {arm: number for number, arm in enumerate(arms)}
    assigned = kept.filter(~pl.col("is_exposure")).select(
        "user_id",
        arm=pl.col("arm").cast(pl.String).replace_strict(code, return_dtype=pl.Int8),
        assigned_at="at",
    )
    if not has_exposures:
        return assigned.select("user_id", "arm", exposed_at=pl.col("assigned_at").clip(lower_bound=starts_at))
    exposed = kept.filter("is_exposure").select("user_id", exposed_at="at")
    joined = assigned.join(exposed, on="user_id", how="left", maintain_order="left")
    return joined.select(ENROLLED.names)


def reject_unused_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Select the rows that enrol_users() does not use: ENROLMENT_ROWS -> REJECTED_ENROLMENTS."""
    return as_rejected(_with_reasons(rows))


def count_users_by_arm(enrolled: pl.DataFrame) -> pl.DataFrame:
    """Count ENROLLED: COUNTS of assigned/ARM and exposed/ARM, by index of the arm."""
    assigned = enrolled.group_by("arm").agg(n=pl.len(), exposed=pl.col("exposed_at").count())
    return counts_frame(
        {f"assigned/{arm}": n for arm, n, _ in assigned.rows()}
        | {f"exposed/{arm}": exposed for arm, _, exposed in assigned.rows() if exposed}
    )


def count_rejected_rows(rejected: pl.DataFrame) -> pl.DataFrame:
    """Count REJECTED_ENROLMENTS: COUNTS of TABLE/REASON."""
    counts = rejected.group_by("table", "reason").agg(n=pl.len())
    return counts_frame({f"{table}/{reason}": n for table, reason, n in counts.rows()})


def _with_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort the rows of each user by time, and add the reason of those that are not used."""
    ordered = rows.with_columns(pl.col("user_id", "arm").cast(pl.String)).sort(
        "user_id", "at", "is_exposure", "arm", nulls_last=True
    )
    ids = pl.Enum(ordered["user_id"].unique().sort())
    is_exposure = pl.col("is_exposure")
    with_users = ordered.cast({"user_id": ids}).with_columns(
        num_arms=pl.col("arm").n_unique().over("user_id") - pl.col("arm").is_null().any().over("user_id"),
        assigned_at=pl.col("at").filter(~is_exposure).min().over("user_id"),
    )
    is_early = is_exposure & (pl.col("at") < pl.col("assigned_at")).fill_null(False)
    nth = pl.int_range(pl.len()).over("user_id", is_exposure, is_early)
    reasons = {
        "in_two_arms": pl.col("num_arms") > 1,
        "not_assigned": pl.col("assigned_at").is_null(),
        "before_assignment": is_early,
        "repeated": nth > 0,
    }
    return with_users.with_columns(reason=first_reason(reasons))
