"""Policy: sizes of pages, and the strengths of everything that re-ranks them."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

_DAY_ENDS = timedelta(microseconds=1)


@dataclass(frozen=True)
class CompositionSettings:
    """Settings of page composition, as a manifest keeps them.

    What has a default is off by it, as it was in the manifests of versions that did not have it.
    """

    surfaces: tuple[str, ...] = field(metadata={"meaning": "surfaces with pages"})
    shelf_size: int = field(metadata={"meaning": "tracks on a shelf that declares no size of its own"})
    max_shelves: int = field(metadata={"meaning": "shelves on a page"})
    diversity: float = field(metadata={"meaning": "strength of diversity; 0: off"})
    calibration: float = field(metadata={"meaning": "strength of calibration; 0: off"})
    exploration: float = field(
        metadata={"meaning": "temperature of the draw of shelves and tracks; 0: the best are taken"}
    )
    seed: int = field(metadata={"meaning": "seed of all random numbers"})
    artist_saturation: float = field(
        default=0.0, metadata={"meaning": "how much less tracks count by artists whom the page shows already; 0: off"}
    )
    genre_saturation: float = field(
        default=0.0, metadata={"meaning": "how much less tracks count of genres that the page shows already; 0: off"}
    )
    idea_saturation: float = field(
        default=0.0, metadata={"meaning": "how much less shelves of one idea near each other count; 0: off"}
    )
    interleaving: float = field(
        default=0.0, metadata={"meaning": "how much less shelves count that are as new as those near them; 0: off"}
    )
    first_screen_artist_tracks: int = field(
        default=0, metadata={"meaning": "most tracks by one artist on the first screen; 0: any number"}
    )
    habit_share: float = field(
        default=0.0, metadata={"meaning": "share of repeats with which pages open with the latest plays; 0: never"}
    )


@dataclass(frozen=True)
class Policy(CompositionSettings):
    """Settings of page composition as of a moment: with the seed and the user it determines every random number.

    The strengths are explained in page_value.py, the draw by `exploration` is Plackett-Luce, and pages that open with
    the latest plays do so with a shelf that leads.
    """

    as_of: datetime = field(kw_only=True)

    @property
    def settings(self) -> CompositionSettings:
        """Return the settings without the moment."""
        return CompositionSettings(**{name: value for name, value in vars(self).items() if name != "as_of"})

    @property
    def day(self) -> date:
        """Return the day that pages are for; a run at midnight belongs to the day that ends."""
        return (self.as_of - _DAY_ENDS).date()
