"""Files of a ranker's artifact besides the model: the ids of its embedding rows, rewards, histograms and report.

Codes of tracks belong to one run; a model that is used in another run needs ids.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.ranker.contract import SPEC_FILE, FeatureBatch, FeatureSpec, check_spec
from models.ranker.entries import read_saved_spec
from models.ranker.saved_graph import check_saved_graph
from transforms.candidates.blending import open_blend
from transforms.catalog.catalog import Catalog
from transforms.features.features import FEATURE_NAMES
from transforms.features.rewards import check_rewards, describe_rewards
from transforms.ranking.rankers import RANKERS
from transforms.tables.artifacts import local_copy
from transforms.tables.histograms import Histograms
from transforms.tables.schemas import RECENT_LENGTH

_REPORT_FILE = "training.json"
_HISTOGRAMS_FILE = "histograms.json"
_REWARDS_FILE = "rewards.json"
_VOCABULARY_FILES = {"track_ids": "vocabulary_tracks.parquet", "artist_ids": "vocabulary_artists.parquet"}


@dataclass(frozen=True)
class Vocabulary:
    """Ids with an embedding of their own: row i + 1 of the table belongs to id i, row 0 to all other ids."""

    track_ids: pl.Series
    artist_ids: pl.Series

    def spec(self, heads: tuple[str, ...]) -> FeatureSpec:
        """Return the shape of encode_batch(), for a model of these rewards."""
        return FeatureSpec(FEATURE_NAMES, len(self.track_ids), len(self.artist_ids), RECENT_LENGTH, heads)

    def save(self, directory: Path) -> None:
        """Write one file of ids each."""
        for name, file in _VOCABULARY_FILES.items():
            pl.DataFrame({"id": getattr(self, name)}).write_parquet(directory / file)

    def rows_of(self, catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
        """Return the embedding rows of the catalog's track and artist codes, int32, each with a last 0 for code -1."""
        artists = catalog.tracks.select("artist", "artist_id").drop_nulls().unique("artist").sort("artist")
        return _rows(catalog.tracks["track_id"], self.track_ids), _rows(artists["artist_id"], self.artist_ids)


def learn_vocabulary(catalog: Catalog, *, min_plays: int) -> Vocabulary:
    """Return the tracks with at least `min_plays` plays, and their artists: enough to train an embedding."""
    played = catalog.tracks.filter(pl.col("n_plays") >= min_plays)
    return Vocabulary(played["track_id"], played["artist_id"].drop_nulls().unique().sort())


@functools.lru_cache(maxsize=4)
def open_vocabulary(path: str) -> Vocabulary:
    """Open the vocabulary of a ranker's artifact."""
    return Vocabulary(*(pl.read_parquet(local_copy(path) / file)["id"] for file in _VOCABULARY_FILES.values()))


def check_graph(path: str) -> None:
    """Check that the graph of a ranker only computes (ValueError: it may do more); rankers without one do."""
    check_saved_graph(local_copy(path))


def check_ranker(path: str, *, is_trusted: bool) -> None:
    """Check that a ranker of an earlier run fits the sources, features and rewards of this code.

    is_trusted: its graph may do more than compute.

    Raises:
        FileNotFoundError: there is no ranker at the path.
        ValueError: its model does not exist, or it was trained on other sources, features or rewards; the message names
            the difference; or its graph may do more than compute.
    """
    directory = local_copy(path)
    if not (directory / SPEC_FILE).is_file():
        raise FileNotFoundError(f"no ranker at {path}")
    if not is_trusted:
        check_graph(path)
    open_blend(path)
    _, spec = read_saved_spec(str(directory), RANKERS)
    check_rewards(json.loads((directory / _REWARDS_FILE).read_text()), spec.heads)
    check_spec(spec, open_vocabulary(path).spec(spec.heads))


def _rows(ids: pl.Series, known: pl.Series) -> np.ndarray:
    rows = known.rename("id").to_frame().with_row_index("row", offset=1)
    found = ids.rename("id").to_frame().join(rows, on="id", how="left", maintain_order="left")["row"].fill_null(0)
    return np.append(found.to_numpy(), 0).astype(np.int32)


def encode_batch(candidates: pl.DataFrame, rows: tuple[np.ndarray, np.ndarray]) -> FeatureBatch:
    """Return the FeatureBatch of CANDIDATES; `rows` are those of Vocabulary.rows_of() for their catalog."""
    track_rows, artist_rows = rows
    return {
        "dense": candidates.select(FEATURE_NAMES).to_numpy(order="c"),
        "track": track_rows[candidates["track"].to_numpy()],
        "artist": artist_rows[candidates["artist"].fill_null(-1).to_numpy()],
        "recent": track_rows[candidates["recent"].to_numpy().reshape(-1, RECENT_LENGTH)],
    }


def write_rewards(directory: Path) -> None:
    """Write the rewards that the ranker is trained on."""
    (directory / _REWARDS_FILE).write_text(json.dumps(describe_rewards(), indent=1))


def write_training_report(directory: Path, report: Mapping[str, object]) -> None:
    """Write the log of the training and its figures on held-out examples."""
    (directory / _REPORT_FILE).write_text(json.dumps(report, indent=1))


def write_histograms(directory: Path, histograms: Histograms) -> None:
    """Write the distribution of each feature over training examples, which later runs are compared with."""
    (directory / _HISTOGRAMS_FILE).write_text(json.dumps(histograms))


def read_histograms(directory: Path) -> Histograms:
    """Read the distributions that write_histograms() wrote."""
    histograms: Histograms = json.loads((directory / _HISTOGRAMS_FILE).read_text())
    return histograms


def read_training_report(directory: Path) -> dict[str, Any]:
    """Read the report that write_training_report() wrote."""
    report: dict[str, Any] = json.loads((directory / _REPORT_FILE).read_text())
    return report
