"""What lists show altogether: how many users see each track, and how scores compare with what came true."""

import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.evaluation.list_metrics import DECILES, of_system, rows_of, rows_of_evaluated_users
from transforms.evaluation.schemas import PLAYED_BEFORE, RANKER, TARGET

# Score bins: a tenth of a log-odd, as far as float32 tells probabilities from 0 and 1.
BINS_PER_LOGIT, LAST_BIN = 10, 160
EXPOSED, DEPTH = 10, 100


def count_list_exposure(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of whole users -> EXPOSURES: how many users see each track, and how many came to play each."""
    judged = rows_of_evaluated_users(evaluation_rows)
    targets = rows_of(judged, TARGET).select("user_id", "track")
    listed = judged.filter(pl.col("rank") < DEPTH).select("user_id", "system", "track", "rank")
    keys = ["system", "track"]
    counts = listed.group_by(keys).agg(
        n_10=(pl.col("rank") < EXPOSED).sum().cast(pl.Int64), n_100=pl.len().cast(pl.Int64)
    )
    hits = listed.join(targets, on=["user_id", "track"], how="semi").group_by(keys).agg(n_hits=pl.len().cast(pl.Int64))
    joined = counts.join(hits, on=keys, how="left")
    counts = joined.with_columns(pl.col("system").cast(pl.String), pl.col("n_hits").fill_null(0))
    n = pl.len().cast(pl.Int64)
    coming = targets.group_by("track").agg(n_10=n, n_100=n, n_hits=n).select(pl.lit(TARGET).alias("system"), pl.all())
    return sum_list_exposure(pl.concat([counts, coming.select(counts.columns)]))


def sum_list_exposure(list_exposure: pl.DataFrame) -> pl.DataFrame:
    """EXPOSURES of several tables -> EXPOSURES of all."""
    return (
        list_exposure.group_by("system", "track").agg(pl.col("n_10", "n_100", "n_hits").sum()).sort("system", "track")
    )


def count_scores(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of whole users -> SCORE_BINS of the ranker's candidates: all, those the user knew, and the others."""
    judged = rows_of_evaluated_users(evaluation_rows)
    keys = ["user_id", "track"]
    marks = {name: rows_of(judged, name).select(*keys, pl.lit(True).alias(name)) for name in (TARGET, PLAYED_BEFORE)}
    scored = of_system(judged, RANKER).select(*keys, "score")
    for mark in marks.values():
        scored = scored.join(mark, on=keys, how="left")
    score = pl.col("score").cast(pl.Float64)
    logit = (score / (1 - score)).log() * BINS_PER_LOGIT
    binned = scored.select(
        TARGET, PLAYED_BEFORE, "score", bin=logit.floor().clip(-LAST_BIN, LAST_BIN - 1).cast(pl.Int32)
    ).with_columns(pl.col(TARGET, PLAYED_BEFORE).fill_null(False))
    parts = {
        "all": binned,
        "repeats": binned.filter(PLAYED_BEFORE),
        "discoveries": binned.filter(~pl.col(PLAYED_BEFORE)),
    }
    counts = (
        rows.group_by("bin")
        .agg(
            n_rows=pl.len().cast(pl.Int64),
            n_positives=pl.col(TARGET).sum().cast(pl.Int64),
            score=(score * FIXED_POINT).round().cast(pl.Int64).sum(),
        )
        .select(pl.lit(name).alias("segment"), pl.all())
        for name, rows in parts.items()
    )
    return pl.concat(counts).sort("segment", "bin")


def sum_score_bins(bins: pl.DataFrame) -> pl.DataFrame:
    """SCORE_BINS of several tables -> SCORE_BINS of all."""
    sums = pl.col("n_rows", "n_positives", "score").sum()
    return bins.group_by("segment", "bin").agg(sums).sort("segment", "bin")


def summarize_catalogue(list_exposure: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """EXPOSURES of everyone -> system, metric, value: what the lists show of the catalogue altogether.

    `tracks` has n_plays, popularity, decile and is_established (played for some weeks); row i is the track with code i.
    """
    shown = list_exposure.filter(pl.col("system") != TARGET)
    facts = shown.hstack(tracks.select("decile")[shown["track"]])
    totals = facts.group_by("system").agg(
        (pl.col("n_10") > 0).sum().truediv(len(tracks)).alias("coverage@10"),
        pl.len().truediv(len(tracks)).alias("coverage@100"),
        _gini(len(tracks)).alias("gini@100"),
        *(
            (pl.col("n_100").filter(pl.col("decile") == decile).sum() / pl.col("n_100").sum()).alias(
                f"exposure_decile_{decile}"
            )
            for decile in range(DECILES)
        ),
    )
    joined = totals.join(_future_rise(list_exposure, tracks), on="system", how="left").sort("system")
    return joined.unpivot(index="system", variable_name="metric", value_name="value")


def _gini(num_tracks: int) -> pl.Expr:
    """Gini coefficient of how often the tracks are shown; those never shown are the first of the ordered ones."""
    shown = pl.col("n_100").sort()
    place = pl.int_range(1, pl.len() + 1) + num_tracks - pl.len()
    return ((2 * place - num_tracks - 1) * shown).sum() / (num_tracks * shown.sum())


def _future_rise(list_exposure: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """How far a system's lists hold tracks that were about to rise: system, future_rise.

    A track rises by (came - expected) / sqrt(expected + 1), in standard deviations of a Poisson count: the users who
    came to play it against its share in the popularity before the cutoff. The result is the mean over what the lists
    show, without the user's own plays, as a share of that of the DEPTH tracks that rose most: 1 for who shows these to
    everyone, about 0 for who cannot see the future. Tracks that are new are left out: that they will rise is known.
    """
    came = list_exposure.filter(pl.col("system") == TARGET)
    share = tracks["popularity"] / max(1e-9, float(tracks["popularity"].sum()))
    expected = pl.DataFrame({"expected": share * float(came["n_100"].sum())}).with_row_index("track")
    rise = expected.cast({"track": pl.Int32}).join(came.select("track", came="n_100"), on="track", how="left")
    scale = (pl.col("expected") + 1).sqrt()
    facts = rise.sort("track").select(rise=(pl.col("came").fill_null(0) - pl.col("expected")) / scale, of_one=1 / scale)
    most = facts.filter(tracks["is_established"])["rise"].top_k(DEPTH).mean()
    shown = list_exposure.filter((pl.col("system") != TARGET) & tracks["is_established"].gather(list_exposure["track"]))
    joined = shown.hstack(facts[shown["track"]])
    others = (pl.col("n_100") * pl.col("rise") - pl.col("n_hits") * pl.col("of_one")).sum()
    return joined.group_by("system").agg(future_rise=others / (pl.col("n_100").sum() * most))
