"""The wall clock: for names, durations and the age of rubbish, never for what stands on a page."""

from datetime import datetime, timezone


def utc_now() -> str:
    """The moment, as manifests have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def hours_ago(hours: float) -> float:
    """Seconds since 1970, so many hours ago."""
    return datetime.now(timezone.utc).timestamp() - 3600 * hours
