"""Give candidates the ids behind their codes, so that they mean something outside the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Schema


@dataclass(eq=False)
class DecodeTracks(beam.PTransform):
    """name_tracks() on every bucket; `out` says which columns stay."""

    track_codes: Opened
    out: Schema

    def expand(self, candidates: beam.PCollection) -> beam.PCollection:
        """One map."""
        return candidates | MapBuckets(
            decode_tracks, out=self.out, track_codes=self.track_codes, columns=tuple(self.out.names)
        )


def decode_tracks(candidates: pl.DataFrame, *, track_codes: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Candidates -> the same with track_id and because_track_id; only `columns` of them."""
    ids = track_codes["track_id"]
    named = candidates.with_columns(
        ids.gather(candidates["track"]).alias("track_id"),
        ids.gather(candidates["because_track"]).alias("because_track_id"),
    )
    return named.select(columns)
