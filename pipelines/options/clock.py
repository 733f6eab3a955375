"""The wall clock: for names, durations and the age of leftover files, never for the content of pages."""

from datetime import datetime, timezone


def utc_now() -> str:
    """Return the current time as text for manifests."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def hours_ago(hours: float) -> float:
    """Return the time a number of hours ago, in seconds since 1970."""
    return datetime.now(timezone.utc).timestamp() - 3600 * hours
