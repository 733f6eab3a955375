"""Numbers, cells and tables of reports, before they become text, Markdown or HTML."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """Text, a small note next to it (an interval), and whether it is the best of its column."""

    text: str
    note: str = ""
    is_best: bool = False
    is_bad: bool = False


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers that a report is opened for, a note below it, and its mark: better, worse or none."""

    label: str
    value: str
    note: str = ""
    mark: str = "none"


@dataclass(frozen=True)
class Table:
    """Heads in two rows (group, column), and rows of a name, its kind and cells."""

    title: str
    heads: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    note: str = ""
    name_of_rows: str = "system"


def number(value: float | None, digits: int = 4) -> str:
    """Format a number as in all tables."""
    return "–" if value is None else f"{value:.{digits}f}"
