"""Generate each user's candidates from all sources, with their features, as of one moment."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.candidates import candidates_at
from transforms.catalogs import Catalog, open_catalog
from transforms.features import CANDIDATES


@dataclass(eq=False)
class GenerateCandidates(beam.PTransform):
    """generate_candidates() on every bucket."""

    catalog_path: beam.PCollection
    as_of: datetime

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """One map."""
        catalog = Opened(self.catalog_path, open_catalog)
        return plays | MapBuckets(generate_candidates, out=CANDIDATES, catalog=catalog, as_of=self.as_of)


def generate_candidates(plays: pl.DataFrame, *, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES: every user's, no track twice, none that the user disliked."""
    return candidates_at(plays, catalog=catalog, as_of=as_of)
