"""How pages are composed: sizes, and the strengths of what may bend the order by score."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

DAY_ENDS = timedelta(microseconds=1)


@dataclass(frozen=True)
class Policy:
    """What composition is told.

    shelf_size: tracks on a shelf whose entry names no size; max_shelves: shelves on a page.
    diversity, calibration: strengths; 0 is exactly off.
    exploration: temperature of the Plackett-Luce draw of shelves and tracks; 0 takes the best.
    seed, as_of: with the user they give every random number.
    """

    surfaces: tuple[str, ...]
    shelf_size: int
    max_shelves: int
    diversity: float
    calibration: float
    exploration: float
    seed: int
    as_of: datetime

    @property
    def day(self) -> date:
        """The day that pages are for; a run at midnight belongs to the day that ends."""
        return (self.as_of - DAY_ENDS).date()
