"""Split the log at a cutoff: the history that systems see, the users they recommend to, and the ground truth."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.evaluation.schemas import ARRIVED_LATE, EVALUATION_ROWS, PLAYED_BEFORE, TARGET
from transforms.evaluation.window import EvaluationWindow
from transforms.events.user_samples import count_listeners, count_listens_between, sample_users, sampling_share
from transforms.tables.buckets import MapBuckets
from transforms.tables.columns import fill_columns
from transforms.tables.schemas import PLAY, PLAYS

_MARKS = pl.Enum([TARGET, PLAYED_BEFORE, ARRIVED_LATE])


@dataclass(eq=False)
class SplitLog(beam.PTransform):
    """Applied to all PLAYS in order; `.expand` returns (history, users, evaluation rows).

    history: the plays known before the cutoff, of all users; no later stage sees any other play.
    users: the same plays of the users to evaluate, about `max_users` of those with a target.
    evaluation rows: their targets, their earlier plays, and their earlier plays that arrived after the cutoff.
    reported: the plays of the users whom to evaluate at most.
    """

    window: EvaluationWindow
    max_users: int
    seed: int
    reported: beam.PCollection

    def expand(self, plays: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Count the users with a target, then apply three maps."""
        cutoff_at, starts_at, ends_at = self.window.cutoff_at, self.window.starts_at, self.window.ends_at
        n_users = self.reported | count_listeners(starts_at, ends_at)
        arguments = {
            "cutoff_at": cutoff_at,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "share": sampling_share(n_users, self.max_users),
            "seed": self.seed,
        }
        history = plays | MapBuckets(plays_before_cutoff, out=PLAYS, cutoff_at=cutoff_at)
        users = self.reported | MapBuckets(select_users, out=PLAYS, **arguments)
        return history, users, self.reported | MapBuckets(split_log, out=EVALUATION_ROWS, **arguments)


def plays_before_cutoff(plays: pl.DataFrame, *, cutoff_at: datetime) -> pl.DataFrame:
    """PLAYS -> PLAYS that the service knew before the cutoff."""
    return plays.filter(pl.col("known_at") < cutoff_at)


def select_users(
    plays: pl.DataFrame, *, cutoff_at: datetime, starts_at: datetime, ends_at: datetime, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS -> PLAYS known before the cutoff of the users to evaluate; one row without a track for a new user."""
    users = sample_users(count_listens_between(plays, starts_at, ends_at), share, seed)
    before = plays_before_cutoff(plays, cutoff_at=cutoff_at)
    known = before.join(users, on="user_id", how="semi", maintain_order="left")
    markets = plays.select("user_id", "market").unique("user_id")
    others = users.join(known, on="user_id", how="anti").join(markets, on="user_id")
    return pl.concat([known, others], how="diagonal").sort("user_id", maintain_order=True)


def split_log(
    plays: pl.DataFrame, *, cutoff_at: datetime, starts_at: datetime, ends_at: datetime, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS -> EVALUATION_ROWS of the users to evaluate: their plays, by when they were played and known.

             played before the cutoff              |  gap  |  played for 30 s or more in the horizon
    known before it: played_before,                |       |
    known after it: arrived_late          -- cutoff_at -- starts_at ------- target ------- ends_at -->
    """
    targets = count_listens_between(plays, starts_at, ends_at)
    users = sample_users(targets, share, seed)
    before = plays.filter((pl.col("action") == PLAY) & (pl.col("played_at") < cutoff_at))
    marks = {
        TARGET: targets,
        PLAYED_BEFORE: _count_plays(before.filter(pl.col("known_at") < cutoff_at)),
        ARRIVED_LATE: _count_plays(before.filter(pl.col("known_at") >= cutoff_at)),
    }
    rows = pl.concat(part.with_columns(system=pl.lit(name, dtype=_MARKS)) for name, part in marks.items())
    evaluated = rows.join(users, on="user_id", how="semi", maintain_order="left")
    return fill_columns(evaluated, EVALUATION_ROWS)


def _count_plays(plays: pl.DataFrame) -> pl.DataFrame:
    return plays.group_by("user_id", "track", maintain_order=True).agg(n_plays=pl.len().cast(pl.Int32))
