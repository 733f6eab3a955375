"""What sources know of a bucket's users, and what their proposals have in common."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from transforms.candidates.co_listened import Near, Pairs, Seeds, find_near
from transforms.candidates.user_history import History
from transforms.catalog.catalog import Catalog
from transforms.embeddings.embeddings import Embeddings
from transforms.embeddings.exact_search import Terms, products
from transforms.tables.columns import categories

PAIRS_PER_BLOCK = 1 << 16
# From so many of a user's tracks the item-item source looks; it finds so many at most, unheard and heard.
SEED_TRACKS = 50
MOST_NEAR, MOST_AGAIN = 500, 100


@dataclass(frozen=True)
class Knowledge:
    """Everything as of one moment.

    history: the bucket's users. catalog, embeddings: the tracks. launches: LAUNCHES, of users of all buckets.
    weekly: WEEKLY, of the bucket's users.
    vectors: float32 [U, D], of history.users in their order; zeros for a user of whom nothing is known.
    """

    history: History
    catalog: Catalog
    embeddings: Embeddings
    launches: pl.DataFrame
    vectors: np.ndarray
    as_of: datetime
    weekly: pl.DataFrame

    @cached_property
    def heard(self) -> Pairs:
        """All that anyone has ever played, by place of the user in history.users."""
        pairs = self.history.tracks.select("user_id", "track")
        user = self.place_of(pairs["user_id"])
        order = np.argsort(user, kind="stable")
        return Pairs(user[order], pairs["track"].to_numpy()[order].astype(np.int64))

    @cached_property
    def near(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What is heard near the user's tracks, unheard and heard: user_id, track, score, because_track.

        A seed counts by the root of its recency (plays, each halved per 30 days).
        """
        listened = self.history.tracks.filter(pl.col("recency") > 0)
        seeds = top_of(listened, "recency", SEED_TRACKS).select("user_id", "track", weight=pl.col("recency").sqrt())
        user, track = self.place_of(seeds["user_id"]), seeds["track"].to_numpy()
        num_users = len(self.history.users)
        found = find_near(
            Seeds(user, track, seeds["weight"].to_numpy()), self.heard, self.catalog, num_users, MOST_NEAR, MOST_AGAIN
        )
        unheard, again = (self._named(near) for near in found)
        return unheard, again

    def _named(self, near: Near) -> pl.DataFrame:
        columns = {
            "user_id": self.history.users["user_id"].gather(near.user),
            "track": near.track.astype(np.int32),
            "score": near.score.astype(np.float64),
            "because_track": pl.Series(near.because, dtype=pl.Int32).replace(-1, None),
        }
        return pl.DataFrame(columns)

    def place_of(self, user_id: pl.Series) -> np.ndarray:
        """Places of users in history.users: int64 [n]."""
        places = np.zeros(len(categories(user_id)), dtype=np.int64)
        places[self.history.users["user_id"].to_physical().to_numpy()] = np.arange(len(self.history.users))
        return places[user_id.to_physical().to_numpy()]

    def affinity(self, user_id: pl.Series, track: pl.Series) -> pl.Series:
        """Cosines of users and tracks, pair by pair: float32; 0 where either has no vector."""
        if not self.embeddings.is_trained:
            return pl.Series(np.zeros(len(user_id), dtype=np.float32))
        place, code = self.place_of(user_id), track.to_numpy()
        starts = range(0, len(code), PAIRS_PER_BLOCK)
        blocks = [slice(at, at + PAIRS_PER_BLOCK) for at in starts]
        parts = [products(self.vectors[place[rows]], self.embeddings.tracks[code[rows]]) for rows in blocks]
        return pl.Series(np.concatenate([np.empty(0, np.float32), *parts]))

    def nearest_unheard(
        self, k: int, *, withheld: np.ndarray | None = None, bonus: np.ndarray | None = None
    ) -> pl.DataFrame:
        """The k unheard tracks nearest to each known user: user_id, track, score.

        withheld: bool [N], for nobody. bonus: float32 [N], by how much a track is nearer to everyone.
        """
        is_nothing = ~np.any(self.embeddings.tracks, axis=1) if self.embeddings.is_trained else np.ones(0, dtype=bool)
        is_known = np.flatnonzero(self.vectors.any(axis=1))
        if not len(is_known):
            return self.history.users.select("user_id", track=pl.lit(0, pl.Int32), score=0.0).clear()
        user, track = self.heard
        place = np.searchsorted(is_known, user).clip(max=len(is_known) - 1)
        has_vector = is_known[place] == user
        for_nobody = is_nothing if withheld is None else is_nothing | withheld
        terms = Terms(place[has_vector], track[has_vector], for_nobody, bonus)
        found = self.embeddings.nearest(self.vectors[is_known], k, terms)
        return pl.DataFrame(
            {
                "user_id": self.history.users["user_id"].gather(is_known[found.user]),
                "track": found.track.astype(np.int32),
                "score": found.score.astype(np.float64),
            }
        )


def top_of(frame: pl.DataFrame, by: str, most: int, *, tie: str = "track") -> pl.DataFrame:
    """The `most` rows of each user with the largest `by`; ties by `tie`."""
    ordered = frame.sort("user_id", by, tie, descending=[False, True, False])
    return ordered.filter(pl.int_range(pl.len()).over("user_id") < most)


def unheard(proposed: pl.DataFrame, history: History) -> pl.DataFrame:
    """Drop what the user has ever played."""
    return proposed.join(history.tracks.select("user_id", "track"), on=["user_id", "track"], how="anti")


def no_reason() -> pl.Expr:
    """The column because_track where no track of the user's led to the proposal."""
    return pl.lit(None, dtype=pl.Int32).alias("because_track")
