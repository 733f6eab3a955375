"""CandidateContext: what sources can use of a bucket's users and of all tracks, as of one moment."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.candidates.co_listened import CoListened, Pairs, Seeds, find_co_listened
from transforms.candidates.user_history import History
from transforms.catalog.catalog import Catalog
from transforms.embeddings.embeddings import Embeddings
from transforms.embeddings.exact_search import SearchFilter, row_products
from transforms.tables.columns import categories
from transforms.tables.groups import top_k_of_groups

_PAIRS_PER_BLOCK = 1 << 16
# Number of a user's tracks from which the search for co-listened tracks starts, and maximum numbers of results.
_SEED_TRACKS = 50
_MAX_UNPLAYED, _MAX_PLAYED = 500, 100


class CoListenedTracks(NamedTuple):
    """Tracks often heard near the users' tracks, unplayed and played ones: user_id, track, score, seed_track."""

    unplayed: pl.DataFrame
    played: pl.DataFrame


@dataclass(frozen=True)
class CandidateContext:
    """Inputs of the sources; all are as of `as_of`.

    history: the bucket's U users. catalog, embeddings: all tracks.
    new_tracks: NEW_TRACK_MATCHES of the users of all buckets. carry_over: CARRY_OVER of the bucket's users.
    user_embeddings: float32 [U, D], in the order of history.users; zeros for a user without known plays.
    """

    history: History
    catalog: Catalog
    embeddings: Embeddings
    new_tracks: pl.DataFrame
    user_embeddings: np.ndarray
    as_of: datetime
    carry_over: pl.DataFrame

    @cached_property
    def played(self) -> Pairs:
        """Return all pairs of a user (index in history.users) and a track that the user ever played, by user."""
        pairs = self.history.tracks.select("user_id", "track")
        user = self.user_index(pairs["user_id"])
        order = np.argsort(user, kind="stable")
        return Pairs(user[order], pairs["track"].to_numpy()[order].astype(np.int64))

    @cached_property
    def co_listened(self) -> CoListenedTracks:
        """Return the tracks often heard near the tracks that a user listened to most and most recently.

        A seed track weighs the square root of its recency (plays, each halved per 30 days).
        """
        listened = self.history.tracks.filter(pl.col("recency") > 0)
        weight = pl.col("recency").sqrt()
        seeds = top_per_user(listened, "recency", _SEED_TRACKS).select("user_id", "track", weight=weight)
        user, track = self.user_index(seeds["user_id"]), seeds["track"].to_numpy()
        unplayed, played = find_co_listened(
            Seeds(user, track, seeds["weight"].to_numpy()),
            self.played,
            self.catalog,
            num_users=len(self.history.users),
            max_unplayed=_MAX_UNPLAYED,
            max_played=_MAX_PLAYED,
        )
        return CoListenedTracks(self._as_proposals(unplayed), self._as_proposals(played))

    def _as_proposals(self, found: CoListened) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user_id": self.history.users["user_id"].gather(found.user),
                "track": found.track.astype(np.int32),
                "score": found.score.astype(np.float64),
                "seed_track": pl.Series(found.seed_track, dtype=pl.Int32).replace(-1, None),
            }
        )

    @cached_property
    def is_withheld(self) -> np.ndarray:
        """Return whether each track is released only after the day of `as_of`, or is a copy of another: bool [N]."""
        later = self.catalog.tracks["release_date"] > self.as_of.date()
        return later.fill_null(False).to_numpy() | self.catalog.is_copy

    @cached_property
    def by_popularity(self) -> pl.DataFrame:
        """Return the tracks that are not withheld, `Catalog.coded`, by falling popularity."""
        ordered = self.catalog.by_popularity
        return ordered.filter(~self.is_withheld[ordered["track"]]) if self.is_withheld.any() else ordered

    def drop_withheld(self, proposed: pl.DataFrame) -> pl.DataFrame:
        """Drop the rows whose `track` is withheld."""
        return proposed.filter(~self.is_withheld[proposed["track"]]) if self.is_withheld.any() else proposed

    def user_index(self, user_id: pl.Series) -> np.ndarray:
        """Return the index of each user in history.users: int64 [n]."""
        index = np.zeros(len(categories(user_id)), dtype=np.int64)
        index[self.history.users["user_id"].to_physical().to_numpy()] = np.arange(len(self.history.users))
        return index[user_id.to_physical().to_numpy()]

    def two_tower_similarity(self, user_id: pl.Series, track: pl.Series) -> pl.Series:
        """Compute the cosine of each pair of a user and a track: float32 [n]; 0 where either has no embedding."""
        if not self.embeddings.is_trained:
            return pl.Series(np.zeros(len(user_id), dtype=np.float32))
        user, code = self.user_index(user_id), track.to_numpy()
        starts = range(0, len(code), _PAIRS_PER_BLOCK)
        blocks = [slice(start, start + _PAIRS_PER_BLOCK) for start in starts]
        parts = [row_products(self.user_embeddings[user[rows]], self.embeddings.tracks[code[rows]]) for rows in blocks]
        return pl.Series(np.concatenate([np.empty(0, np.float32), *parts]))

    def nearest_unplayed(
        self, k: int, *, excluded: np.ndarray | None = None, item_bias: np.ndarray | None = None
    ) -> pl.DataFrame:
        """Return the k unplayed tracks nearest to each user that has an embedding, best first: user_id, track, score.

        None is withheld. excluded: bool [N], tracks that are never returned either. item_bias: float32 [N], added to
        the cosine with each track.
        """
        users = np.flatnonzero(self.user_embeddings.any(axis=1))
        if not len(users):
            return self.history.users.select("user_id", track=pl.lit(0, pl.Int32), score=0.0).clear()
        never = ~np.any(self.embeddings.tracks, axis=1) | self.is_withheld
        if excluded is not None:
            never |= excluded
        user, track = self.played
        query = np.searchsorted(users, user).clip(max=len(users) - 1)
        is_query = users[query] == user
        search_filter = SearchFilter(query[is_query], track[is_query], never, item_bias)
        found = self.embeddings.nearest(self.user_embeddings[users], k, search_filter)
        return pl.DataFrame(
            {
                "user_id": self.history.users["user_id"].gather(users[found.query]),
                "track": found.item.astype(np.int32),
                "score": found.score.astype(np.float64),
            }
        )


def top_per_user(frame: pl.DataFrame, by: str, k: int, *, tie: str = "track") -> pl.DataFrame:
    """Return the k rows of each user with the highest `by`, best first; equal ones by `tie`."""
    return top_k_of_groups(frame, "user_id", by, k, tie=tie)


def drop_played(proposed: pl.DataFrame, history: History) -> pl.DataFrame:
    """Drop the tracks that the user has ever played."""
    return proposed.join(history.tracks.select("user_id", "track"), on=["user_id", "track"], how="anti")


def no_seed() -> pl.Expr:
    """Return an empty column seed_track, for sources whose proposals have no seed track."""
    return pl.lit(None, dtype=pl.Int32).alias("seed_track")
