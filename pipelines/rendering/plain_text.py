"""Text from outside (ids, titles, names of files and rules) as terminals, reports and error lines show it."""

# Characters of an error line at most.
_MAX_LINE_LENGTH = 2_000


def printable(text: str, longest: int | None = None) -> str:
    """Replace characters that terminals obey and SVG cannot hold by spaces, and truncate to `longest` characters."""
    return "".join(one if one.isprintable() else " " for one in text[:longest])


def printable_lines(text: str) -> str:
    """Return text whose lines are printable."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """Return a message of any length and any characters as one line."""
    line = " ".join(printable(text, 2 * _MAX_LINE_LENGTH).split())
    return line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}..."


def minute_of(time: str) -> str:
    """Return an ISO time to the minute, as reports print it."""
    return time[:16].replace("T", " ")
