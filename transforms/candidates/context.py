"""What sources know of a bucket's users, and what their proposals have in common."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

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
# From so many of a user's tracks the item-item source looks; it finds so many at most, unheard and heard.
_SEED_TRACKS = 50
_MAX_UNPLAYED, _MAX_PLAYED = 500, 100


@dataclass(frozen=True)
class CandidateContext:
    """Everything as of one moment.

    history: the bucket's users. catalog, embeddings: the tracks.
    new_tracks: NEW_TRACK_MATCHES of users of all buckets. carry_over: CARRY_OVER, of the bucket's users.
    vectors: float32 [U, D], of history.users in their order; zeros for a user of whom nothing is known.
    """

    history: History
    catalog: Catalog
    embeddings: Embeddings
    new_tracks: pl.DataFrame
    vectors: np.ndarray
    as_of: datetime
    carry_over: pl.DataFrame

    @cached_property
    def played(self) -> Pairs:
        """All that anyone has ever played, by place of the user in history.users."""
        pairs = self.history.tracks.select("user_id", "track")
        user = self.index_of(pairs["user_id"])
        order = np.argsort(user, kind="stable")
        return Pairs(user[order], pairs["track"].to_numpy()[order].astype(np.int64))

    @cached_property
    def near(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What is heard near the user's tracks, unheard and heard: user_id, track, score, seed_track.

        A seed counts by the root of its recency (plays, each halved per 30 days).
        """
        listened = self.history.tracks.filter(pl.col("recency") > 0)
        seeds = top_per_user(listened, "recency", _SEED_TRACKS).select(
            "user_id", "track", weight=pl.col("recency").sqrt()
        )
        user, track = self.index_of(seeds["user_id"]), seeds["track"].to_numpy()
        num_users = len(self.history.users)
        found = find_co_listened(
            Seeds(user, track, seeds["weight"].to_numpy()),
            self.played,
            self.catalog,
            num_users,
            _MAX_UNPLAYED,
            _MAX_PLAYED,
        )
        drop_played, again = (self._named(near) for near in found)
        return drop_played, again

    def _named(self, near: CoListened) -> pl.DataFrame:
        columns = {
            "user_id": self.history.users["user_id"].gather(near.user),
            "track": near.track.astype(np.int32),
            "score": near.score.astype(np.float64),
            "seed_track": pl.Series(near.seed_track, dtype=pl.Int32).replace(-1, None),
        }
        return pl.DataFrame(columns)

    def index_of(self, user_id: pl.Series) -> np.ndarray:
        """Places of users in history.users: int64 [n]."""
        places = np.zeros(len(categories(user_id)), dtype=np.int64)
        places[self.history.users["user_id"].to_physical().to_numpy()] = np.arange(len(self.history.users))
        return places[user_id.to_physical().to_numpy()]

    def two_tower_similarity(self, user_id: pl.Series, track: pl.Series) -> pl.Series:
        """Cosines of users and tracks, pair by pair: float32; 0 where either has no vector."""
        if not self.embeddings.is_trained:
            return pl.Series(np.zeros(len(user_id), dtype=np.float32))
        place, code = self.index_of(user_id), track.to_numpy()
        starts = range(0, len(code), _PAIRS_PER_BLOCK)
        blocks = [slice(at, at + _PAIRS_PER_BLOCK) for at in starts]
        parts = [row_products(self.vectors[place[rows]], self.embeddings.tracks[code[rows]]) for rows in blocks]
        return pl.Series(np.concatenate([np.empty(0, np.float32), *parts]))

    def nearest_unplayed(
        self, k: int, *, excluded: np.ndarray | None = None, item_bias: np.ndarray | None = None
    ) -> pl.DataFrame:
        """The k unheard tracks nearest to each known user: user_id, track, score.

        withheld: bool [N], for nobody. bonus: float32 [N], by how much a track is nearer to everyone.
        """
        is_nothing = ~np.any(self.embeddings.tracks, axis=1) if self.embeddings.is_trained else np.ones(0, dtype=bool)
        is_known = np.flatnonzero(self.vectors.any(axis=1))
        if not len(is_known):
            return self.history.users.select("user_id", track=pl.lit(0, pl.Int32), score=0.0).clear()
        user, track = self.played
        place = np.searchsorted(is_known, user).clip(max=len(is_known) - 1)
        has_vector = is_known[place] == user
        for_nobody = is_nothing if excluded is None else is_nothing | excluded
        search_filter = SearchFilter(place[has_vector], track[has_vector], for_nobody, item_bias)
        found = self.embeddings.nearest(self.vectors[is_known], k, search_filter)
        return pl.DataFrame(
            {
                "user_id": self.history.users["user_id"].gather(is_known[found.user]),
                "track": found.track.astype(np.int32),
                "score": found.score.astype(np.float64),
            }
        )


def top_per_user(frame: pl.DataFrame, by: str, most: int, *, tie: str = "track") -> pl.DataFrame:
    """The `most` rows of each user with the largest `by`; ties by `tie`."""
    return top_k_of_groups(frame, "user_id", by, most, tie=tie)


def drop_played(proposed: pl.DataFrame, history: History) -> pl.DataFrame:
    """Drop what the user has ever played."""
    return proposed.join(history.tracks.select("user_id", "track"), on=["user_id", "track"], how="anti")


def no_seed() -> pl.Expr:
    """The column seed_track where no track of the user's led to the proposal."""
    return pl.lit(None, dtype=pl.Int32).alias("seed_track")
