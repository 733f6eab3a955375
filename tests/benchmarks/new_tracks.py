"""new_tracks: a tenth of the tracks is hidden from training; who finds the users that will play them?"""

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from models.tower_contract import NUM_GENRES, NUM_WORDS, TrackContent
from pipelines.learning import fit_towers, tower_options
from pipelines.options import RunOptions
from tests.benchmarks.children import in_child
from tests.benchmarks.report import Figure, Section, Table
from tests.benchmarks.worlds import World
from tests.worlds import MOST, catalog_of
from transforms.catalogs import Catalog
from transforms.clean_events import clean_events, keep_plays
from transforms.co_listening import is_listened
from transforms.collect_tracks import collect_tracks, distinct_tracks
from transforms.columns import to_frame, to_table
from transforms.order_histories import keep_first, order_histories
from transforms.read_tables import read_piece
from transforms.sample_sequences import sample_sequences
from transforms.schemas import EVENT_ROWS, PLAYS
from transforms.sequences import SEQUENCES, latest_sequences
from transforms.track_content import content_at, content_keys
from transforms.tracks import READ_TRACKS
from transforms.train_towers import train_towers
from transforms.vectors import Embeddings, open_embeddings

HIDDEN_SHARE, HORIZON = 0.1, timedelta(days=7)
AT_LEAST_CONTENT, AT_LEAST_CHANCE, MOST_COST = 2.0, 5.0, 0.02
PLACES = 100
DEFAULTS = RunOptions(events="", output="")
# name, whether content is withheld, whether the softmax is corrected
WAYS = (
    ("two towers", False, True),
    ("two towers, ids only", True, True),
    ("two towers, no logQ", False, False),
)


@dataclass(frozen=True)
class NewTracks:
    """A sample world; the week before its end is what is to come."""

    world: World
    ends_at: datetime

    def __call__(self) -> Section:
        """Train with and without content, and compare."""
        about = {"folder": str(self.world.folder), "cut": (self.ends_at - HORIZON).isoformat()}
        found = in_child(measure, **about).result
        new, warm = found["new"], found["warm"]
        ours, blind, no_logq = "two towers", "two towers, ids only", "two towers, no logQ"
        chance = new["popularity"]
        figures = [
            _figure("two towers / nearest content", new[ours] / new["nearest content"], AT_LEAST_CONTENT),
            _figure("two towers / popularity, which is chance", new[ours] / chance, AT_LEAST_CHANCE),
            Figure("two towers with ids only / chance", f"{new[blind] / chance:.2f}x", "", None, "no vector at all"),
            _figure("known tracks: two towers / ids only", warm[ours] / warm[blind], 1 - MOST_COST),
            Figure("known tracks: two towers / no logQ", f"{warm[ours] / warm[no_logq]:.2f}x", "", None, ""),
        ]
        rows = [(name, f"{value:.4f}") for name, value in new.items()]
        rows += [(f"known tracks, {name}", f"{value:.4f}") for name, value in warm.items()]
        return Section(
            "new_tracks: never played in training",
            f"A sample world of {self.world.num_users:,} users; {found['hidden']:,} tracks hidden from history and"
            f" training, {found['targets']:,} of them will be played by {found['users']:,} users. Recall@{PLACES} among"
            " the hidden tracks, and of known tracks among all that the user has not heard.",
            figures,
            [Table(f"recall@{PLACES}", ("way", "value"), rows)],
        )


def _figure(name: str, ratio: float, target: float) -> Figure:
    return Figure(name, f"{ratio:.2f}x", f"at least {target:g}x", ratio >= target, "")


def measure(folder: str, cut: str) -> dict[str, Any]:
    """Recall of hidden and of known tracks, by way."""
    at = datetime.fromisoformat(cut)
    tracks = to_frame(_table(f"{folder}/tracks", READ_TRACKS))
    rows = distinct_tracks(tracks)
    known = collect_tracks(rows)
    codes = known.select("track_id").with_row_index("track").cast({"track": pl.Int32})
    checked = clean_events(
        to_frame(_table(f"{folder}/events", EVENT_ROWS)), as_of=at + HORIZON, track_codes=codes, max_user_events=MOST
    )
    plays = keep_first(order_histories(to_frame(to_table(keep_plays(checked), PLAYS)), max_user_events=MOST))
    heard = plays.filter(pl.col("played_at") < at)
    coming = plays.filter((pl.col("played_at") >= at) & is_listened())
    hidden = np.random.default_rng(1).random(len(codes)) < HIDDEN_SHARE
    history = heard.filter(pl.Series(~hidden[heard["track"].to_numpy()]))
    with tempfile.TemporaryDirectory() as scratch:
        catalog = catalog_of(
            history, tracks, Path(scratch, "catalog"), as_of=at, num_neighbours=RunOptions.num_neighbours
        )
        keys = content_keys(rows, known)
        towers = {
            name: _train(history, catalog, keys, at, Path(scratch, name), is_blind=is_blind, is_logq=is_logq)
            for name, is_blind, is_logq in WAYS
        }
        return _compare(history, coming, hidden, towers, content_at(keys, catalog, at.date()), at)


def _table(folder: str, schema: Any) -> Any:
    paths = [str(path) for path in sorted(Path(folder).glob("*.parquet"))]
    pieces = [(path, group) for path in paths for group in range(pq.ParquetFile(path).num_row_groups)]
    return pa.concat_tables(table for piece in pieces for table in read_piece(*piece, schema=schema, origins={}))


def _train(
    history: pl.DataFrame, catalog: Catalog, keys: Any, at: datetime, folder: Path, *, is_blind: bool, is_logq: bool
) -> Embeddings:
    """Towers with default options but for what is asked; blind ones see no content."""
    options = replace(tower_options(DEFAULTS), is_logq=is_logq)
    folder.mkdir()

    def fit(sequences: Any, content: TrackContent, *rest: Any) -> Any:
        return fit_towers(options, sequences, _bare(content) if is_blind else content, *rest)

    drawn = sample_sequences(history, as_of=at, share=1.0, seed=1)
    sequences = [(0, to_table(drawn, SEQUENCES))]
    train_towers(folder, sequences=sequences, catalog=catalog, keys=keys, earlier="", as_of=at, fit=fit)
    return open_embeddings(str(folder))


def _bare(content: TrackContent) -> TrackContent:
    n = len(content)
    nothing = {"artist": (n,), "genres": (n, NUM_GENRES), "words": (n, NUM_WORDS)}
    zeros = {name: np.zeros(shape, np.int32) for name, shape in nothing.items()}
    return replace(content, **zeros, vector=np.zeros((n, 0), np.float32), facts=np.zeros((n, 2), np.float32))


def _compare(
    history: pl.DataFrame,
    coming: pl.DataFrame,
    hidden: np.ndarray,
    towers: dict[str, Embeddings],
    content: TrackContent,
    at: datetime,
) -> dict[str, Any]:
    users = latest_sequences(history, as_of=at)
    ids = history["user_id"].unique(maintain_order=True)
    place = {user: number for number, user in enumerate(ids.to_list())}
    wanted = np.zeros((len(ids), len(hidden)), dtype=bool)
    rows = coming.filter(pl.col("user_id").is_in(ids.implode())).select("user_id", "track").unique()
    wanted[[place[user] for user in rows["user_id"].to_list()], rows["track"].to_numpy()] = True
    was_heard = np.zeros_like(wanted)
    was_heard[[place[user] for user in history["user_id"].to_list()], history["track"].to_numpy()] = True
    liked = _taste(users.tracks, content.vector)
    scores = {
        **{name: tower.vectors_of(users) @ tower.tracks.T for name, tower in towers.items()},
        "nearest content": liked @ content.vector.T,
        "popularity": np.random.default_rng(2).random(wanted.shape),
    }
    new = {name: _recall(np.where(hidden, score, -np.inf), wanted & hidden) for name, score in scores.items()}
    unheard = wanted & ~was_heard & ~hidden
    warm = {name: _recall(np.where(was_heard | hidden, -np.inf, scores[name]), unheard) for name in towers}
    of_users = (wanted & hidden).sum(axis=1)
    sizes = {"hidden": int(hidden.sum()), "targets": int(of_users.sum()), "users": int((of_users > 0).sum())}
    return {"new": new, "warm": warm, **sizes}


def _taste(tracks: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean content of the latest plays."""
    is_there = (tracks >= 0)[..., None]
    return (vectors[tracks] * is_there).sum(axis=1) / np.maximum(is_there.sum(axis=1), 1)


def _recall(scores: np.ndarray, wanted: np.ndarray) -> float:
    """Mean over users with a target; among equals chance decides."""
    chance = 1e-6 * np.random.default_rng(3).random(scores.shape)
    top = np.argpartition(-scores - chance, PLACES, axis=1)[:, :PLACES]
    total = wanted.sum(axis=1)
    hits = np.take_along_axis(wanted, top, axis=1).sum(axis=1)
    return float((hits[total > 0] / total[total > 0]).mean())
