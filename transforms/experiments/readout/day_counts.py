"""Counts by user and day since a moment of the user's own: first listens, adoptions, and what was shown before it."""

from datetime import datetime, timedelta, timezone

import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import NUM_DECILES, is_deep, popularity_deciles
from transforms.events.listening import is_listened
from transforms.experiments.readout.readout_metrics import ADOPTION_DAYS, ATTRIBUTION_HOURS, FURTHER_DAYS

# Times are counted from the exposure of each user: day 0 begins at this moment for all.
EXPOSURE = datetime(2000, 1, 1, tzinfo=timezone.utc)
KEYS = ["user_id", "day"]
_DAY_US = 86_400_000_000


def since_exposure(rows: pl.DataFrame | None, users: pl.DataFrame, *times: str) -> pl.DataFrame:
    """Select the rows of the users, with times as if all had been exposed at one moment."""
    if rows is None:
        empty = {"user_id": pl.String, "track": pl.Int32, "ms_played": pl.Int32, "action": pl.Int8}
        return pl.DataFrame(schema={**empty, **dict.fromkeys(times, pl.Datetime("us", "UTC"))})
    own = rows.drop_nulls("track").with_columns(pl.col("user_id").cast(pl.String))
    joined = own.join(users.select("user_id", "exposed_at"), on="user_id", maintain_order="left")
    moved = [(pl.col(name) - pl.col("exposed_at") + EXPOSURE).alias(name) for name in times]
    return joined.with_columns(moved).drop("exposed_at")


def day_of(time: str) -> pl.Expr:
    """Return the whole days from the exposure to a time."""
    return (pl.col(time) - EXPOSURE).dt.total_microseconds().floordiv(_DAY_US)


def first_listens(listens: pl.DataFrame, of: str) -> pl.DataFrame:
    """Return the first listen of each user to each track or artist."""
    return listens.sort("user_id", "played_at", of).unique(["user_id", of], keep="first", maintain_order=True)


def count_adoptions(listens: pl.DataFrame) -> pl.DataFrame:
    """Count by user and day the artists first listened to, and those of them that were adopted."""
    first = first_listens(listens, "artist").select("user_id", "artist", first_at="played_at", day="day")
    since = listens.drop("day").join(first, on=["user_id", "artist"])
    later = (pl.col("played_at") - pl.col("first_at")).dt.total_microseconds().floordiv(_DAY_US)
    days = later.filter((later >= 1) & (later < ADOPTION_DAYS)).n_unique()
    adopted = since.group_by("user_id", "artist", "day").agg(is_adopted=days >= FURTHER_DAYS)
    return adopted.group_by(KEYS).agg(n_new_artists=pl.len(), n_adopted=pl.col("is_adopted").sum())


def count_shown(plays: pl.DataFrame, shown: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Count by user and day what was shown, what was listened to after it was shown, and what without."""
    decile = popularity_deciles(catalog)
    seen = shown.sort("shown_at").with_columns(before=pl.col("shown_at"))
    listens = plays.filter(is_listened()).sort("played_at")
    matched = listens.join_asof(
        seen.select("user_id", "track", "shown_at", "before"),
        left_on="played_at",
        right_on="shown_at",
        by=["user_id", "track"],
        tolerance=timedelta(hours=ATTRIBUTION_HOURS),
        check_sortedness=False,
    )
    was_shown = pl.col("before").is_not_null()
    deep = pl.Series(is_deep(catalog.tracks["n_plays"].to_numpy()))
    first = first_listens(matched, "track")
    first = first.filter(deep.gather(first["track"]))
    counts = [
        _by_decile(shown.with_columns(day=day_of("shown_at")), decile, "shown"),
        _by_decile(matched.filter(~was_shown).with_columns(day=day_of("played_at")), decile, "organic"),
        matched.with_columns(day=day_of("played_at")).group_by(KEYS).agg(n_recommended=was_shown.sum()),
        first.with_columns(day=day_of("played_at")).group_by(KEYS).agg(n_new_deep_shown=was_shown.sum()),
    ]
    return pl.concat([one.with_columns(pl.exclude(KEYS).cast(pl.Int64)) for one in counts], how="diagonal")


def _by_decile(rows: pl.DataFrame, decile: pl.Series, kind: str) -> pl.DataFrame:
    """Count rows by user and day, and of each popularity decile of their tracks."""
    placed = rows.with_columns(decile.gather(rows["track"]).alias("decile"))
    of_decile = [(pl.col("decile") == one).sum().alias(f"n_{kind}_{one}") for one in range(NUM_DECILES)]
    return placed.group_by(KEYS).agg(pl.len().alias(f"n_{kind}"), *of_decile)
