"""ShelfClaim: what a shelf claims, as `homeshelf check` has it."""

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class ShelfClaim:
    """The claim of one shelf about each of its cards, and its limits.

    title: exact; empty where `holds` checks it. reason: the sentence below the title, over the first of its cards;
    null: any. holds: bool over cards with truth (see cards.py). max_shelves:
    instances on a page. min_tracks, max_tracks: tracks on a shelf; a maximum of 0 is --shelf_size. max_artist_tracks,
    max_album_tracks: tracks by one artist, of one album; 0: any number. is_carried_over: whether it keeps the tracks of
    earlier runs of its period. format: how it is shown.
    """

    shelf_id: str
    title: str
    holds: pl.Expr
    max_shelves: int = 1
    min_tracks: int = 4
    max_tracks: int = 0
    max_artist_tracks: int = 4
    max_album_tracks: int = 3
    is_personal: bool = True
    is_carried_over: bool = False
    format: str = "tracks"
    reason: pl.Expr = field(default_factory=lambda: pl.lit(None, pl.String))
