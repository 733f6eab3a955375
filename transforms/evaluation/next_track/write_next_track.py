"""Write the sums of predicted plays as Parquet, then the counts behind them as JSON."""

import json
from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.evaluation.sums import SUMMARY_FILE, SUMS_FILE
from transforms.evaluation.window import EvaluationWindow
from transforms.sequence_model.sequence_files import read_sequence_model
from transforms.tables.artifacts import Single
from transforms.tables.buckets import CombineBuckets, Element, as_side_input
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.stage_counters import StageCounters


@dataclass(eq=False)
class WriteNextTrack(beam.PTransform):
    """Applied to the pipeline; yields the path of the summary. history, ranks: of the same cutoff, to be counted.

    model_path: the sequence model among the systems, whose checkpoint is named; None without one.
    """

    folder: str
    window: EvaluationWindow
    sums: beam.PCollection
    history: beam.PCollection
    ranks: beam.PCollection
    model_path: beam.PCollection | None

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Count the tables, then write on one worker."""
        counts = (
            self.history | CombineBuckets(count_known_plays, sum_counts, out=COUNTS),
            self.ranks | CombineBuckets(count_cases, sum_counts, out=COUNTS),
        )
        sides = map(as_side_input, (self.model_path, self.sums, *counts))
        return root | Single(self.folder) | beam.Map(self.write, *sides)

    def write(self, folder: str, model_path: str | None, sums: Element, *counts: Element) -> str:
        """Write both files; counts: tables of COUNTS."""
        found = {name: n for one in counts for name, n in counts_by_name(one).items()}
        checkpoint = read_sequence_model(model_path).checkpoint if model_path else None
        summary = {"cutoff": self.window.cutoff_at.isoformat(), "counts": found, "checkpoint": checkpoint}
        with StageCounters("write_next_track", 0):
            write_atomically(f"{folder}/{SUMS_FILE}", parquet_bytes(sums[1]))
            write_atomically(f"{folder}/{SUMMARY_FILE}", json.dumps(summary, indent=1).encode())
        return f"{folder}/{SUMMARY_FILE}"


def count_known_plays(history: pl.DataFrame) -> pl.DataFrame:
    """PLAYS known before the cutoff -> COUNTS."""
    return counts_frame({"events": history.height, "users_before": history["user_id"].n_unique()})


def count_cases(ranks: pl.DataFrame) -> pl.DataFrame:
    """NEXT_TRACK_RANKS of whole users -> COUNTS."""
    return counts_frame({"users": ranks["user_id"].n_unique(), "cases": ranks.height})
