"""Flags of the sample world."""

from dataclasses import dataclass
from datetime import datetime, timezone

from pipelines.options.flag_kinds import parse_positive, parse_time, parse_times, parse_whole
from pipelines.options.options import flag, path_flag


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """homeshelf sample: generates a synthetic service of any size, from a seed."""

    output: str = path_flag("folder for the tables: events, tracks, users, impressions, truth")
    num_users: int = flag("number of users", 2_000, kind=parse_positive, alias="users")
    num_tracks: int = flag("number of tracks", 5_000, kind=parse_positive, alias="tracks")
    num_days: int = flag("days of listening", 60, kind=parse_positive, alias="days")
    seed: int = flag("seed of all random numbers", 1, kind=parse_whole)
    ends_at: datetime = flag("end of the events (UTC)", datetime(2026, 1, 1, tzinfo=timezone.utc), kind=parse_time)
    oracle_at: tuple[datetime, ...] | None = flag(
        "times (UTC), separated by commas, at which oracle lists are written too: rankings by the true "
        "listening probabilities; about 20 ms per user and time",
        None,
        kind=parse_times,
    )
