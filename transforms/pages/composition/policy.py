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
    artist_saturation, genre_saturation, idea_saturation, interleaving: strengths, see page_value.py; 0 is exactly off.
    first_screen_artist_tracks: cards by one artist on the first screen at most; 0: any number.
    habit_share: share of repeats among a user's plays from which on the page opens with a shelf that leads; 0: never.

    What has a default is off by it, as it was in the manifests of versions that did not have it.
    """

    surfaces: tuple[str, ...]
    shelf_size: int
    max_shelves: int
    diversity: float
    calibration: float
    exploration: float
    seed: int
    as_of: datetime
    artist_saturation: float = 0.0
    genre_saturation: float = 0.0
    idea_saturation: float = 0.0
    interleaving: float = 0.0
    first_screen_artist_tracks: int = 0
    habit_share: float = 0.0

    @property
    def day(self) -> date:
        """Return the day that pages are for; a run at midnight belongs to the day that ends."""
        return (self.as_of - _DAY_ENDS).date()
