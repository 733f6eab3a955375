"""Split the log at a cutoff: what systems may see, for whom they recommend, and what they are judged by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.evaluation.schemas import ARRIVED_LATE, EVALUATION_ROWS, PLAYED_BEFORE, TARGET
from transforms.events.user_samples import count_listeners, count_listens_between, sample_users, sampling_share
from transforms.tables.buckets import MapBuckets
from transforms.tables.columns import fill_columns
from transforms.tables.schemas import PLAY, PLAYS

_MARKS = pl.Enum([TARGET, PLAYED_BEFORE, ARRIVED_LATE])


@dataclass(eq=False)
class SplitLog(beam.PTransform):
    """Applied to all PLAYS in order; `.expand` returns (history, users, evidence), each with what is in its name only.

    history: the plays known before the cutoff, of everyone; from here on no stage can see further.
    users: the same of the users to be judged, about `max_users` of those with a target.
    evidence: their targets, what they had heard, and what they had heard but the service did not know.
    """

    cutoff_at: datetime
    starts_at: datetime
    ends_at: datetime
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> Any:
        """Count the users with a target, then three maps."""
        n_users = plays | count_listeners(self.starts_at, self.ends_at)
        window = {
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "share": sampling_share(n_users, self.max_users),
            "seed": self.seed,
        }
        history = plays | MapBuckets(plays_before_cutoff, out=PLAYS, cutoff_at=self.cutoff_at)
        users = plays | MapBuckets(select_users, out=PLAYS, cutoff_at=self.cutoff_at, **window)
        return history, users, plays | MapBuckets(split_log, out=EVALUATION_ROWS, cutoff_at=self.cutoff_at, **window)


def plays_before_cutoff(plays: pl.DataFrame, *, cutoff_at: datetime) -> pl.DataFrame:
    """PLAYS -> PLAYS: those that the service knew before the cutoff."""
    return plays.filter(pl.col("known_at") < cutoff_at)


def select_users(
    plays: pl.DataFrame, *, cutoff_at: datetime, starts_at: datetime, ends_at: datetime, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS -> PLAYS known before the cutoff of the users to judge; one without a track for a user who has none."""
    users = sample_users(count_listens_between(plays, starts_at, ends_at), share, seed)
    known = plays_before_cutoff(plays, cutoff_at=cutoff_at).join(users, on="user_id", how="semi", maintain_order="left")
    markets = plays.select("user_id", "market").unique("user_id")
    others = users.join(known, on="user_id", how="anti").join(markets, on="user_id")
    return pl.concat([known, others], how="diagonal").sort("user_id", maintain_order=True)


def split_log(
    plays: pl.DataFrame, *, cutoff_at: datetime, starts_at: datetime, ends_at: datetime, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS -> EVIDENCE of the users to judge: what they played by the time it was played and known.

                 played before the cutoff               |  gap  | played in the horizon, for 30 s or more
    -- known before: heard, known after: late -- cutoff_at -- starts_at --------- target ---------- ends_at -->
    """
    targets = count_listens_between(plays, starts_at, ends_at)
    users = sample_users(targets, share, seed)
    before = plays.filter((pl.col("action") == PLAY) & (pl.col("played_at") < cutoff_at))
    marks = {
        TARGET: targets,
        PLAYED_BEFORE: _counted(before.filter(pl.col("known_at") < cutoff_at)),
        ARRIVED_LATE: _counted(before.filter(pl.col("known_at") >= cutoff_at)),
    }
    rows = pl.concat(part.with_columns(system=pl.lit(name, dtype=_MARKS)) for name, part in marks.items())
    judged = rows.join(users, on="user_id", how="semi", maintain_order="left")
    return fill_columns(judged, EVALUATION_ROWS)


def _counted(plays: pl.DataFrame) -> pl.DataFrame:
    return plays.group_by("user_id", "track", maintain_order=True).agg(n_plays=pl.len().cast(pl.Int32))
