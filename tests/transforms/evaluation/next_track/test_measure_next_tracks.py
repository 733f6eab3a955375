"""Sums of predicted plays against plain means."""

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from pipelines.next_track.values import NextTrackValues
from tests.stages import joined, run_graph, tables_of
from tests.transforms.evaluation.next_track.random_ranks import random_ranks
from tests.worlds import by_bucket
from transforms.evaluation.next_track.measure_next_tracks import MeasureNextTracks, measure_next_tracks
from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS
from transforms.evaluation.schemas import SUMS
from transforms.tables.columns import to_table

ARGUMENTS = {"systems": ("one", "other"), "num_replicates": 40, "seed": 1}
PLAIN = {
    "ndcg@10": lambda rank: 1 / np.log2(rank + 2) if rank < 10 else 0.0,
    "recall@20": lambda rank: float(rank < 20),
    "recall@100": lambda rank: float(rank < 100),
    "mrr": lambda rank: 1 / (rank + 1),
}
SEGMENTS = {
    "every play": lambda row: True,
    "in session": lambda row: not row["is_first"],
    "first of session": lambda row: row["is_first"] and row["number"] > 0,
    "no history": lambda row: row["number"] == 0,
}
KINDS = {"all": (True, False), "repeats": (True,), "discoveries": (False,)}


def sums_of(ranks: pl.DataFrame) -> pl.DataFrame:
    sums = measure_next_tracks(ranks, **ARGUMENTS)
    to_table(sums, SUMS)
    return sums


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_means_are_those_of_a_plain_loop(segment: str, kind: str) -> None:
    ranks = random_ranks(1)
    values = NextTrackValues(sums_of(ranks))
    rows = [row for row in ranks.iter_rows(named=True) if SEGMENTS[segment](row) and row["is_repeat"] in KINDS[kind]]
    assert values.num_cases(kind, segment) == len(rows)
    for column, system in enumerate(ARGUMENTS["systems"]):
        for metric, plain in PLAIN.items():
            expected = np.mean([plain(row["ranks"][column]) for row in rows]) if rows else 0.0
            assert values.mean(system, metric, kind, segment)[0] == pytest.approx(expected, abs=1e-5)


def test_replicates_draw_users_and_not_plays() -> None:
    heavy = random_ranks(1).filter(pl.col("user_id") == pl.col("user_id").first())
    alone = NextTrackValues(sums_of(heavy)).mean("one", "mrr", "all", "every play")
    assert alone == pytest.approx(np.full(41, alone[0]))
    many = NextTrackValues(sums_of(random_ranks(2))).mean("one", "mrr", "all", "every play")
    assert many[1:].std() > 0 and many[0] == pytest.approx(many[1:].mean(), abs=4 * many[1:].std())


def test_measure_next_tracks_as_a_transform() -> None:
    ranks = random_ranks(3)

    def build(root: beam.Pipeline) -> beam.PCollection:
        return tables_of(root, "ranks", NEXT_TRACK_RANKS, by_bucket(ranks, 4)) | MeasureNextTracks(**ARGUMENTS)

    assert joined(run_graph(build)).equals(sums_of(ranks))
