"""Exposure that lists give to the catalogue: the number of users who see each track."""

import polars as pl

from transforms.evaluation.matched_lists import rows_of, rows_of_evaluated_users
from transforms.evaluation.metrics.metrics import metrics_over
from transforms.evaluation.schemas import TARGET

_TOP, _DEPTH = 10, 100


def count_list_exposure(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """EVALUATION_ROWS of whole users -> LIST_EXPOSURE: users who see each track, and users who came to play it."""
    rows = rows_of_evaluated_users(evaluation_rows)
    targets = rows_of(rows, TARGET).select("user_id", "track")
    listed = rows.filter(pl.col("rank") < _DEPTH).select("user_id", "system", "track", "rank")
    keys = ["system", "track"]
    counts = listed.group_by(keys).agg(n_10=(pl.col("rank") < _TOP).sum().cast(pl.Int64), n_100=pl.len().cast(pl.Int64))
    hits = listed.join(targets, on=["user_id", "track"], how="semi").group_by(keys).agg(n_hits=pl.len().cast(pl.Int64))
    joined = counts.join(hits, on=keys, how="left")
    counts = joined.with_columns(pl.col("system").cast(pl.String), pl.col("n_hits").fill_null(0))
    n = pl.len().cast(pl.Int64)
    coming = targets.group_by("track").agg(n_10=n, n_100=n, n_hits=n).select(pl.lit(TARGET).alias("system"), pl.all())
    return sum_list_exposure(pl.concat([counts, coming.select(counts.columns)]))


def sum_list_exposure(list_exposure: pl.DataFrame) -> pl.DataFrame:
    """LIST_EXPOSURE of several tables -> LIST_EXPOSURE of all."""
    return (
        list_exposure.group_by("system", "track").agg(pl.col("n_10", "n_100", "n_hits").sum()).sort("system", "track")
    )


def summarize_catalogue(list_exposure: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """LIST_EXPOSURE of all users -> system, metric, value: the metrics over list exposure, and future_rise.

    `tracks` has n_plays, popularity, decile and is_established (played for some weeks); row i is the track with code i.
    """
    exposed = list_exposure.filter(pl.col("system") != TARGET)
    rows = exposed.hstack(tracks.select("decile")[exposed["track"]]).with_columns(num_tracks=pl.lit(len(tracks)))
    metrics = metrics_over("list exposure")
    totals = rows.group_by("system").agg(*(metric.value.alias(metric.name) for metric in metrics))
    joined = totals.join(_future_rise(list_exposure, tracks), on="system", how="left").sort("system")
    return joined.unpivot(index="system", variable_name="metric", value_name="value")


def _future_rise(list_exposure: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """Compute system, future_rise: how much the tracks on a system's lists rose in popularity after the cutoff.

    A track rises by (came - expected) / sqrt(expected + 1), in standard deviations of a Poisson count: came is the
    number of users who came to play it, expected follows from its share in the popularity before the cutoff. The value
    is the mean rise over the lists, without the user's own plays, divided by that of the 100 tracks that rose most: 1
    for lists of these tracks, about 0 for a system that cannot see the future. New tracks are left out: that they rise
    is known beforehand.
    """
    came = list_exposure.filter(pl.col("system") == TARGET)
    share = tracks["popularity"] / max(1e-9, float(tracks["popularity"].sum()))
    expected = pl.DataFrame({"expected": share * float(came["n_100"].sum())}).with_row_index("track")
    rise = expected.cast({"track": pl.Int32}).join(came.select("track", came="n_100"), on="track", how="left")
    scale = (pl.col("expected") + 1).sqrt()
    by_track = rise.sort("track").select(
        rise=(pl.col("came").fill_null(0) - pl.col("expected")) / scale, rise_of_one=1 / scale
    )
    highest = by_track.filter(tracks["is_established"])["rise"].top_k(_DEPTH).mean()
    is_counted = (pl.col("system") != TARGET) & tracks["is_established"].gather(list_exposure["track"])
    exposed = list_exposure.filter(is_counted)
    joined = exposed.hstack(by_track[exposed["track"]])
    others = (pl.col("n_100") * pl.col("rise") - pl.col("n_hits") * pl.col("rise_of_one")).sum()
    return joined.group_by("system").agg(future_rise=others / (pl.col("n_100").sum() * highest))
