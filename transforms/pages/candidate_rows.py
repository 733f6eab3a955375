"""What composition knows of each candidate, as arrays, and what stands on each page so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from models.metrics import dcg_discount
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import is_deep
from transforms.events.market_codes import market_code
from transforms.pages.shelf_instances import number_pairs
from transforms.pages.shelves import Shelf
from transforms.tables.hashing import mix, stable_hash, uniform


@dataclass(frozen=True)
class CandidateRows:
    """Arrays by row of the candidates [N]; pairs number users with something that the row is of, -1: nothing.

    user: int; score: float64; track: code; artist, genre, novelty: pairs with the artist, the genre, heard or unheard.
    share_of_genre: the part of the user's plays that is of this genre; share_of_novelty: of this kind, by pair [2 U].
    """

    user: np.ndarray
    score: np.ndarray
    track: np.ndarray
    is_unheard: np.ndarray
    artist: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray
    share_of_genre: np.ndarray
    share_of_novelty: np.ndarray

    @classmethod
    def of(cls, candidates: pl.DataFrame) -> "CandidateRows":
        """Read candidates in order of user."""
        user = candidates["user_id"].rle_id().cast(pl.Int32).to_numpy()
        is_unheard = (candidates["plays_of_track"] == 0).to_numpy()
        firsts = candidates["user_distinct_track_ratio"].filter(candidates["user_id"].is_first_distinct())
        discovery = firsts.to_numpy().astype(np.float64).clip(0, 1)
        return cls(
            user,
            candidates["score"].to_numpy().astype(np.float64),
            candidates["track"].to_numpy(),
            is_unheard,
            number_pairs(user, candidates["artist"]),
            number_pairs(user, candidates["genre"]),
            2 * user + is_unheard,
            candidates["share_of_genre"].to_numpy().astype(np.float64),
            np.stack([1 - discovery, discovery], axis=1).ravel(),
        )


# What pages are made of, beside what the shelves ask for.
PAGE_COLUMNS = (
    *(
        "user_id",
        "user_plays",
        "user_distinct_track_ratio",
        "market",
        "track",
        "seed_track",
        "artist",
        "genre",
        "score",
    ),
    *("source", "plays_of_track", "days_since_played", "share_of_genre"),
)


def select_page_columns(scored: pl.DataFrame, shelves: Sequence[Shelf]) -> pl.DataFrame:
    """The columns of SCORED that pages of these shelves are made of: it is wide, and is about to be ordered."""
    asked = {name for shelf in shelves for one in (shelf.where, shelf.order) for name in one.meta.root_names()}
    asked |= {*PAGE_COLUMNS, *(shelf.instance for shelf in shelves if shelf.instance)}
    return scored.select(name for name in scored.columns if name in asked)


def candidates_with_context(candidates: pl.DataFrame, *, catalog: Catalog, day: date) -> pl.DataFrame:
    """SCORED -> the same with what entries and rules may ask of the track and the day.

    album, explicit, is_deep: of the track. days_into_week: of the day's ISO week. weekly_draw: a Gumbel number of the
    user, the track and the week; added to logarithms of weights it makes their order a draw (Gumbel 1954), the same all
    week.
    """
    tracks = catalog.tracks.select(
        "album", "explicit", is_deep=pl.Series(is_deep(catalog.tracks["n_plays"].to_numpy()))
    )
    year, week, weekday = day.isocalendar()
    users = user_keys(candidates["user_id"], seed=100 * year + week)
    drawn = uniform(mix(users ^ track_keys(catalog)[candidates["track"].to_numpy()]))
    gumbel = -np.log(-np.log(drawn.clip(2.0**-53)))
    return candidates.hstack(tracks[candidates["track"]]).with_columns(
        days_into_week=pl.lit(weekday, dtype=pl.Float32), weekly_draw=pl.Series(gumbel, dtype=pl.Float32)
    )


def user_keys(user_id: pl.Series, *, seed: int) -> np.ndarray:
    """A hash of each row's user, uint64 [N]; rows in order of user, each hashed once."""
    run = user_id.rle_id()
    firsts = user_id.filter(run.is_first_distinct()).cast(pl.String)
    return stable_hash(firsts, seed=seed)[run.to_numpy()]


def track_keys(catalog: Catalog) -> np.ndarray:
    """A hash of every track's id, uint64 [N]."""
    return stable_hash(catalog.tracks["track_id"], seed=0)


def playable_mask(candidates: pl.DataFrame, catalog: Catalog) -> np.ndarray:
    """Whether each candidate may be played in the user's market, bool [N]; where either is not known it may."""
    if not catalog.tracks["markets"].count():
        return np.ones(len(candidates), dtype=bool)
    held = catalog.coded.select("track", market="markets").explode("market", empty_as_null=False)
    allowed = held.select("track", market=market_code(pl.col("market"))).unique().with_columns(is_there=True)
    found = candidates.select("track", "market").join(
        allowed, on=["track", "market"], how="left", maintain_order="left"
    )
    everywhere = catalog.tracks["markets"].is_null().gather(candidates["track"])
    is_free = everywhere | candidates["market"].is_null()
    return (is_free | found["is_there"].fill_null(False)).to_numpy()


def rank_discount(size: int, shelf_size: int) -> np.ndarray:
    """1 / log2(rank + 2) of the first `shelf_size` ranks, 0 of those behind, float64 [size]."""
    ranks = np.arange(size)
    return np.where(ranks < shelf_size, dcg_discount(ranks), 0.0)
