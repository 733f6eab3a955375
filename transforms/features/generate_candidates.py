"""Generate each user's candidates from all sources, with their features, as of one moment."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.candidates.blending import open_merge
from transforms.features.features import CANDIDATES
from transforms.features.hydrate import Moment, hydrate_candidates
from transforms.tables.buckets import MapBuckets, Opened


@dataclass(eq=False)
class GenerateCandidates(beam.PTransform):
    """generate_candidates() on every bucket."""

    moment: Moment
    merge_path: beam.PCollection
    max_candidates: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """One map."""
        arguments = {"merge": Opened(self.merge_path, open_merge), "max_candidates": self.max_candidates}
        return plays | MapBuckets(generate_candidates, out=CANDIDATES, **self.moment.arguments(), **arguments)


def generate_candidates(plays: pl.DataFrame, **moment: Any) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES: every user's, no track twice, none that the user disliked."""
    return hydrate_candidates(plays, **moment)
