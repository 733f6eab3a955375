"""new_tracks: recall of a tenth of the tracks that training never saw, for the users who will play them."""

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.towers.contract import NUM_GENRES, NUM_WORDS, TrackContent
from pipelines.learning import fit_towers, tower_options
from pipelines.options.options import RunOptions
from tests.benchmarks.candidates.trained_towers import TOP_K, Log, embedded, pairs_of, recalls
from tests.benchmarks.child_process import in_child
from tests.benchmarks.report import Figure, Section, Table
from tests.benchmarks.worlds import World
from transforms.catalog.catalog import Catalog
from transforms.catalog.track_content import track_content_as_of
from transforms.embeddings.embeddings import Embeddings
from transforms.embeddings.sequences import latest_sequences
from transforms.events.listening import is_listened

HIDDEN_SHARE, HORIZON = 0.1, timedelta(days=7)
MIN_CONTENT_GAIN, MIN_POPULARITY_GAIN, MAX_COST = 2.0, 5.0, 0.02
DEFAULTS = RunOptions(events="", output="")
# name, and whether the towers see no content
WAYS = (("two towers", False), ("two towers, ids only", True))


@dataclass(frozen=True)
class NewTracks:
    """A sample world; the week before its end holds the targets."""

    world: World
    ends_at: datetime

    def __call__(self) -> Section:
        """Train with and without content, and compare."""
        about = {"folder": str(self.world.folder), "cutoff": (self.ends_at - HORIZON).isoformat()}
        found = in_child(measure, **about).result
        new, warm = found["new"], found["warm"]
        ours, blind = "two towers", "two towers, ids only"
        chance = new["popularity"]
        figures = [
            _figure("two towers / nearest content", new[ours] / new["nearest content"], MIN_CONTENT_GAIN),
            _figure("two towers / popularity, which is random here", new[ours] / chance, MIN_POPULARITY_GAIN),
            Figure(
                "two towers with ids only / popularity", f"{new[blind] / chance:.2f}x", "", None, "no vector at all"
            ),
            _figure("known tracks: two towers / ids only", warm[ours] / warm[blind], 1 - MAX_COST),
        ]
        rows = [(name, f"{value:.4f}") for name, value in new.items()]
        rows += [(f"known tracks, {name}", f"{value:.4f}") for name, value in warm.items()]
        return Section(
            "new_tracks: never played in training",
            f"A sample world of {self.world.num_users:,} users; {found['hidden']:,} tracks hidden from history and"
            f" training, {found['targets']:,} of them will be played by {found['users']:,} users. Recall@{TOP_K} among"
            " the hidden tracks, and of known tracks among all that the user has not played.",
            figures,
            [Table(f"recall@{TOP_K}", ("way", "value"), rows)],
        )


def _figure(name: str, ratio: float, target: float) -> Figure:
    return Figure(name, f"{ratio:.2f}x", f"at least {target:g}x", ratio >= target, "")


def measure(folder: str, cutoff: str) -> dict[str, Any]:
    """Return the recall of hidden and of known tracks, by method."""
    at = datetime.fromisoformat(cutoff)
    log = Log.read(folder, at + HORIZON)
    played = log.plays.filter(pl.col("played_at") < at)
    coming = log.plays.filter((pl.col("played_at") >= at) & is_listened())
    hidden = np.random.default_rng(1).random(log.tracks["track_id"].n_unique()) < HIDDEN_SHARE
    history = played.filter(pl.Series(~hidden[played["track"].to_numpy()]))
    with tempfile.TemporaryDirectory() as scratch:
        catalog = log.catalog(history, at, Path(scratch, "catalog"))
        towers = {
            name: _train(log, history, catalog, at, Path(scratch, name), is_blind=is_blind) for name, is_blind in WAYS
        }
        num_plays = catalog.tracks["n_plays"].to_numpy()
        content = track_content_as_of(log.keys, catalog.tracks, num_plays, at.date())
        return _compare(history, coming, hidden, towers, content, at)


def _train(
    log: Log, history: pl.DataFrame, catalog: Catalog, at: datetime, folder: Path, *, is_blind: bool
) -> Embeddings:
    """Train towers with default options; blind towers see no content."""

    def fit(sequences: Any, content: TrackContent, *rest: Any) -> Any:
        return fit_towers(tower_options(DEFAULTS), sequences, _bare(content) if is_blind else content, *rest)

    return embedded(history, catalog, log.keys, at, folder, fit)


def _bare(content: TrackContent) -> TrackContent:
    n = len(content)
    return replace(
        content,
        artist=np.zeros(n, np.int32),
        genres=np.zeros((n, NUM_GENRES), np.int32),
        words=np.zeros((n, NUM_WORDS), np.int32),
        vector=np.zeros((n, 0), np.float32),
        facts=np.zeros((n, 2), np.float32),
    )


def _compare(
    history: pl.DataFrame,
    coming: pl.DataFrame,
    hidden: np.ndarray,
    towers: dict[str, Embeddings],
    content: TrackContent,
    at: datetime,
) -> dict[str, Any]:
    users = latest_sequences(history, as_of=at)
    ids = history["user_id"].unique(maintain_order=True).to_list()
    wanted, was_played = pairs_of(coming, ids, len(hidden)), pairs_of(history, ids, len(hidden))
    liked = _taste(users.tracks, content.vector)
    scores = {
        **{name: tower.embed_users(users) @ tower.tracks.T for name, tower in towers.items()},
        "nearest content": liked @ content.vector.T,
        "popularity": np.random.default_rng(2).random(wanted.shape),
    }
    new = {name: _recall(np.where(hidden, score, -np.inf), wanted & hidden) for name, score in scores.items()}
    unplayed = wanted & ~was_played & ~hidden
    warm = {name: _recall(np.where(was_played | hidden, -np.inf, scores[name]), unplayed) for name in towers}
    of_users = (wanted & hidden).sum(axis=1)
    sizes = {"hidden": int(hidden.sum()), "targets": int(of_users.sum()), "users": int((of_users > 0).sum())}
    return {"new": new, "warm": warm, **sizes}


def _taste(tracks: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the mean content of each user's latest plays."""
    is_there = (tracks >= 0)[..., None]
    return (vectors[tracks] * is_there).sum(axis=1) / np.maximum(is_there.sum(axis=1), 1)


def _recall(scores: np.ndarray, wanted: np.ndarray) -> float:
    return float(recalls(scores, wanted).mean())
