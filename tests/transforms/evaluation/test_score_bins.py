from collections import Counter
from pathlib import Path

import polars as pl

from tests.transforms.evaluation.random_lists import Plain, catalog, random_evaluation_rows
from tests.worlds import by_bucket
from transforms.evaluation.schemas import SCORE_BINS, TARGET
from transforms.evaluation.score_bins import count_scores, sum_score_bins
from transforms.tables.columns import to_table


def test_score_bins_count_every_candidate_once_in_any_buckets(tmp_path: Path) -> None:
    evaluation_rows = random_evaluation_rows(13)
    bins, plain = count_scores(evaluation_rows), Plain(evaluation_rows, catalog(tmp_path))
    to_table(bins, SCORE_BINS)
    assert sum_score_bins(pl.concat(count_scores(part) for part in by_bucket(evaluation_rows, 5))).equals(bins)
    rows, positives = Counter[str](), Counter[str]()
    for user in plain.users:
        for row in plain.lists["ranker", user]:
            kinds = ["all", "repeats" if row["track"] in plain.marks["played_before"][user] else "discoveries"]
            rows.update(kinds)
            positives.update(kinds * (row["track"] in plain.marks[TARGET][user]))
    sums = bins.group_by("segment").agg(pl.col("n_rows", "n_positives").sum())
    assert {kind: n for kind, n, _ in sums.iter_rows()} == rows
    assert {kind: n for kind, _, n in sums.iter_rows()} == positives
