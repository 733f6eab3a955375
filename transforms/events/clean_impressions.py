"""Split impressions into kept and rejected rows, each of these with a reason; clear values that are out of range."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.events.impressions import (
    CHECKED_IMPRESSIONS,
    IMPRESSION_REASONS,
    IMPRESSION_ROWS,
    REJECTED_IMPRESSIONS,
)
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import categories
from transforms.tables.counts import COUNTS, counts_frame
from transforms.tables.rejects import first_reason, is_blank

# Positions beyond it are a writer's word for "unknown"; propensities below it would be infinite weights.
_MAX_POSITION, _MIN_PROPENSITY = 100_000, 1e-9
_POSITIONS = ("shelf_position", "position")


@dataclass(eq=False)
class CleanImpressions(beam.PTransform):
    """Apply clean_impressions() to every table of impressions; `.expand` returns (kept, rejected, COUNTS)."""

    as_of: datetime
    min_played_at: datetime
    track_codes: Opened

    def expand(self, impressions: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Check the rows, then split them and count cleared values."""
        checked = impressions | MapBuckets(
            clean_impressions,
            out=CHECKED_IMPRESSIONS,
            as_of=self.as_of,
            min_played_at=self.min_played_at,
            track_codes=self.track_codes,
        )
        return (
            checked | MapBuckets(keep_impressions, out=IMPRESSION_ROWS),
            checked | MapBuckets(reject_impressions, out=REJECTED_IMPRESSIONS),
            checked | MapBuckets(count_cleared_impressions, out=COUNTS),
        )


def clean_impressions(
    impressions: pl.DataFrame, *, as_of: datetime, min_played_at: datetime, track_codes: pl.DataFrame
) -> pl.DataFrame:
    """Add the first reason of rejection that applies to each row: IMPRESSION_ROWS -> CHECKED_IMPRESSIONS."""
    is_known = categories(impressions["track_id"]).is_in(track_codes["track_id"].implode())
    conditions: dict[str, pl.Expr | pl.Series] = {
        "missing_user": is_blank("user_id"),
        "missing_track": is_blank("track_id"),
        "missing_time": pl.col("shown_at").is_null(),
        "in_the_future": pl.col("shown_at") >= as_of,
        "before_min_played_at": pl.col("shown_at") < min_played_at,
        "unknown_track": ~is_known.gather(impressions["track_id"].to_physical()),
    }
    return impressions.with_columns(reason=first_reason(conditions).cast(pl.Enum(IMPRESSION_REASONS)))


def keep_impressions(checked: pl.DataFrame) -> pl.DataFrame:
    """Select the kept rows, with values out of range as null: CHECKED_IMPRESSIONS -> IMPRESSION_ROWS."""
    kept = checked.filter(pl.col("reason").is_null())
    usable = [pl.when(~is_wrong).then(pl.col(name)).alias(name) for name, is_wrong in _out_of_range().items()]
    return kept.with_columns(usable).with_columns(pl.col("propensity").fill_nan(None)).select(IMPRESSION_ROWS.names)


def reject_impressions(checked: pl.DataFrame) -> pl.DataFrame:
    """Select the rejected rows as they were read: CHECKED_IMPRESSIONS -> REJECTED_IMPRESSIONS."""
    rejected = checked.filter(pl.col("reason").is_not_null())
    return rejected.with_columns(pl.col("reason").cast(pl.String)).select(REJECTED_IMPRESSIONS.names)


def count_cleared_impressions(checked: pl.DataFrame) -> pl.DataFrame:
    """CHECKED_IMPRESSIONS -> COUNTS of impressions/cleared/COLUMN, of kept rows."""
    kept = checked.filter(pl.col("reason").is_null())
    cleared = kept.select(is_wrong.sum().alias(name) for name, is_wrong in _out_of_range().items()).row(0, named=True)
    return counts_frame({f"impressions/cleared/{name}": n for name, n in cleared.items() if n})


def _out_of_range() -> dict[str, pl.Expr]:
    """Return for each column whether its value is none; null and NaN are no values."""
    inside = {name: pl.col(name).is_between(0, _MAX_POSITION) for name in _POSITIONS}
    inside["propensity"] = pl.col("propensity").fill_nan(None).is_between(_MIN_PROPENSITY, 1)
    return {name: (~is_inside).fill_null(False) for name, is_inside in inside.items()}
