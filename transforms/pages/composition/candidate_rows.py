"""Candidates as composition uses them: arrays of numbers, one entry a row."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.pages.composition.shelf_instances import number_pairs


@dataclass(frozen=True)
class CandidateRows:
    """Arrays by row of the candidates [N]. A pair numbers a user together with something of the row; -1: it has none.

    user: int; score: float64; track: code; artist, genre, novelty: pairs with the artist, with the genre, and with
    played (even) or unplayed (odd). share_of_genre: share of the user's plays that are of this genre; share_of_novelty:
    share of the user's plays that are of this kind, by pair [2 U].
    """

    user: np.ndarray
    score: np.ndarray
    track: np.ndarray
    is_unplayed: np.ndarray
    artist: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray
    share_of_genre: np.ndarray
    share_of_novelty: np.ndarray

    @classmethod
    def from_candidates(cls, candidates: pl.DataFrame) -> "CandidateRows":
        """Read candidates in order of user."""
        user = candidates["user_id"].rle_id().cast(pl.Int32).to_numpy()
        is_unplayed = (candidates["plays_of_track"] == 0).to_numpy()
        firsts = candidates["user_distinct_track_ratio"].filter(candidates["user_id"].is_first_distinct())
        share_of_new = firsts.to_numpy().astype(np.float64).clip(0, 1)
        return cls(
            user,
            candidates["score"].to_numpy().astype(np.float64),
            candidates["track"].to_numpy(),
            is_unplayed,
            number_pairs(user, candidates["artist"]),
            number_pairs(user, candidates["genre"]),
            2 * user + is_unplayed,
            candidates["share_of_genre"].to_numpy().astype(np.float64),
            np.stack([1 - share_of_new, share_of_new], axis=1).ravel(),
        )
