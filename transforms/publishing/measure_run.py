"""Measure what a run is about to publish: one JSON text of figures, which the gate and the next run read."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import pyarrow.compute as pc

from transforms.candidates.new_tracks import (
    NEW_TRACK_AUDIENCES,
    count_audiences,
    floors_reached,
    new_track_codes,
    sum_audiences,
)
from transforms.catalog.catalog import open_catalog
from transforms.events.user_samples import USER_COUNT, sampling_share, sum_users
from transforms.features.features import FEATURES
from transforms.publishing.run_metrics import (
    PAGE_TRACKS,
    count_known_users,
    count_pages,
    distinct_tracks,
    page_tracks,
    sample_values,
)
from transforms.tables.buckets import CombineBuckets, Element, as_side_input
from transforms.tables.columns import to_frame
from transforms.tables.counts import COUNTS, counts_by_name, sum_counts
from transforms.tables.histograms import HISTOGRAM, histogram_mapping, sum_histograms
from transforms.tables.stage_counters import StageCounters

_MEASURED_COLUMNS = (*(feature.name for feature in FEATURES), "score")


@dataclass(eq=False)
class MeasureRun(beam.PTransform):
    """Applied to PAGES; yields the figures.

    plays: of everyone known. scored: the histograms are of about `max_users` users.
    as_of, new_track_floor: which tracks are new, and how many users each should have as its first audience.
    """

    plays: beam.PCollection
    scored: beam.PCollection
    catalog_path: beam.PCollection
    max_users: int
    seed: int
    as_of: datetime
    new_track_floor: int

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """Count in every bucket, then one worker."""
        known = self.plays | CombineBuckets(count_known_users, sum_users, out=USER_COUNT)
        share = sampling_share(known, self.max_users)
        sides = {
            "known": known,
            "counts": pages | CombineBuckets(count_pages, sum_counts, out=COUNTS),
            "shown": pages | CombineBuckets(page_tracks, distinct_tracks, out=PAGE_TRACKS),
            "values": self.scored
            | CombineBuckets(
                sample_values, sum_histograms, out=HISTOGRAM, names=_MEASURED_COLUMNS, share=share, seed=self.seed
            ),
            "audiences": self.scored | CombineBuckets(count_audiences, sum_audiences, out=NEW_TRACK_AUDIENCES),
            "catalog_path": self.catalog_path,
        }
        start = pages.pipeline | beam.Create([""])
        given = {"as_of": self.as_of, "new_track_floor": self.new_track_floor}
        measure = beam.Map(measure_run, **{name: as_side_input(side) for name, side in sides.items()}, **given)
        return start | measure.with_output_types(str)


def measure_run(
    _: str,
    *,
    known: Element,
    counts: Element,
    shown: Element,
    values: Element,
    audiences: Element,
    catalog_path: str,
    as_of: datetime,
    new_track_floor: int,
) -> str:
    """Put the counts together."""
    with StageCounters("measure_run", 0):
        of_pages = counts_by_name(counts)
        pages, users = of_pages.pop("pages", 0), int(pc.sum(known[1].column("n_users")).as_py() or 0)
        shelves = {name.partition("/")[2]: n for name, n in of_pages.items() if name.startswith("shelves/")}
        tracks = {name.partition("/")[2]: n for name, n in of_pages.items() if name.startswith("tracks/")}
        catalog = open_catalog(catalog_path)
        figures: dict[str, Any] = {
            "users": users,
            "pages": pages,
            "empty_pages": of_pages.pop("empty_pages", 0),
            "users_with_page": of_pages.pop("users_with_page", 0),
            "shelves": shelves,
            "tracks_on": tracks,
            "tracks_shown": shown[1].num_rows,
            "tracks": len(catalog.tracks),
            "new_tracks": floors_reached(to_frame(audiences[1]), new_track_codes(catalog, as_of), new_track_floor),
            "histograms": histogram_mapping(to_frame(values[1])),
        }
    return json.dumps(figures)
