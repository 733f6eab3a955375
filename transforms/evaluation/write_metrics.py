"""Write what was measured at one cutoff: the sums as Parquet, everything else as JSON, which comes last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.catalog.catalog import open_catalog
from transforms.evaluation.list_exposure import summarize_catalogue
from transforms.evaluation.list_metrics import popularity_deciles, rows_of
from transforms.evaluation.metrics import FRESH_DAYS
from transforms.evaluation.schemas import PLAYED_BEFORE, TARGET
from transforms.ranking.ranker_files import read_training_report
from transforms.tables.artifacts import local_copy
from transforms.tables.buckets import CombineBuckets, Element, as_side_input
from transforms.tables.columns import to_frame
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.stage_counters import StageCounters

ABOUT_FILE, SUMS_FILE = "about.json", "sums.parquet"


@dataclass(eq=False)
class WriteMetrics(beam.PTransform):
    """Applied to the pipeline; yields the path of the JSON file.

    measures: sums, exposures and score bins. history, evidence, rejected: of the same cutoff, to be counted.
    ranker_path: whose report tells how training went, or None.
    """

    folder: str
    cutoff_at: datetime
    starts_at: datetime
    ends_at: datetime
    measures: tuple[beam.PCollection, beam.PCollection, beam.PCollection]
    history: beam.PCollection
    evaluation_rows: beam.PCollection
    rejected: beam.PCollection
    catalog_path: beam.PCollection
    ranker_path: beam.PCollection | None

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Count, then one worker."""
        window = {"starts_at": self.starts_at, "ends_at": self.ends_at}
        sums, list_exposure, score_bins = self.measures
        sides: dict[str, Any] = {
            "sums": sums,
            "list_exposure": list_exposure,
            "score_bins": score_bins,
            "before": self.history | CombineBuckets(count_history, sum_counts, out=COUNTS),
            "judged": self.evaluation_rows | CombineBuckets(count_evaluation_rows, sum_counts, out=COUNTS),
            "unknown": self.rejected | CombineBuckets(count_unknown, sum_counts, out=COUNTS, **window),
            "catalog_path": self.catalog_path,
            "ranker_path": self.ranker_path,
        }
        start = root | beam.Create([self.folder])
        return start | beam.Map(self.publish, **{name: as_side_input(side) for name, side in sides.items()})

    def publish(
        self,
        folder: str,
        *,
        sums: Element,
        list_exposure: Element,
        score_bins: Element,
        before: Element,
        judged: Element,
        unknown: Element,
        catalog_path: str,
        ranker_path: str | None,
    ) -> str:
        """Write both files."""
        catalog = open_catalog(catalog_path)
        since = self.cutoff_at - timedelta(days=FRESH_DAYS)
        is_established = (pl.col("first_played_at") < since).fill_null(False)
        tracks = catalog.tracks.select(
            "n_plays", "popularity", popularity_deciles(catalog), is_established=is_established
        )
        about: Mapping[str, Any] = {
            "cutoff": self.cutoff_at.isoformat(),
            "counts": {
                "tracks": len(tracks),
                **counts_by_name(before),
                **counts_by_name(judged),
                **counts_by_name(unknown),
            },
            "catalogue": summarize_catalogue(to_frame(list_exposure[1]), tracks).to_dicts(),
            "score_bins": to_frame(score_bins[1]).to_dicts(),
            "training": read_training_report(local_copy(ranker_path)) if ranker_path else None,
        }
        with StageCounters("write_metrics", 0):
            write_atomically(f"{folder}/{SUMS_FILE}", parquet_bytes(sums[1]))
            write_atomically(f"{folder}/{ABOUT_FILE}", json.dumps(about, indent=1).encode())
        return f"{folder}/{ABOUT_FILE}"


def count_history(history: pl.DataFrame) -> pl.DataFrame:
    """PLAYS known before the cutoff -> COUNTS."""
    return counts_frame({"events": history.height, "users_before": history["user_id"].n_unique()})


def count_evaluation_rows(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of whole users -> COUNTS of the users to judge and of their targets."""
    targets, heard = rows_of(evaluation_rows, TARGET), rows_of(evaluation_rows, PLAYED_BEFORE)
    keys = ["user_id", "track"]
    repeats = targets.join(heard, on=keys, how="semi").height
    users = targets.select("user_id").unique()
    returning = users.join(heard, on="user_id", how="semi").height
    return counts_frame(
        {
            "users": returning,
            "newcomers": users.height - returning,
            "targets": targets.height,
            "repeats": repeats,
            "discoveries": targets.height - repeats,
        }
    )


def count_unknown(rejected: pl.DataFrame, *, starts_at: datetime, ends_at: datetime) -> pl.DataFrame:
    """REJECTED -> COUNTS of the plays in the horizon whose track was not known at the cutoff."""
    within = pl.col("played_at").is_between(starts_at, ends_at, closed="left")
    is_unknown = pl.col("reason").cast(pl.String) == "unknown_track"
    return counts_frame({"unknown_track_plays": rejected.filter(within & is_unknown).height})
