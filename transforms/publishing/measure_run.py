"""Measure a run before it is published: counts of pages, histograms, coverage and the audiences of new tracks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
from transforms.events.user_samples import sampling_share
from transforms.features.features import FEATURES
from transforms.publishing.manifest import NewTrackCounts, RunMetrics
from transforms.publishing.run_metrics import (
    PAGE_TRACKS,
    count_cards_by_decile,
    count_deep_cards,
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


@dataclass(frozen=True)
class NewTrackFloor:
    """The number of users that each track new as of a moment should be proposed to."""

    as_of: datetime
    min_users: int


@dataclass(eq=False)
class MeasureRun(beam.PTransform):
    """Apply measure_run() to PAGES; yields the JSON text of RunMetrics.

    n_users: a collection of one USER_COUNT, of all users. scored: SCORED, whose histograms are taken of about
    `max_users` users.
    """

    n_users: beam.PCollection
    scored: beam.PCollection
    catalog_path: beam.PCollection
    max_users: int
    seed: int
    floor: NewTrackFloor
    stage = "measure_run"

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """Count in every bucket, then put the counts together on one worker."""
        share = sampling_share(self.n_users, self.max_users)
        sides = {
            "users": self.n_users,
            "tracks": pages | CombineBuckets(page_tracks, distinct_tracks, out=PAGE_TRACKS),
            "histograms": self.scored
            | CombineBuckets(
                sample_values, sum_histograms, out=HISTOGRAM, names=_MEASURED_COLUMNS, share=share, seed=self.seed
            ),
            "audiences": self.scored | CombineBuckets(count_audiences, sum_audiences, out=NEW_TRACK_AUDIENCES),
            "catalog_path": self.catalog_path,
        }
        counts = pages | CombineBuckets(count_pages, sum_counts, out=COUNTS)
        measure = beam.Map(measure_run, **{name: as_side_input(side) for name, side in sides.items()}, floor=self.floor)
        return counts | measure.with_output_types(str)


def measure_run(
    counts: Element,
    *,
    users: Element,
    tracks: Element,
    histograms: Element,
    audiences: Element,
    catalog_path: str,
    floor: NewTrackFloor,
) -> str:
    """Return the JSON text of RunMetrics, from the counts of pages and the tables in the arguments."""
    with StageCounters(MeasureRun.stage, 0):
        of_pages = counts_by_name(counts)
        catalog = open_catalog(catalog_path)
        new_tracks = new_track_codes(catalog, floor.as_of)
        metrics = RunMetrics(
            users=int(pc.sum(users[1].column("n_users")).as_py() or 0),
            pages=of_pages.get("pages", 0),
            empty_pages=of_pages.get("empty_pages", 0),
            users_with_page=of_pages.get("users_with_page", 0),
            shelves=_by_shelf(of_pages, "shelves/"),
            tracks_by_shelf=_by_shelf(of_pages, "tracks/"),
            tracks_on_pages=tracks[1].num_rows,
            deep_cards=count_deep_cards(to_frame(tracks[1]), catalog),
            cards_by_decile=count_cards_by_decile(to_frame(tracks[1]), catalog),
            tracks=len(catalog.tracks),
            new_tracks=NewTrackCounts(**floors_reached(to_frame(audiences[1]), new_tracks, floor.min_users)),
            histograms=histogram_mapping(to_frame(histograms[1])),
        )
    return metrics.to_json()


def _by_shelf(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
