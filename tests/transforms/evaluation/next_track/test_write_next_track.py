"""Files of an evaluation of the next track."""

import json
from pathlib import Path

import apache_beam as beam
import polars as pl

from tests.stages import run_graph, tables_of
from tests.transforms.evaluation.next_track.random_ranks import random_ranks
from tests.worlds import AS_OF, DAY, random_plays
from transforms.evaluation.next_track.measure_next_tracks import measure_next_tracks
from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS
from transforms.evaluation.next_track.write_next_track import WriteNextTrack
from transforms.evaluation.schemas import SUMS
from transforms.evaluation.window import EvaluationWindow
from transforms.tables.schemas import PLAYS


def test_sums_and_counts_are_written(tmp_path: Path) -> None:
    ranks, plays = random_ranks(1), random_plays(1)
    sums = measure_next_tracks(ranks, systems=("one", "other"), num_replicates=2, seed=1)

    def build(root: beam.Pipeline) -> beam.PCollection:
        return root | WriteNextTrack(
            str(tmp_path),
            EvaluationWindow(AS_OF, AS_OF, AS_OF + DAY),
            tables_of(root, "sums", SUMS, [sums]),
            tables_of(root, "history", PLAYS, [plays]),
            tables_of(root, "ranks", NEXT_TRACK_RANKS, [ranks]),
            None,
        )

    (path,) = run_graph(build)
    counts = {"users": ranks["user_id"].n_unique(), "cases": len(ranks)}
    counts |= {"events": len(plays), "users_before": plays["user_id"].n_unique()}
    assert json.loads(Path(path).read_text()) == {"cutoff": AS_OF.isoformat(), "counts": counts, "checkpoint": None}
    assert pl.read_parquet(tmp_path / "sums.parquet").equals(sums)
