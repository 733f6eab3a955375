"""Text as reports and terminals show it."""


def printable(text: str, longest: int | None = None) -> str:
    """The text with spaces for what cannot be printed, which terminals obey and SVG cannot hold; cut at `longest`."""
    return "".join(one if one.isprintable() else " " for one in text[:longest])


def minute_of(time: str) -> str:
    """Return an ISO time to the minute, as reports print it."""
    return time[:16].replace("T", " ")
