"""Parts of the day, by each user's own clock: the quietest hours of the listening are taken for the night.

plays per hour, UTC     ....::||||||::..  |||:::....
quietest six hours      ------                         -> their middle is 4 o'clock of the user's
"""

from typing import Any

import polars as pl

DAYPARTS = ("morning", "afternoon", "evening", "night")
# The hour of the user's clock at which each begins.
_STARTS = (5, 12, 17, 22)
_QUIET_HOURS, _MIDDLE_OF_QUIET = 6, 4
# With fewer plays there is no rhythm to speak of.
_MIN_PLAYS = 30
# So much oftener than all else must an artist or a genre be played in a part of the day to belong to it.
MIN_LIFT = 1.25
DAYPART_COUNTS = tuple(f"n_{name}" for name in DAYPARTS)


def add_dayparts(plays: pl.DataFrame) -> pl.DataFrame:
    """Plays (user_id, played_at) that were listened to -> the same with `daypart`: the place in DAYPARTS, Int8."""
    hour = plays.select("user_id", hour=pl.col("played_at").dt.hour().cast(pl.Int32))
    shifts = hour.unique("user_id").select("user_id").join(_shifts(hour), on="user_id", how="left")
    joined = plays.join(shifts, on="user_id", how="left", maintain_order="left")
    local = (pl.col("played_at").dt.hour().cast(pl.Int32) + pl.col("shift")) % 24
    part = pl.sum_horizontal((local >= start).cast(pl.Int8) for start in _STARTS) - 1
    # before the first start it is still night
    return joined.with_columns(daypart=pl.when(part < 0).then(len(_STARTS) - 1).otherwise(part).cast(pl.Int8)).drop(
        "shift"
    )


def _shifts(hour: pl.DataFrame) -> pl.DataFrame:
    """What each user's clock is ahead of UTC, in hours: user_id, shift."""
    counts = hour.group_by("user_id").agg(
        (pl.col("hour") == at).sum().cast(pl.Int64).alias(str(at)) for at in range(24)
    )
    quiet = [pl.sum_horizontal(str((start + at) % 24) for at in range(_QUIET_HOURS)) for start in range(24)]
    # of equally quiet ones the first
    start = pl.concat_list(quiet).list.arg_min().cast(pl.Int32)
    return counts.select("user_id", shift=(_MIDDLE_OF_QUIET - _QUIET_HOURS // 2 - start) % 24)


def count_dayparts(is_counted: pl.Expr) -> dict[str, pl.Expr]:
    """Aggregates over rows with `daypart`: how many fall into each part, by column of COUNTS."""
    return {
        name: (is_counted & (pl.col("daypart") == at)).sum().cast(pl.Int64) for at, name in enumerate(DAYPART_COUNTS)
    }


def preferred_daypart(prefix: str = "user_") -> pl.Expr:
    """The part of the day in which something is played more than the rest: Int32, null where none stands out.

    Over COUNTS of the thing and, with the prefix, of all that the user plays. One play is added as all else has it.
    """
    mine = [pl.col(name) for name in DAYPART_COUNTS]
    all_of_it = [pl.col(f"{prefix}{name}") for name in DAYPART_COUNTS]
    total, everything = pl.sum_horizontal(mine), pl.sum_horizontal(all_of_it)
    lifts = [
        (n + each / everything) / (total + 1) * everything / each.clip(lower_bound=1)
        for n, each in zip(mine, all_of_it, strict=True)
    ]
    best = pl.concat_list(lifts).list
    stands_out = (best.max() >= MIN_LIFT) & (everything >= _MIN_PLAYS)
    return pl.when(stands_out).then(best.arg_max().cast(pl.Int32))


def user_daypart_counts() -> dict[str, Any]:
    """Sums of COUNTS over a user's rows, named for daypart_of()."""
    return {f"user_{name}": pl.col(name).sum().over("user_id") for name in DAYPART_COUNTS}
