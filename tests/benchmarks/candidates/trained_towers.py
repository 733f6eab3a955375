"""Towers trained on the plays of a sample world as of a moment, and their recall; shared by benchmarks of towers."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.inputs.inputs import inspect_input
from pipelines.options.options import RunOptions
from tests.worlds import MAX_USER_EVENTS, MIN_PLAYED_AT, catalog_of
from transforms.catalog.catalog import Catalog
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.embeddings.sample_sequences import sample_sequences
from transforms.embeddings.sequences import SEQUENCES
from transforms.embeddings.train_towers import FitTowers, train_towers
from transforms.events.clean_events import clean_events, keep_plays
from transforms.events.order_histories import keep_first, order_histories
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import EVENT_ROWS, PLAYS

TOP_K = 100


@dataclass(frozen=True)
class Log:
    """PLAYS of a world, its READ_TRACKS, and the content keys that towers read."""

    plays: pl.DataFrame
    tracks: pl.DataFrame
    keys: Any

    @staticmethod
    def read(folder: str, until: datetime) -> "Log":
        """Read everything before a moment."""
        tracks = to_frame(_table(f"{folder}/tracks", READ_TRACKS))
        rows = distinct_tracks(tracks)
        known = collect_tracks(rows, match_names=True)
        codes = known.select("track_id").with_row_index("track").cast({"track": pl.Int32})
        events = to_frame(_table(f"{folder}/events", EVENT_ROWS))
        return Log(plays_in(events, codes, until), tracks, content_keys(rows, known))

    def catalog(self, history: pl.DataFrame, at: datetime, folder: Path) -> Catalog:
        """Build the catalog of some of the plays."""
        return catalog_of(history, self.tracks, folder, as_of=at, num_neighbours=RunOptions.num_neighbours)


def _table(folder: str, schema: Any) -> Any:
    row_groups = inspect_input("features", folder, None, schema=schema).row_groups
    return pa.concat_tables(
        table for group in row_groups for table in read_row_group(group, schema=schema, column_mapping={})
    )


def plays_in(events: pl.DataFrame, codes: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Turn EVENT_ROWS before a moment into PLAYS in order; codes: track_id, track."""
    checked = clean_events(
        events, as_of=until, min_played_at=MIN_PLAYED_AT, track_codes=codes, max_user_events=MAX_USER_EVENTS
    )
    return keep_first(order_histories(to_frame(to_table(keep_plays(checked), PLAYS)), max_user_events=MAX_USER_EVENTS))


def embedded(
    history: pl.DataFrame,
    catalog: Catalog,
    keys: Any,
    at: datetime,
    folder: Path,
    fit: FitTowers,
    warm_start_path: str = "",
) -> Embeddings:
    """Train towers of all users as of a moment and open them."""
    folder.mkdir()
    drawn = sample_sequences(history, as_of=at, share=1.0, seed=1)
    sequences = [(0, to_table(drawn, SEQUENCES))]
    train_towers(
        folder, sequences=sequences, catalog=catalog, keys=keys, warm_start_path=warm_start_path, as_of=at, fit=fit
    )
    return open_embeddings(str(folder))


def pairs_of(plays: pl.DataFrame, users: list[str], num_tracks: int) -> np.ndarray:
    """Return which user played which track, bool [users, tracks]; other users are left out."""
    row = {user: number for number, user in enumerate(users)}
    matrix = np.zeros((len(users), num_tracks), dtype=bool)
    rows = plays.filter(pl.col("user_id").is_in(pl.Series(users).implode())).select("user_id", "track").unique()
    matrix[[row[user] for user in rows["user_id"].to_list()], rows["track"].to_numpy()] = True
    return matrix


def recalls(scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the recall in TOP_K of each user with a target; ties are broken at random."""
    jitter = 1e-6 * np.random.default_rng(3).random(scores.shape)
    top = np.argpartition(-scores - jitter, TOP_K, axis=1)[:, :TOP_K]
    total = wanted.sum(axis=1)
    hits = np.take_along_axis(wanted, top, axis=1).sum(axis=1)
    share: np.ndarray = hits[total > 0] / total[total > 0]
    return share
