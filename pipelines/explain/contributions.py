"""Contributions of groups of features to a score, by setting one group at a time to the user's medians."""

from typing import NamedTuple

import numpy as np
import polars as pl

from models.ranker.contract import FeatureBatch, Ranker
from transforms.catalog.catalog import Catalog
from transforms.features.features import FEATURES
from transforms.features.rewards import expected_reward
from transforms.ranking.ranker_files import Vocabulary
from transforms.tables.schemas import RECENT_LENGTH

FEATURE_GROUPS = tuple(dict.fromkeys(feature.group for feature in FEATURES))
_COLUMNS_OF_GROUP = {
    name: [column for column, one in enumerate(FEATURES) if one.group == name] for name in FEATURE_GROUPS
}


class Contribution(NamedTuple):
    """A group of features, and what the score would be without it."""

    group: str
    without: float


def feature_contributions(
    candidates: pl.DataFrame, track_id: str, ranker: Ranker, vocabulary: Vocabulary, catalog: Catalog
) -> tuple[float, list[Contribution]]:
    """Return the score of one of a user's candidates by its features, and its score without each group of features.

    candidates: those of Replay.features.

    A removed group is at the medians of the user's candidates. The recent tracks are not published with candidates, so
    their match with the track is left out of all these scores.
    """
    dense = candidates.select(feature.name for feature in FEATURES).to_numpy().astype(np.float32)
    row = candidates["track_id"].to_list().index(track_id)
    typical = np.median(dense, axis=0)
    rows = np.tile(dense[row], (1 + len(FEATURE_GROUPS), 1))
    for number, columns in enumerate(_COLUMNS_OF_GROUP.values(), start=1):
        rows[number, columns] = typical[columns]
    scores = _scores(rows, candidates.row(row, named=True), ranker, vocabulary, catalog)
    return float(scores[0]), [Contribution(*pair) for pair in zip(FEATURE_GROUPS, scores[1:].tolist(), strict=True)]


def _scores(
    dense: np.ndarray, row: dict[str, int | None], ranker: Ranker, vocabulary: Vocabulary, catalog: Catalog
) -> np.ndarray:
    """Return the expected reward of one track for several rows of features, float [rows]."""
    tracks, artists = vocabulary.rows_of(catalog)
    artist = row["artist"]
    batch: FeatureBatch = {
        "dense": dense,
        "track": np.full(len(dense), tracks[row["track"]], np.int32),
        "artist": np.full(len(dense), artists[-1 if artist is None else artist], np.int32),
        "recent": np.zeros((len(dense), RECENT_LENGTH), np.int32),
    }
    return expected_reward(dict(zip(ranker.spec.heads, ranker.score(batch).T, strict=True)))
