"""List the choices that made each logged page: its shelves in order, and the tracks on each."""

from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.experiments.off_policy.schemas import LOGGED_CHOICES
from transforms.tables.buckets import MapBuckets
from transforms.tables.hashing import mix, stable_hash

# Cards beyond these are dropped: arrays of a page hold every place before.
MAX_SHELVES, MAX_TRACKS = 64, 128
_PAGE = ["user_id", "request"]
_PLACE = [*_PAGE, "shelf_position", "position"]


@dataclass(eq=False)
class ListChoices(beam.PTransform):
    """list_choices() on every bucket."""

    surface: str
    policy: str

    def expand(self, cards: beam.PCollection) -> beam.PCollection:
        """Map every bucket of whole users."""
        return cards | MapBuckets(list_choices, out=LOGGED_CHOICES, surface=self.surface, policy=self.policy)


def list_choices(cards: pl.DataFrame, *, surface: str, policy: str) -> pl.DataFrame:
    """LOGGED_CARD_ROWS of whole users -> LOGGED_CHOICES, in order of page and place.

    Only pages of one surface (null: any) and of one logging policy (empty: any). Of a card that was logged twice the
    first counts. A page on which a place is empty is kept without propensities: what stood there is not known.
    """
    is_meant = pl.col("user_id").is_not_null() & pl.col("track_id").is_not_null() & pl.col("shown_at").is_not_null()
    is_meant &= pl.col("surface").cast(pl.String).fill_null(surface) == surface
    if policy:
        is_meant &= (pl.col("policy").cast(pl.String) == policy).fill_null(False)
    placed = cards.filter(is_meant).with_columns(pl.col("shelf_position", "position").fill_null(0))
    is_near = pl.col("shelf_position").is_between(0, MAX_SHELVES - 1) & pl.col("position").is_between(0, MAX_TRACKS - 1)
    near = placed.filter(is_near)
    named = near.with_columns(pl.Series("request", _requests(near), dtype=pl.Int64))
    once = named.sort(*_PLACE, "shown_at", "track_id").unique(_PLACE, keep="first", maintain_order=True)
    by_shelf = once.group_by([*_PAGE, "shelf_position"], maintain_order=True)
    is_whole = pl.col("position").max() == pl.len() - 1
    shelves = by_shelf.agg(
        pl.col("shown_at", "shelf_id", "shelf_propensity", "target_shelf_propensity").first(), is_whole=is_whole
    )
    whole = shelves.group_by(_PAGE, maintain_order=True).agg(
        is_page=(pl.col("shelf_position").max() == pl.len() - 1) & pl.col("is_whole").all()
    )
    given = pl.col("target_shelf_propensity").fill_null(1.0)
    chosen = shelves.with_columns(
        position=pl.lit(-1, pl.Int32), propensity="shelf_propensity", target_propensity=given, outcome=0.0
    )
    shown = once.with_columns(pl.col("outcome").fill_nan(None).fill_null(0.0))
    return LOGGED_CHOICES.conform(*(_without_unknown(rows, whole) for rows in (chosen, shown))).sort(_PLACE)


def _requests(cards: pl.DataFrame) -> np.ndarray:
    """Return a number for the request of each card: of request_id, or of the time, int64 [N]."""
    times = stable_hash(cards["shown_at"].dt.timestamp("us"), seed=1)
    ids = cards["request_id"].cast(pl.String)
    named = stable_hash(ids, seed=2)
    return np.where(ids.is_null().to_numpy(), mix(times), named).view(np.int64)


def _without_unknown(choices: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
    """Clear propensities that are none, and all those of pages with an empty place; pages: is_page of each."""
    known = pl.col("propensity").is_between(0, 1, closed="right") & pl.col("is_page")
    rows = choices.join(pages, on=_PAGE, how="left", maintain_order="left")
    return rows.with_columns(
        propensity=pl.when(known.fill_null(False)).then("propensity"),
        target_propensity=pl.col("target_propensity").fill_nan(None).clip(0, 1),
    )
