"""The flags of the synthetic service."""

from dataclasses import dataclass
from datetime import datetime, timezone

from pipelines.options.flag_kinds import parse_positive, parse_time, parse_times, parse_whole
from pipelines.options.options import flag


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """homeshelf sample: a synthetic service, seeded, as large as asked."""

    output: str = flag("folder for the tables: events, tracks, users, impressions, truth")
    users: int = flag("listeners", 2_000, kind=parse_positive)
    tracks: int = flag("tracks", 5_000, kind=parse_positive)
    days: int = flag("days of listening", 60, kind=parse_positive)
    seed: int = flag("seed of everything", 1, kind=parse_whole)
    ends_at: datetime = flag(
        "the moment after the last event (UTC)", datetime(2026, 1, 1, tzinfo=timezone.utc), kind=parse_time
    )
    oracle_at: tuple[datetime, ...] | None = flag(
        "also write the best reachable lists at these moments (UTC), with commas, made with the planted truth: about"
        " 20 ms a user and moment",
        None,
        kind=parse_times,
    )
