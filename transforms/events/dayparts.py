"""Parts of the day by each user's local time, which is estimated: the quietest hours of listening are the night.

plays per hour, UTC     ....::||||||::..  |||:::....
quietest six hours      ------                         -> their middle is 4 o'clock local time
"""

import polars as pl

DAYPARTS = ("morning", "afternoon", "evening", "night")
# The local hour at which each daypart begins.
_STARTS = (5, 12, 17, 22)
_QUIET_HOURS, _MIDDLE_OF_QUIET = 6, 4
# Users with fewer plays have no preferred dayparts.
_MIN_PLAYS = 30
# Minimal ratio of an item's share of plays in a daypart to the share of all plays in it.
MIN_LIFT = 1.25
DAYPART_COUNTS = tuple(f"n_{name}" for name in DAYPARTS)


def add_dayparts(plays: pl.DataFrame) -> pl.DataFrame:
    """Add `daypart` (index in DAYPARTS, Int8) to listened plays (user_id, played_at)."""
    hour = plays.select("user_id", hour=pl.col("played_at").dt.hour().cast(pl.Int32))
    shifts = hour.unique("user_id").select("user_id").join(_shifts(hour), on="user_id", how="left")
    joined = plays.join(shifts, on="user_id", how="left", maintain_order="left")
    local = (pl.col("played_at").dt.hour().cast(pl.Int32) + pl.col("shift")) % 24
    part = pl.sum_horizontal((local >= start).cast(pl.Int8) for start in _STARTS) - 1
    # hours before the first start belong to the night
    return joined.with_columns(daypart=pl.when(part < 0).then(len(_STARTS) - 1).otherwise(part).cast(pl.Int8)).drop(
        "shift"
    )


def _shifts(hour: pl.DataFrame) -> pl.DataFrame:
    """Estimate the hours by which each user's local time is ahead of UTC: user_id, shift."""
    counts = hour.group_by("user_id").agg(
        (pl.col("hour") == at).sum().cast(pl.Int64).alias(str(at)) for at in range(24)
    )
    quiet = [pl.sum_horizontal(str((start + at) % 24) for at in range(_QUIET_HOURS)) for start in range(24)]
    # of equally quiet windows the first
    start = pl.concat_list(quiet).list.arg_min().cast(pl.Int32)
    return counts.select("user_id", shift=(_MIDDLE_OF_QUIET - _QUIET_HOURS // 2 - start) % 24)


def count_dayparts(is_counted: pl.Expr) -> dict[str, pl.Expr]:
    """Return aggregates that count the rows of each daypart, by the names of DAYPART_COUNTS."""
    return {
        name: (is_counted & (pl.col("daypart") == at)).sum().cast(pl.Int64) for at, name in enumerate(DAYPART_COUNTS)
    }


def preferred_daypart(prefix: str = "user_") -> pl.Expr:
    """Return the daypart in which an item is played more than the user's other plays: Int32, null for none.

    Reads DAYPART_COUNTS of the item and, with the prefix, of all plays of the user. The shares of the item are smoothed
    by one play with the user's distribution.
    """
    item = [pl.col(name) for name in DAYPART_COUNTS]
    user = [pl.col(f"{prefix}{name}") for name in DAYPART_COUNTS]
    item_total, user_total = pl.sum_horizontal(item), pl.sum_horizontal(user)
    lifts = [
        (n + of_user / user_total) / (item_total + 1) * user_total / of_user.clip(lower_bound=1)
        for n, of_user in zip(item, user, strict=True)
    ]
    best = pl.concat_list(lifts).list
    stands_out = (best.max() >= MIN_LIFT) & (user_total >= _MIN_PLAYS)
    return pl.when(stands_out).then(best.arg_max().cast(pl.Int32))


def user_daypart_counts() -> dict[str, pl.Expr]:
    """Return sums of DAYPART_COUNTS over the rows of a user, named as preferred_daypart() reads them."""
    return {f"user_{name}": pl.col(name).sum().over("user_id") for name in DAYPART_COUNTS}
