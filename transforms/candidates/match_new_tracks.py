"""Match every new track with its first audience: the users nearest to it, whatever their other candidates are."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.candidates.new_tracks import NEW_TRACK_MATCHES, new_track_codes
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.embeddings.exact_search import SearchFilter, find_exactly
from transforms.embeddings.sequences import latest_sequences
from transforms.tables.buckets import CombineBuckets, Opened
from transforms.tables.groups import sorted_distinct, top_k_of_groups
from transforms.tables.hashing import mix, stable_hash, uniform
from transforms.tables.schemas import DISLIKE, PLAY

_JITTER_SIZE, _JITTER = 8, 0.05


@dataclass(eq=False)
class MatchNewTracks(beam.PTransform):
    """match_new_tracks() on every bucket of PLAYS, reduced to one table of NEW_TRACK_MATCHES."""

    catalog_path: beam.PCollection
    embeddings_path: beam.PCollection
    as_of: datetime
    floor: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Match in every bucket, then keep the best users of all buckets."""
        return plays | CombineBuckets(
            match_new_tracks,
            best_audience,
            out=NEW_TRACK_MATCHES,
            catalog=Opened(self.catalog_path, open_catalog),
            embeddings=Opened(self.embeddings_path, open_embeddings),
            as_of=self.as_of,
            floor=self.floor,
        )


def match_new_tracks(
    plays: pl.DataFrame, *, catalog: Catalog, embeddings: Embeddings, as_of: datetime, floor: int
) -> pl.DataFrame:
    """PLAYS of whole users -> NEW_TRACK_MATCHES: for each new track the `floor` nearest users of this bucket.

    Only users who have played anything are matched, and no user with a track that the user played or disliked. Where
    the embeddings do not tell which users are near, a jitter decides.
    """
    tracks = new_track_codes(catalog, as_of)
    # users who never played would rank above users whose embedding points away from the track
    listeners = plays.filter((pl.col("action") == PLAY) & (pl.col("known_at") < as_of)).select("user_id").unique()
    plays = plays.join(listeners, on="user_id", how="semi", maintain_order="left")
    ids = plays["user_id"].unique(maintain_order=True)
    if not floor or not len(tracks) or not len(ids):
        return NEW_TRACK_MATCHES.frame()
    touched = plays.with_columns(user=plays["user_id"].rle_id()).filter(
        pl.col("action").is_in([PLAY, DISLIKE]) & (pl.col("known_at") < as_of) & pl.col("track").is_in(tracks.implode())
    )
    index = tracks.search_sorted(touched["track"]).to_numpy().astype(np.int64)
    pairs = sorted_distinct(index << 32 | touched["user"].to_numpy())
    users = _with_jitter(embeddings.embed_users(latest_sequences(plays, as_of=as_of)), ids, 0)
    queries = _with_jitter(embeddings.tracks[tracks.to_numpy()], catalog.tracks["track_id"][tracks], 1)
    found = find_exactly(queries, users, floor, SearchFilter(pairs >> 32, pairs & 0xFFFFFFFF))
    return best_audience(
        pl.DataFrame(
            {
                "track": tracks.gather(found.query),
                "user_id": ids.cast(pl.String).gather(found.item),
                "score": found.score.astype(np.float64),
                "floor": np.full(len(found.query), floor, dtype=np.int32),
            }
        )
    )


def _with_jitter(vectors: np.ndarray, ids: pl.Series, seed: int) -> np.ndarray:
    """Append _JITTER_SIZE random dimensions that follow from the ids to vectors [n, D]: float32 [n, D + _JITTER_SIZE].

    Their products are small against the products of the vectors, and decide where these are equal.
    """
    dimension = stable_hash(pl.Series(np.arange(_JITTER_SIZE)), seed=2)
    drawn = uniform(mix(stable_hash(ids, seed=seed)[:, None] ^ dimension[None])) - 0.5
    return np.concatenate([vectors, _JITTER * drawn], axis=1, dtype=np.float32)


def best_audience(matches: pl.DataFrame) -> pl.DataFrame:
    """NEW_TRACK_MATCHES of several buckets -> NEW_TRACK_MATCHES: the best `floor` users of each track, ties by user."""
    return top_k_of_groups(matches, "track", "score", pl.col("floor"), tie="user_id")
