"""Publish the candidates of all users: ids, score, probabilities, sources, and what pages are composed of."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.catalog.track_codes import with_track_ids
from transforms.features.rewards import PROBABILITIES
from transforms.pages.published_candidates import RANKED, SIGNIFICANT_DIGITS
from transforms.tables.buckets import MapBuckets, Opened


@dataclass(eq=False)
class PublishCandidates(beam.PTransform):
    """publish_candidates() on every bucket of SCORED."""

    track_codes: Opened

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        return scored | MapBuckets(publish_candidates, out=RANKED, track_codes=self.track_codes)


def publish_candidates(scored: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """SCORED -> RANKED: without the features that only the ranker needs, which are most of the bytes."""
    rounded = scored.with_columns(pl.col(PROBABILITIES).round_sig_figs(SIGNIFICANT_DIGITS))
    return with_track_ids(rounded, track_codes).select(RANKED.names)
