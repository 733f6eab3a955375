"""Shelf: the declaration of one kind of shelf; what it has instances of, and how long it keeps its tracks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.events.dayparts import DAYPARTS
from transforms.tables.surfaces import HOME

# Formats: a row of cards; a compact grid of things to go on with; one large card with the list behind it.
FORMATS = ROW, GRID, LARGE = "tracks", "grid", "large"


@dataclass(frozen=True)
class InstanceKind:
    """A column of codes of the candidates; a shelf has one instance for each of its values.

    column: int32; a candidate with null belongs to no instance. is_track: the codes are tracks, and the texts of an
    instance speak of its track. labels: names of the codes, which the texts of the shelf name as {column}.
    """

    column: str
    is_track: bool = False
    labels: tuple[str, ...] = ()

    def label(self) -> pl.Expr | None:
        """Return the label of `code`; None: the kind has no labels."""
        if not self.labels:
            return None
        return pl.col("code").replace_strict(dict(enumerate(self.labels)), default=None, return_dtype=pl.String)


GENRE = InstanceKind("genre")
DAYPART = InstanceKind("daypart", labels=DAYPARTS)
SEED_TRACK = InstanceKind("seed_track", is_track=True)


@dataclass(frozen=True)
class RefreshPeriod:
    """A calendar period during which a shelf keeps its tracks.

    key: a number that is equal for all days of one period and differs between periods. day_number: 1 for the first day.
    """

    name: str
    key: Callable[[date], int]
    day_number: Callable[[date], int]

    @property
    def draw(self) -> pl.Expr:
        """A Gumbel number of user, track and period; candidates have it as a column."""
        return pl.col(f"{self.name}_draw")

    @property
    def days_into(self) -> pl.Expr:
        """Days since the period began, the first being 1; candidates have it as a column."""
        return pl.col(f"{self.name}_days")


def _iso_week(day: date) -> int:
    year, week, _ = day.isocalendar()
    return 100 * year + week


WEEKLY = RefreshPeriod("weekly", _iso_week, date.isoweekday)


@dataclass(frozen=True)
class Shelf:
    """One kind of shelf.

    format: how an app shows it, one of FORMATS.
    title, reason: templates; {title}, {track}, {artist}, {genre} are of the subject of the shelf: the instance's track
        where there is one, otherwise the first track shown. See texts.py.
    where: over candidates with context (see candidate_context.py), which of a user's candidates it may show.
    order: logarithm of a weight, the largest first; where tracks are drawn, probabilities are in proportion to weights.
    instance: there is one such shelf for each value that a user's candidates have; None: one for all.
    max_instances: how many of these a page may hold.
    min_tracks: with fewer tracks it is left out. max_tracks: tracks that it shows at most; 0: --shelf_size.
    max_artist_tracks, max_album_tracks: tracks by one known artist or of one known album at most; 0: any number.
    min_history: plays that a user must have.
    surfaces: surfaces of the app where it may stand.
    needs: catalog columns; without any value in one of them the shelf is disabled.
    is_personal: says something of the user; other shelves stand below, and need no minimum where nothing else fits.
    idea: what the shelf is about, in a word; shelves of one idea stand apart (page_value.py); empty: its own.
    leads: the page of a user who repeats much opens with it (--habit_share).
    is_reserved: its tracks are set aside before all other shelves are filled, so that these cannot take them.
    refresh: the period during which it keeps its tracks, see write_carry_over.py; None: it changes with every run. One
        shelf at most keeps its tracks.
    """

    id: str
    title: str
    reason: str
    where: pl.Expr
    order: pl.Expr
    sentence: str
    instance: InstanceKind | None = None
    max_instances: int = 1
    min_tracks: int = 4
    max_tracks: int = 0
    max_artist_tracks: int = 4
    max_album_tracks: int = 3
    min_history: int = 0
    surfaces: tuple[str, ...] = (HOME,)
    needs: tuple[str, ...] = ()
    is_personal: bool = True
    is_reserved: bool = False
    format: str = ROW
    idea: str = ""
    leads: bool = False
    refresh: RefreshPeriod | None = None

    def instance_code(self) -> pl.Expr:
        """Return the code of a candidate's instance; null: it belongs to none."""
        return pl.col(self.instance.column) if self.instance else pl.lit(0, dtype=pl.Int32)

    def instance_name(self, code: int) -> str:
        """Return the id, with the label of an instance where it has one."""
        labels = self.instance.labels if self.instance else ()
        return f"{self.id} of {labels[code]}" if labels else self.id
