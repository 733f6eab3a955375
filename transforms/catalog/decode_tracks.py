"""Replace the track codes of candidates by track ids, which are valid outside the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.catalog.track_codes import with_track_ids
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Schema


@dataclass(eq=False)
class DecodeTracks(beam.PTransform):
    """Apply decode_tracks() to every bucket; the columns of `out` are kept."""

    track_codes: Opened
    out: Schema

    def expand(self, candidates: beam.PCollection) -> beam.PCollection:
        """Apply the function in one map."""
        return candidates | MapBuckets(
            decode_tracks, out=self.out, track_codes=self.track_codes, columns=tuple(self.out.names)
        )


def decode_tracks(candidates: pl.DataFrame, *, track_codes: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add track_id and seed_track_id to candidates, and select `columns`."""
    return with_track_ids(candidates, track_codes).select(columns)
