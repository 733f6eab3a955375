"""Policy: sizes of pages, and the strengths of everything that re-ranks them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

_DAY_ENDS = timedelta(microseconds=1)


@dataclass(frozen=True)
class Policy:
    """Options of composition.

    shelf_size: tracks on a shelf that declares no size of its own; max_shelves: shelves on a page.
    diversity, calibration: strengths; 0 is exactly off.
    exploration: temperature of the Plackett-Luce draw of shelves and tracks; 0 takes the best.
    seed, as_of: together with the user they determine every random number.
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
        """Return the day that pages are for; a run at midnight belongs to the day that ends."""
        return (self.as_of - _DAY_ENDS).date()
