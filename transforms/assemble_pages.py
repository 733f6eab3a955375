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
from dataclasses import dataclass, replace

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.catalog import Catalog, open_catalog
from transforms.schemas import PAGES
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
    found: "Instances",
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


@dataclass(frozen=True)
class Instances:
    """Each user's instances of each shelf, and their members: the candidates that they could show, best first.

    user, entry, max_artist_tracks: int [S], whose instance of which shelf; in order of entry, user, code.
    instance, row: int [M], of a member: its instance (ascending) and its candidate.
    rivals, group: int [R], the members whose instance has more of their artist than it may show, and the number of the
        instance and artist that they share (ascending); best first in a group.
    """

    user: np.ndarray
    entry: np.ndarray
    max_artist_tracks: np.ndarray
    instance: np.ndarray
    row: np.ndarray
    rivals: np.ndarray
    group: np.ndarray

    def keep(self, is_kept: np.ndarray) -> "Instances":
        """Drop the other members (bool [M]); the instances stay."""
        is_rival, place = is_kept[self.rivals], np.cumsum(is_kept, dtype=np.int32) - 1
        rivals, group = place[self.rivals[is_rival]], self.group[is_rival]
        return replace(self, instance=self.instance[is_kept], row=self.row[is_kept], rivals=rivals, group=group)

    def heads(self, shelf_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the members that each instance would show, and their ranks on it."""
        most = self.max_artist_tracks[self.instance[self.rivals]]
        is_free = np.ones(len(self.row), dtype=bool)
        is_free[self.rivals[place_in_run(self.group) >= most]] = False
        members = np.flatnonzero(is_free)
        rank = place_in_run(self.instance[members])
        return members[rank < shelf_size], rank[rank < shelf_size]


def find_instances(
    candidates: pl.DataFrame, user: np.ndarray, is_free: np.ndarray, shelves: Sequence[Shelf], tier: Sequence[int]
) -> Instances:
    """Sort the free candidates into the instances of the shelves whose entries are in the tier."""
    found = [_members(candidates, user, is_free, shelves[entry]) for entry in tier]
    sizes = [len(rows) for rows, _ in found]
    row, code = (np.concatenate(columns).astype(np.int32) for columns in zip(*found, strict=True))
    entry = np.repeat(np.array(tier, dtype=np.int32), sizes)
    most = np.repeat(np.array([shelves[entry].max_artist_tracks for entry in tier], dtype=np.int32), sizes)
    starts, instance = runs(entry, user[row], code)
    rivals, group = _rivals(instance, row, most, user, candidates["artist"])
    return Instances(user[row[starts]], entry[starts], most[starts], instance, row, rivals, group)


def _members(
    candidates: pl.DataFrame, user: np.ndarray, is_free: np.ndarray, shelf: Shelf
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and codes of what an entry could show, by user, code and order."""
    code = pl.col(shelf.instance) if shelf.instance else pl.lit(0, dtype=pl.Int32)
    asked = candidates.select(where=shelf.where & code.is_not_null(), order=shelf.order.cast(pl.Float32), code=code)
    row = np.flatnonzero(asked["where"].to_numpy() & is_free)
    row = row[stable_order(user[row], largest_first(asked["order"].to_numpy()[row]))]
    codes = asked["code"].fill_null(0).to_numpy()[row]
    by_code = stable_order(user[row], codes)
    return row[by_code], codes[by_code]


def _rivals(
    instance: np.ndarray, row: np.ndarray, most: np.ndarray, user: np.ndarray, artist: pl.Series
) -> tuple[np.ndarray, np.ndarray]:
    """See Instances."""
    code = artist.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    _, pair = runs(user[known], code[known])
    n_of_artist = np.zeros(len(code), dtype=np.int32)
    n_of_artist[known] = np.bincount(pair)[pair]
    # few members are in question: sorting all of them would take most of the time of the stage
    members = np.flatnonzero((most > 0) & (n_of_artist[row] > most))
    members = members[stable_order(instance[members], code[row[members]])]
    _, group = runs(instance[members], code[row[members]])
    is_rival = np.bincount(group)[group] > most[members]
    return members[is_rival], group[is_rival]


def nest(candidates: pl.DataFrame, shown: pl.DataFrame, shelves: Sequence[Shelf], catalog: Catalog) -> pl.DataFrame:
    """Turn the result of compose() into PAGES."""
    ids = catalog.tracks["track_id"]
    tracks = shown.hstack(candidates.select("user_id", "track", "because_track", "score", "source")[shown["row"]])
    track = pl.struct(
        track_id=ids.gather(tracks["track"]),
        position="rank",
        score="score",
        propensity=pl.lit(1.0),
        source=pl.col("source").cast(pl.String),
        because_track_id=ids.gather(tracks["because_track"]),
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


def runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where any of the keys changes: the start of each run of equal rows, and each row's number of its run."""
    changes = np.zeros(len(keys[0]), dtype=bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes).astype(np.int32), np.cumsum(changes, dtype=np.int32) - 1


def place_in_run(key: np.ndarray) -> np.ndarray:
    """Count from 0 in each run of equal keys."""
    starts, run = runs(key)
    return np.arange(len(key), dtype=np.int32) - starts[run]


def stable_order(major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Order by two keys of 32 bits, none negative; equal rows keep theirs. Several times as fast as np.lexsort."""
    return np.argsort((major.astype(np.uint64) << np.uint64(32)) | minor.astype(np.uint64), kind="stable")


def largest_first(values: np.ndarray) -> np.ndarray:
    """Map float32 to uint32 that sort the other way round."""
    bits = (values + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return ~(ascending.view(np.uint32) ^ np.uint32(0x80000000))
