"""Candidates by score: what the calibration of the ranker is computed from."""

import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.evaluation.matched_lists import rows_of, rows_of_evaluated_users
from transforms.evaluation.metrics.system import RANKER
from transforms.evaluation.schemas import PLAYED_BEFORE, TARGET

# A bin is a tenth of a log-odds unit wide; the last ones are as far as float32 tells probabilities from 0 and 1.
_BINS_PER_LOGIT, _LAST_BIN = 10, 160


def count_scores(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVALUATION_ROWS of whole users -> SCORE_BINS of the ranker's candidates: all, repeats and discoveries."""
    rows = rows_of_evaluated_users(evaluation_rows)
    keys = ["user_id", "track"]
    scored = rows_of(rows, RANKER).select(*keys, "score")
    for column, mark in (("is_hit", TARGET), ("is_played", PLAYED_BEFORE)):
        marks = rows_of(rows, mark).select(*keys, pl.lit(True).alias(column))
        scored = scored.join(marks, on=keys, how="left")
    score = pl.col("score").cast(pl.Float64)
    logit = (score / (1 - score)).log() * _BINS_PER_LOGIT
    binned = scored.select(
        pl.col("is_hit", "is_played").fill_null(False),
        "score",
        bin=logit.floor().clip(-_LAST_BIN, _LAST_BIN - 1).cast(pl.Int32),
    )
    parts = {"all": binned, "repeats": binned.filter("is_played"), "discoveries": binned.filter(~pl.col("is_played"))}
    counts = (
        part.group_by("bin")
        .agg(
            n_rows=pl.len().cast(pl.Int64),
            n_positives=pl.col("is_hit").sum().cast(pl.Int64),
            score=(score * FIXED_POINT).round().cast(pl.Int64).sum(),
        )
        .select(pl.lit(name).alias("segment"), pl.all())
        for name, part in parts.items()
    )
    return pl.concat(counts).sort("segment", "bin")


def sum_score_bins(bins: pl.DataFrame) -> pl.DataFrame:
    """SCORE_BINS of several tables -> SCORE_BINS of all."""
    sums = pl.col("n_rows", "n_positives", "score").sum()
    return bins.group_by("segment", "bin").agg(sums).sort("segment", "bin")
