"""The flags of the synthetic service."""

from dataclasses import dataclass
from datetime import datetime, timezone

from pipelines.options.flag_kinds import moment, moments, positive, whole
from pipelines.options.options import flag


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """homeshelf sample: a synthetic service, seeded, as large as asked."""

    output: str = flag("folder for the tables: events, tracks, users, impressions, truth")
    users: int = flag("listeners", 2_000, kind=positive)
    tracks: int = flag("tracks", 5_000, kind=positive)
    days: int = flag("days of listening", 60, kind=positive)
    seed: int = flag("seed of everything", 1, kind=whole)
    ends_at: datetime = flag(
        "the moment after the last event (UTC)", datetime(2026, 1, 1, tzinfo=timezone.utc), kind=moment
    )
    best_at: tuple[datetime, ...] | None = flag(
        "also write the best reachable lists at these moments (UTC), with commas, made with the planted truth: about"
        " 20 ms a user and moment",
        None,
        kind=moments,
    )
