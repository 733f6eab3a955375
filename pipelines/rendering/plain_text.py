"""Text as reports and terminals show it."""


def printable(text: str, longest: int | None = None) -> str:
    """Replace characters that terminals obey and SVG cannot hold by spaces, and truncate to `longest` characters."""
    return "".join(one if one.isprintable() else " " for one in text[:longest])


def minute_of(time: str) -> str:
    """Return an ISO time to the minute, as reports print it."""
    return time[:16].replace("T", " ")
