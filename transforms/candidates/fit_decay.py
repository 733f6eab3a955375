"""Fit the decay of base-level activation to the repeats of a label window."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.candidates.user_history import DEFAULT_DECAY, FIXED_POINT_UNIT, activation, to_fixed_point
from transforms.events.user_samples import count_listens_between
from transforms.tables.buckets import CombineBuckets, Element, Opened
from transforms.tables.columns import Column, Schema

DECAYS = (DEFAULT_DECAY, 0.3, 0.7, 0.9, 1.2, 1.6)
DECAY_FIT = Schema(
    "decay_fit",
    (
        Column("decay", pa.float64(), "one of DECAYS"),
        Column("log_likelihood", pa.int64(), "of the repeats", f"1/{FIXED_POINT_UNIT}"),
    ),
)


@dataclass(eq=False)
class FitDecay(beam.PTransform):
    """fit_decay() on every bucket of PLAYS, summed to one DECAY_FIT; open it with fitted_decay()."""

    as_of: datetime
    label_days: float

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Sum integers over all buckets."""
        ends_at = self.as_of + timedelta(days=self.label_days)
        return plays | CombineBuckets(fit_decay, sum_likelihoods, out=DECAY_FIT, as_of=self.as_of, ends_at=ends_at)


def fit_decay(plays: pl.DataFrame, *, as_of: datetime, ends_at: datetime) -> pl.DataFrame:
    """PLAYS of whole users -> DECAY_FIT: the log-likelihood of the repeats in [as_of, ends_at) by decay.

    The choice rule of ACT-R (Anderson et al., Psychological Review 2004): a track is chosen in proportion to the sum
    of age^-decay over its plays.
    """
    repeated = count_listens_between(plays, as_of, ends_at).select("user_id", "track", is_repeated=pl.lit(True))
    past = plays.filter(pl.col("known_at") < as_of).join(repeated.select("user_id").unique(), on="user_id", how="semi")
    columns = {f"{decay}": activation(as_of, decay) for decay in DECAYS}
    activations = past.group_by("user_id", "track").agg(**columns).drop_nulls()
    chosen = activations.join(repeated, on=["user_id", "track"], how="left")
    likelihoods = [to_fixed_point(_log_share(name).filter("is_repeated")).sum().alias(name) for name in columns]
    found = chosen.select(likelihoods).transpose(include_header=True, header_name="decay")
    return found.select(pl.col("decay").cast(pl.Float64), log_likelihood=pl.col("column_0"))


def _log_share(name: str) -> pl.Expr:
    """Return ln of the share of a track in the sum of exp(activation) over the user's tracks."""
    return pl.col(name) - (to_fixed_point(pl.col(name).exp()).sum().over("user_id") / FIXED_POINT_UNIT).log()


def sum_likelihoods(fits: pl.DataFrame) -> pl.DataFrame:
    """DECAY_FIT of several buckets -> DECAY_FIT of all."""
    return fits.group_by("decay").agg(pl.col("log_likelihood").sum()).sort("decay")


def likeliest_decay(fit: Element) -> float:
    """Return the decay of highest likelihood; DEFAULT_DECAY without any repeat."""
    table = pl.DataFrame(pl.from_arrow(fit[1])).filter(pl.col("log_likelihood") < 0)
    best = table.sort("log_likelihood", "decay", descending=[True, False])
    return best["decay"][0] if len(best) else DEFAULT_DECAY


def fitted_decay(fit: beam.PCollection) -> Opened:
    """Return the argument `decay` of a stage."""
    return Opened(fit, likeliest_decay)
