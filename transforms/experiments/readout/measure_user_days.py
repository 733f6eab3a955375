"""Measure what every exposed user did on each day since the exposure, and before it."""

from dataclasses import dataclass

import apache_beam as beam

from transforms.experiments.readout.user_days import USER_DAYS, measure_user_days
from transforms.tables.buckets import MapBuckets, Opened, SameBucket


@dataclass(eq=False)
class MeasureUserDays(beam.PTransform):
    """Apply measure_user_days() to every bucket of ENROLLED; plays: PLAYS, shown: TRACKS_SHOWN, of the same buckets."""

    plays: beam.PCollection
    shown: beam.PCollection | None
    catalog: Opened
    num_days: int
    covariate_days: int

    def expand(self, enrolled: beam.PCollection) -> beam.PCollection:
        """Join the tables of each bucket, and map."""
        return enrolled | MapBuckets(
            measure_user_days,
            out=USER_DAYS,
            plays=SameBucket(self.plays),
            shown=SameBucket(self.shown) if self.shown is not None else None,
            has_shown=self.shown is not None,
            catalog=self.catalog,
            num_days=self.num_days,
            covariate_days=self.covariate_days,
        )
