"""Assemble each user's page: which shelves, in which order, with which tracks.

Position by position, for all users of a bucket at once, the shelf that is worth most takes the place; then its tracks
are used, and what the other shelves would now show is valued anew (the stage-wise page of Alvino & Basilico, Learning a
Personalized Homepage, 2015).

- A shelf's value is the sum of score / log2(rank + 2) over the tracks that it would show: expected listens, with the
  discount of DCG (Jarvelin & Kekalainen, TOIS 2002) for those further to the right.
- The k-th shelf of one entry is worth 1/k of its value: returns diminish, as in Teo et al. (Adaptive, Personalized
  Diversity for Visual Discovery, RecSys 2016). Else the mixes, full of what will be played again anyway, fill the page.
- Shelves that say nothing of the user stand below all that do, whatever their value: a page does not open with the
  charts for someone whose taste is known.
- A shelf that can show fewer tracks than its minimum is withheld, and the next takes the place; where that leaves an
  empty page, a shelf that says nothing of the user needs no minimum. So every user with a candidate has a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.catalogs import Catalog, open_catalog
from transforms.reasons import render_reasons
from transforms.schemas import PAGES
from transforms.shelf_instances import Instances, find_instances
from transforms.shelves import Shelf, available_shelves, render_shelves

# What compose() returns: a track that is shown, and its shelf.
SHOWN = {
    "user": pl.Int32,
    "position": pl.Int32,
    "entry": pl.Int32,
    "value": pl.Float64,
    "rank": pl.Int32,
    "row": pl.Int32,
}


@dataclass(eq=False)
class AssemblePages(beam.PTransform):
    """assemble_pages() on every bucket."""

    catalog_path: beam.PCollection
    shelf_size: int
    max_shelves: int

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """One map."""
        catalog = Opened(self.catalog_path, open_catalog)
        sizes = {"shelf_size": self.shelf_size, "max_shelves": self.max_shelves}
        return scored | MapBuckets(assemble_pages, out=PAGES, catalog=catalog, **sizes)


def assemble_pages(scored: pl.DataFrame, *, catalog: Catalog, shelf_size: int, max_shelves: int) -> pl.DataFrame:
    """SCORED of whole users -> PAGES: one row per user, at most `max_shelves` shelves, no track twice on a page."""
    # also the order among equals: the better score, then the lower code
    candidates = scored.sort("user_id", "score", "track", descending=[False, True, False])
    shelves = available_shelves(catalog)
    shown = compose(candidates, shelves, shelf_size=shelf_size, max_shelves=max_shelves)
    return nest(candidates, shown, shelves, catalog)


def compose(candidates: pl.DataFrame, shelves: Sequence[Shelf], *, shelf_size: int, max_shelves: int) -> pl.DataFrame:
    """Choose the shelves of all pages, first the personal ones; candidates are in order of user and score.

    Returns one row per track that is shown, in order of user, position and rank: user (number), position, entry (place
    in `shelves`), value (of the shelf), rank (on it), row (of candidates).
    """
    user = candidates["user_id"].rle_id().cast(pl.Int32).to_numpy()
    score = candidates["score"].to_numpy().astype(np.float64)
    n_shelves = np.zeros(candidates["user_id"].n_unique(), dtype=np.int32)
    is_free = np.ones(len(candidates), dtype=bool)
    placed = []
    tiers = ([at for at, shelf in enumerate(shelves) if shelf.is_personal is so] for so in (True, False))
    for tier in filter(None, tiers):
        found = find_instances(candidates, user, is_free, shelves, tier)
        placed.append(fill(found, score, n_shelves, shelves, shelf_size=shelf_size, max_shelves=max_shelves))
        is_free = (n_shelves < max_shelves)[user]
        is_free[placed[-1]["row"].to_numpy()] = False
    return pl.concat(placed).sort("user", "position", maintain_order=True)


def fill(
    found: Instances,
    score: np.ndarray,
    n_shelves: np.ndarray,
    shelves: Sequence[Shelf],
    *,
    shelf_size: int,
    max_shelves: int,
) -> pl.DataFrame:
    """Place instances until pages are full or nothing fits; n_shelves (int [users]) counts up. Returns as compose()."""
    user, entry = found.user, found.entry
    minimum = np.array([min(shelf.min_tracks, shelf_size) for shelf in shelves])[entry]
    max_instances = np.array([shelf.max_instances for shelf in shelves])[entry]
    is_personal = np.array([shelf.is_personal for shelf in shelves])[entry]
    discount = 1 / np.log2(np.arange(shelf_size) + 2)
    n_placed = np.zeros((len(n_shelves), len(shelves)), dtype=np.int32)
    is_used = np.zeros(len(score), dtype=bool)
    is_open = (np.bincount(found.instance) >= minimum) | ~is_personal
    placed = []
    for _ in range(max_shelves):
        found = found.keep(is_open[found.instance] & ~is_used[found.row])
        members, rank = found.heads(shelf_size)
        instance, row = found.instance[members], found.row[members]
        size = np.bincount(instance, minlength=len(user))
        # added in the order of the rows: a sum of floats that does not depend on who shares the bucket
        value = np.bincount(instance, score[row] * discount[rank], minlength=len(user))
        is_open = size >= minimum
        is_open |= (size > 0) & ~is_personal & ~has_any(user, is_open) & (n_shelves == 0)[user]
        chosen = first_best(user, value / (1 + n_placed[user, entry]), is_open)
        is_chosen = np.zeros(len(user), dtype=bool)
        is_chosen[chosen] = True
        is_shown = is_chosen[instance]
        of, row, rank = instance[is_shown], row[is_shown], rank[is_shown]
        columns = (user[of], n_shelves[user[of]], entry[of], value[of], rank, row)
        placed.append(pl.DataFrame(dict(zip(SHOWN, columns, strict=True)), schema=SHOWN))
        is_used[row] = True
        n_shelves[user[chosen]] += 1
        n_placed[user[chosen], entry[chosen]] += 1
        is_open &= ~is_chosen & (n_placed[user, entry] < max_instances) & (n_shelves < max_shelves)[user]
    return pl.concat(placed)


def has_any(user: np.ndarray, is_so: np.ndarray) -> np.ndarray:
    """Say for each instance whether any of its user's is so."""
    return (np.bincount(user, is_so) > 0)[user]


def first_best(user: np.ndarray, worth: np.ndarray, is_open: np.ndarray) -> np.ndarray:
    """Take each user's open instance of the largest worth; of equals the first."""
    instances = np.flatnonzero(is_open)
    best = np.full(user.max(initial=-1) + 1, -np.inf)
    np.maximum.at(best, user[instances], worth[instances])
    winners = instances[worth[instances] == best[user[instances]]]
    return winners[np.unique(user[winners], return_index=True)[1]]


def nest(candidates: pl.DataFrame, shown: pl.DataFrame, shelves: Sequence[Shelf], catalog: Catalog) -> pl.DataFrame:
    """Turn the result of compose() into PAGES."""
    ids = catalog.tracks["track_id"]
    facts = ("user_id", "track", "because_track", "score", "source", "plays_of_track", "days_since_played")
    tracks = shown.hstack(candidates.select(facts)[shown["row"]])
    track = pl.struct(
        track_id=ids.gather(tracks["track"]),
        position="rank",
        score="score",
        propensity=pl.lit(1.0),
        source=pl.col("source").cast(pl.String),
        because_track_id=ids.gather(tracks["because_track"]),
        reason=render_reasons(tracks, catalog),
    )
    by_shelf = (
        tracks.with_columns(tracks=track)
        .group_by("user", "position", maintain_order=True)
        .agg(pl.col("user_id", "entry", "value", "track", "because_track").first(), "tracks")
    )
    is_led = pl.Series([shelf.instance == "because_track" for shelf in shelves]).gather(by_shelf["entry"])
    subject = by_shelf.select(pl.when(is_led).then("because_track").otherwise("track")).to_series()
    texts = render_shelves(by_shelf["entry"], subject, shelves=shelves, catalog=catalog)
    score = pl.col("value").cast(pl.Float32)
    shelf = pl.struct("shelf_id", "title", "reason", "position", score=score, propensity=pl.lit(1.0), tracks="tracks")
    return (
        by_shelf.hstack(texts)
        .group_by("user", maintain_order=True)
        .agg(pl.col("user_id").first().cast(pl.String), shelves=shelf)
        .select("user_id", pl.lit("home").alias("surface"), pl.lit("any").alias("context"), "shelves")
    )
