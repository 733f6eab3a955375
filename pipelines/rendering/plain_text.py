"""Text from anywhere, fit to be shown on a line."""


def printable(text: str, longest: int | None = None) -> str:
    """The text with spaces for what cannot be printed, which terminals obey and SVG cannot hold; cut at `longest`."""
    return "".join(one if one.isprintable() else " " for one in text[:longest])
