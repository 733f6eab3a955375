"""Export the history before a cutoff for other recommenders, so that they rank on the same split."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.events.listening import is_listened
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Schema
from transforms.tables.schemas import CHECKED, PLAYS

HISTORY_ROWS = Schema("history", (PLAYS["user_id"], CHECKED["track_id"], PLAYS["played_at"]))
EVALUATED_USERS = Schema("users", (PLAYS["user_id"],))


@dataclass(eq=False)
class ExportHistory(beam.PTransform):
    """Applied to all PLAYS known before the cutoff; `.expand` returns (their history, the users to evaluate)."""

    users: beam.PCollection
    track_codes: Opened

    def expand(self, history: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Apply two maps."""
        named = history | MapBuckets(export_history, out=HISTORY_ROWS, track_codes=self.track_codes)
        return named, self.users | MapBuckets(distinct_users, out=EVALUATED_USERS)


def export_history(history: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """PLAYS -> HISTORY_ROWS: the plays of 30 s or more."""
    listens = history.filter(is_listened())
    track = track_codes["track_id"].gather(listens["track"]).alias("track_id")
    ids = pl.Enum(track.unique().sort())
    return listens.select("user_id", track.cast(ids), "played_at")


def distinct_users(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS -> EVALUATED_USERS: each user once."""
    return plays.select(pl.col("user_id").unique(maintain_order=True))
