"""Featurization by hand: the same numbers in plain Polars, in one process, all events at once.

What someone would write who has no buckets to think of: scans instead of stages, floats where the product sums in fixed
point, no check of schemas. Of several ways to say a thing the fastest that was found stands here.
"""

from datetime import datetime
from pathlib import Path

import polars as pl

from pipelines.options.options import RunOptions
from tests.benchmarks.graph.user_facts import reduce_history

ACTIONS = ["play", "save", "like", "dislike", "playlist_add"]
ROW = ["user_id", "played_at", "track", "action", "ms_played", "known_at"]
DAY_US, DAY_MS, SKIP_MS = 86_400_000_000, 86_400_000, 30_000
WINDOW, UNIT, MOST_TRACKS = 20, 1024, 2_000


def featurize(events: list[str], tracks: str, output: str, as_of: str, num_neighbours: int, half_life: float) -> None:
    """Write tracks, neighbours, users and rejected below `output`."""
    at = datetime.fromisoformat(as_of)
    known = read_tracks(tracks)
    plays, rejected = read_plays(events, known, at)
    plays = plays.with_columns(
        days=(pl.lit(at) - pl.col("played_at")).dt.total_microseconds() / DAY_US,
        is_listened=pl.col("action").eq("play") & (pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS),
    )
    statistics = track_statistics(plays, known, half_life)
    results = {
        "tracks": statistics,
        "neighbours": neighbours(plays, statistics, num_neighbours),
        "users": user_facts(plays, known),
        "rejected": rejected,
    }
    for name, frame in results.items():
        Path(output, name).mkdir(parents=True)
        frame.write_parquet(f"{output}/{name}/0.parquet")


def read_tracks(folder: str) -> pl.DataFrame:
    """Read one row per track, sorted by id: the row number is its code."""
    columns = ["track_id", "title", "artist_id", "artist_name", "release_date", "duration_ms", "genres"]
    read = pl.read_parquet(f"{folder}/*.parquet", columns=columns)
    first = read.sort("track_id", *columns[1:-1], nulls_last=True).unique("track_id", keep="first", maintain_order=True)
    return first.select(
        "track_id",
        pl.col("title").fill_null(pl.col("track_id")),
        artist=(pl.col("artist_id").fill_null(pl.col("artist_name")).rank("dense") - 1).cast(pl.Int32),
        genre=(pl.col("genres").list.first().rank("dense") - 1).cast(pl.Int32),
        release_date="release_date",
        duration_ms=pl.when(pl.col("duration_ms") > 0).then("duration_ms"),
    ).with_row_index("track")


def read_plays(events: list[str], tracks: pl.DataFrame, at: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the events that count, in order of user and time, each once; and the number of others by reason."""
    codes = tracks.lazy().select("track_id", pl.col("track").cast(pl.Int32))
    conditions = {
        "missing_user": pl.col("user_id").is_null() | (pl.col("user_id") == ""),
        "missing_track": pl.col("track_id").is_null() | (pl.col("track_id") == ""),
        "missing_time": pl.col("played_at").is_null(),
        "in_the_future": pl.col("played_at") >= at,
        "arrived_in_the_future": pl.col("arrived_at") >= at,
        "before_min_played_at": pl.col("played_at") < RunOptions.min_played_at,
        "negative_duration": pl.col("ms_played") < 0,
        "unknown_action": ~pl.col("action").is_in(ACTIONS),
        "unknown_track": pl.col("track").is_null(),
    }
    reason = pl.coalesce(pl.when(holds).then(pl.lit(name)) for name, holds in conditions.items())
    checked = (
        pl.scan_parquet(events)
        .join(codes, on="track_id", how="left")
        .select(
            pl.col("user_id").cast(pl.Categorical),
            "track",
            "played_at",
            pl.col("ms_played").clip(upper_bound=DAY_MS).cast(pl.Int32),
            pl.col("action").fill_null("play").cast(pl.Enum(ACTIONS), strict=False),
            known_at=pl.max_horizontal("played_at", "arrived_at"),
            reason=reason,
        )
        .collect()
    )
    ordered = checked.filter(pl.col("reason").is_null()).sort(pl.col("user_id").to_physical(), *ROW[1:])
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ROW[:-1])
    marked = ordered.with_columns(is_duplicate=same.fill_null(False))
    rejected = checked.lazy().filter(pl.col("reason").is_not_null()).group_by(name="reason").agg(n=pl.len())
    doubles = pl.LazyFrame({"name": ["exact_duplicate"], "n": [marked["is_duplicate"].sum()]})
    counts = pl.concat([rejected, doubles], how="vertical_relaxed").filter(pl.col("n") > 0).collect()
    return marked.filter(~pl.col("is_duplicate")), counts


def track_statistics(plays: pl.DataFrame, tracks: pl.DataFrame, half_life: float) -> pl.DataFrame:
    """Count one row per track."""
    timed, skips = pl.col("ms_played").count(), (pl.col("ms_played") < SKIP_MS).sum()
    weight = pl.lit(2.0).pow(-pl.col("days") / half_life)
    counts = (
        plays.lazy()
        .filter(pl.col("action") == "play")
        .group_by("track")
        .agg(
            n_plays=pl.len(),
            n_users=pl.col("user_id").to_physical().n_unique(),
            skip_rate=skips / timed,
            ms_played=pl.col("ms_played").mean(),
            popularity=weight.filter("is_listened").sum(),
            first_played_at=pl.col("played_at").min(),
        )
    )
    known = tracks.lazy().with_columns(pl.col("track").cast(pl.Int32))
    joined = known.join(counts, on="track", how="left", maintain_order="left").with_columns(
        pl.col("n_plays", "n_users", "popularity").fill_null(0),
        completion=(pl.col("ms_played") / pl.col("duration_ms")).clip(0, 1),
    )
    return joined.drop("ms_played").collect()


def neighbours(plays: pl.DataFrame, tracks: pl.DataFrame, num_neighbours: int) -> pl.DataFrame:
    """Return the tracks most often first listened to near each: track, other, similarity."""
    user = pl.col("user_id").to_physical().alias("user")
    first = plays.filter("is_listened").unique(["user_id", "track"], keep="first", maintain_order=True)
    newest = first.filter(pl.int_range(pl.len(), 0, -1).over("user_id") <= MOST_TRACKS)
    listens = newest.lazy().select(user, "track", "played_at")
    pairs = pl.concat(pairs_at(listens, distance) for distance in range(1, WINDOW + 1))
    weights = pairs.group_by("key").agg(pl.col("weight").sum() / UNIT)
    lower, higher = (pl.col("key") // 2**32).cast(pl.Int32), (pl.col("key") % 2**32).cast(pl.Int32)
    one_way = weights.select("weight", track=lower, other=higher)
    both = pl.concat([one_way, one_way.select("weight", track="other", other="track")])
    plays_of = tracks.lazy().select("track", n=pl.col("n_plays").cast(pl.Float64))
    similarity = pl.col("weight") / (pl.col("n").sqrt() * pl.col("n_other").pow(0.05))
    similar = (
        both.join(plays_of, on="track")
        .join(plays_of, left_on="other", right_on="track", suffix="_other")
        .select("track", "other", similarity=similarity.cast(pl.Float32))
    )
    ordered = similar.sort("track", "similarity", "other", descending=[False, True, False])
    return ordered.filter(pl.int_range(pl.len()).over("track") < num_neighbours).collect()


def pairs_at(listens: pl.LazyFrame, distance: int) -> pl.LazyFrame:
    """Return the pairs of first listens at a distance: key (lower track, higher track) and weight in 1024ths."""
    track, other = pl.col("track").cast(pl.Int64), pl.col("track").shift(-distance).cast(pl.Int64)
    key = pl.min_horizontal(track, other) * 2**32 + pl.max_horizontal(track, other)
    hour = pl.col("played_at").dt.timestamp("ms") // 3_600_000
    weight = UNIT * distance**-0.25 * pl.lit(2.0).pow((hour - hour.shift(-distance)) / 2400)
    is_users = pl.col("user") == pl.col("user").shift(-distance)
    return listens.select(key=pl.when(is_users).then(key), weight=weight.round().cast(pl.Int64)).drop_nulls()


def user_facts(plays: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """Return one row per user, from facts per user, and per user and track, artist and genre."""
    known = tracks.select("artist", "genre", "duration_ms")[plays["track"]]
    timed = pl.concat([plays, known], how="horizontal").lazy()
    by_track = _facts_by_track(timed).collect()
    played = by_track.lazy().filter(pl.col("plays_of_track") > 0)
    disliked = timed.filter(pl.col("action") == "dislike").select("user_id", "track").unique()
    frames = pl.collect_all([_facts_by_user(timed), _facts_by_artist(played), _facts_by_genre(played), disliked])
    return reduce_history(frames[0], by_track, *frames[1:])


def _facts_by_user(timed: pl.LazyFrame) -> pl.LazyFrame:
    listened = pl.col("is_listened")
    plays = timed.filter(pl.col("action") == "play")
    return plays.group_by("user_id").agg(
        user_plays=pl.len(),
        user_skip_rate=1 - listened.sum() / pl.len(),
        user_distinct_track_ratio=pl.col("track").n_unique() / pl.len(),
        days_since_active=pl.col("days").min(),
        recent=pl.col("track").filter(listened).tail(10).reverse(),
    )


def _facts_by_track(timed: pl.LazyFrame) -> pl.LazyFrame:
    is_play, listened = pl.col("action") == "play", pl.col("is_listened")
    share = (pl.col("ms_played") / pl.col("duration_ms")).clip(0, 1)
    hours = (pl.col("days") * 24).clip(lower_bound=1)
    return timed.group_by("user_id", "track").agg(
        pl.col("artist", "genre").first(),
        plays_of_track=listened.sum(),
        skips_of_track=(is_play & ~listened).sum(),
        completion_of_track=share.filter(is_play).mean(),
        days_since_played=pl.col("days").filter(is_play).min(),
        activation=pl.when(listened.any()).then(hours.pow(-0.5).filter(listened).sum().log()),
        is_liked=pl.col("action").is_in(["like", "save", "playlist_add"]).any(),
    )


def _facts_by_artist(played: pl.LazyFrame) -> pl.LazyFrame:
    ordered = played.drop_nulls("artist").sort("user_id", "activation", "track", descending=[False, True, False])
    return ordered.group_by("user_id", "artist", maintain_order=True).agg(
        plays_of_artist=pl.col("plays_of_track").sum(),
        days_since_artist=pl.col("days_since_played").min(),
        top_track=pl.col("track").first(),
    )


def _facts_by_genre(played: pl.LazyFrame) -> pl.LazyFrame:
    counted = played.drop_nulls("genre").group_by("user_id", "genre").agg(plays_of_genre=pl.col("plays_of_track").sum())
    total = pl.col("plays_of_genre").sum().over("user_id")
    return counted.with_columns(share_of_genre=pl.col("plays_of_genre") / total)
