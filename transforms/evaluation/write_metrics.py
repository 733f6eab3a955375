"""Write what was measured at one cutoff: sums as Parquet, then a summary as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.deep_catalogue import popularity_deciles
from transforms.evaluation.list_exposure import summarize_catalogue
from transforms.evaluation.matched_lists import rows_of
from transforms.evaluation.metrics.beyond_accuracy import FRESH_DAYS
from transforms.evaluation.schemas import PLAYED_BEFORE, SCORE_BINS, TARGET
from transforms.evaluation.sums import SUMMARY_FILE, SUMS_FILE
from transforms.evaluation.window import EvaluationWindow
from transforms.ranking.ranker_files import read_training_report
from transforms.tables.artifacts import Single, local_copy
from transforms.tables.buckets import CombineBuckets, Element, as_side_input
from transforms.tables.columns import to_frame
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.stage_counters import StageCounters

_CATALOGUE_KINDS = {"system": pl.String, "metric": pl.String, "value": pl.Float64}


@dataclass(frozen=True)
class CutoffSummary:
    """Everything that was measured at one cutoff but the sums.

    cutoff: ISO text. counts: sizes of the data by name. catalogue: system, metric, value, as summarize_catalogue()
    returns them. score_bins: SCORE_BINS. epochs: numbers of each epoch of the ranker's training; None without one.
    """

    cutoff: str
    counts: Mapping[str, int]
    catalogue: pl.DataFrame
    score_bins: pl.DataFrame
    epochs: Sequence[Mapping[str, float]] | None

    def catalogue_value(self, system: str, metric: str) -> float | None:
        """Return a metric of list exposure of one system; None if there is none."""
        found = self.catalogue.filter(pl.col("system") == system, pl.col("metric") == metric)["value"]
        return found[0] if len(found) else None


def read_summary(text: str | bytes) -> CutoffSummary:
    """Read the JSON that WriteMetrics writes."""
    found = json.loads(text)
    return CutoffSummary(
        found["cutoff"],
        found["counts"],
        pl.DataFrame(found["catalogue"], schema=_CATALOGUE_KINDS),
        pl.DataFrame(found["score_bins"], schema=SCORE_BINS.frame().schema),
        found["training"] and found["training"]["epochs"],
    )


@dataclass(eq=False)
class WriteMetrics(beam.PTransform):
    """Applied to the pipeline; yields the path of the summary.

    measures: sums, list exposure and score bins. history, evaluation_rows, rejected: of the same cutoff, to be counted.
    ranker_path: the ranker whose training is reported; None without one.
    """

    folder: str
    window: EvaluationWindow
    measures: tuple[beam.PCollection, beam.PCollection, beam.PCollection]
    history: beam.PCollection
    evaluation_rows: beam.PCollection
    rejected: beam.PCollection
    catalog_path: beam.PCollection
    ranker_path: beam.PCollection | None

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Count the tables, then write on one worker."""
        horizon = {"starts_at": self.window.starts_at, "ends_at": self.window.ends_at}
        counts = (
            self.history | CombineBuckets(count_history, sum_counts, out=COUNTS),
            self.evaluation_rows | CombineBuckets(count_targets, sum_counts, out=COUNTS),
            self.rejected | CombineBuckets(count_unknown_plays, sum_counts, out=COUNTS, **horizon),
        )
        sides = dict(zip(("sums", "list_exposure", "score_bins"), self.measures, strict=True))
        sides |= {"catalog_path": self.catalog_path, "ranker_path": self.ranker_path}
        return (
            root
            | Single(self.folder)
            | beam.Map(
                self.write,
                *map(as_side_input, counts),
                **{name: as_side_input(side) for name, side in sides.items()},
            )
        )

    def write(
        self,
        folder: str,
        *counts: Element,
        sums: Element,
        list_exposure: Element,
        score_bins: Element,
        catalog_path: str,
        ranker_path: str | None,
    ) -> str:
        """Write both files; counts: tables of COUNTS."""
        tracks = catalog_tracks(open_catalog(catalog_path), self.window.cutoff_at)
        summary = {
            "cutoff": self.window.cutoff_at.isoformat(),
            "counts": {"tracks": len(tracks)} | {name: n for one in counts for name, n in counts_by_name(one).items()},
            "catalogue": summarize_catalogue(to_frame(list_exposure[1]), tracks).to_dicts(),
            "score_bins": to_frame(score_bins[1]).to_dicts(),
            "training": read_training_report(local_copy(ranker_path)) if ranker_path else None,
        }
        with StageCounters("write_metrics", 0):
            write_atomically(f"{folder}/{SUMS_FILE}", parquet_bytes(sums[1]))
            write_atomically(f"{folder}/{SUMMARY_FILE}", json.dumps(summary, indent=1).encode())
        return f"{folder}/{SUMMARY_FILE}"


def catalog_tracks(catalog: Catalog, cutoff_at: datetime) -> pl.DataFrame:
    """Return what summarize_catalogue() needs of the tracks: n_plays, popularity, decile, is_established."""
    since = cutoff_at - timedelta(days=FRESH_DAYS)
    is_established = (pl.col("first_played_at") < since).fill_null(False)
    return catalog.tracks.select("n_plays", "popularity", popularity_deciles(catalog), is_established=is_established)


def count_history(history: pl.DataFrame) -> pl.DataFrame:
    """PLAYS known before the cutoff -> COUNTS."""
    return counts_frame({"events": history.height, "users_before": history["user_id"].n_unique()})


def count_targets(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVALUATION_ROWS of whole users -> COUNTS of the evaluated users and of their targets."""
    targets, played = rows_of(evaluation_rows, TARGET), rows_of(evaluation_rows, PLAYED_BEFORE)
    keys = ["user_id", "track"]
    repeats = targets.join(played, on=keys, how="semi").height
    users = targets.select("user_id").unique()
    returning = users.join(played, on="user_id", how="semi").height
    return counts_frame(
        {
            "users": returning,
            "newcomers": users.height - returning,
            "targets": targets.height,
            "repeats": repeats,
            "discoveries": targets.height - repeats,
        }
    )


def count_unknown_plays(rejected: pl.DataFrame, *, starts_at: datetime, ends_at: datetime) -> pl.DataFrame:
    """REJECTED -> COUNTS of the plays in the horizon whose track is not in the catalog."""
    within = pl.col("played_at").is_between(starts_at, ends_at, closed="left")
    is_unknown = pl.col("reason").cast(pl.String) == "unknown_track"
    return counts_frame({"unknown_track_plays": rejected.filter(within & is_unknown).height})
