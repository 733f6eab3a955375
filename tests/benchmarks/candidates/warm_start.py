"""warm_start: towers of the next day, new and warm-started: cost, recall, and how far neighbours move."""

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.learning import fit_towers, tower_options
from pipelines.options.options import RunOptions
from tests.benchmarks.candidates.trained_towers import TOP_K, Log, embedded, pairs_of, recalls
from tests.benchmarks.child_process import in_child
from tests.benchmarks.report import Figure, Section, Table
from tests.benchmarks.worlds import World
from transforms.embeddings.embeddings import Embeddings, read_embeddings_report
from transforms.embeddings.sequences import latest_sequences
from transforms.events.listening import is_listened

DAY, HORIZON = timedelta(days=1), timedelta(days=7)
NEAREST = 20
# of tracks with fewer plays nearly nothing is known, and neighbours move for nothing
LEAST_PLAYS = 5
OPTIONS = tower_options(RunOptions(events="", output=""))
ANOTHER_SEED = OPTIONS.seed + 1


@dataclass(frozen=True)
class WarmStart:
    """A sample world; the second day is a week before its end, and the first towers are from the day before."""

    world: World
    ends_at: datetime

    def __call__(self) -> Section:
        """Train, continue, compare."""
        about = {"folder": str(self.world.folder), "today": (self.ends_at - HORIZON).isoformat()}
        found = in_child(measure, **about).result
        ways, kept = found["ways"], found["kept"]
        new, continued = ways["today, new"], ways["today, continued"]
        low, high = found["interval"]
        figures = [
            Figure("time, continued / new", f"{continued['seconds'] / new['seconds']:.2f}x", "", None, ""),
            Figure("examples, continued / new", f"{continued['examples'] / new['examples']:.2f}x", "", None, ""),
            Figure(
                f"recall@{TOP_K} of tracks new to a user in the next {HORIZON.days} days, continued / new",
                f"{continued['recall'] / new['recall']:.3f}x, difference {low:+.4f} to {high:+.4f} (95 %, by user)",
                "",
                None,
                "",
            ),
        ]
        costs = [
            (name, f"{way['seconds']:.1f} s", f"{way['examples']:,}", way["losses"], f"{way['recall']:.4f}")
            for name, way in ways.items()
        ]
        return Section(
            "warm_start: towers continued from the day before",
            f"A sample world of {self.world.num_users:,} users, {found['tracks']:,} tracks with {LEAST_PLAYS} plays or"
            f" more. New towers learn in {OPTIONS.num_epochs} epochs from the factorised neighbours, continued ones in"
            f" {OPTIONS.num_warm_epochs}. Neighbours kept: of the {NEAREST} tracks nearest to a track, those that are"
            " still among them.",
            figures,
            [
                Table("Towers", ("towers", "time", "examples", "loss of each epoch", f"recall@{TOP_K}"), costs),
                Table("Neighbours kept", ("from, to", "share"), [(name, f"{kept[name]:.3f}") for name in kept]),
            ],
        )


def measure(folder: str, today: str) -> dict[str, Any]:
    """Train the towers of two days, and those of the first day once more."""
    now = datetime.fromisoformat(today)
    log = Log.read(folder, now + HORIZON)
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (_Day.of(log, at, Path(scratch, f"{at:%d}")) for at in (now - DAY, now))
        _embed(first, "unused")  # the first training of a process compiles
        from_new = partial(_embed, warm_start_path=str(first.folder / "new"))
        made = {
            "the day before, new": _embed(first, "new"),
            "the day before, another seed": _embed(first, "seed", seed=ANOTHER_SEED),
            "the day before, continued": from_new(first, "continued"),
            "today, new": _embed(second, "new"),
            "today, continued": from_new(second, "continued"),
            "today, as of the day before": from_new(second, "kept", num_warm_epochs=0),
        }
        found = {name: _found(log, now, embeddings) for name, (embeddings, _) in made.items()}
        rows = np.flatnonzero(first.catalog.tracks["n_plays"].to_numpy() >= LEAST_PLAYS)
        near = {name: _nearest(embeddings, rows) for name, (embeddings, _) in made.items()}
        before = near.pop("the day before, new")
        difference = found["today, continued"] - found["today, new"]
        reach = 1.96 * difference.std() / np.sqrt(len(difference))
        return {
            "tracks": len(rows),
            "ways": {name: {**cost, "recall": float(found[name].mean())} for name, (_, cost) in made.items()},
            "kept": {f"the day before, new -> {name}": _kept(before, after) for name, after in near.items()},
            "interval": (float(difference.mean() - reach), float(difference.mean() + reach)),
        }


@dataclass(frozen=True)
class _Day:
    """Inputs of a run on one day."""

    log: Log
    at: datetime
    history: pl.DataFrame
    catalog: Any
    folder: Path

    @staticmethod
    def of(log: Log, at: datetime, folder: Path) -> "_Day":
        history = log.plays.filter(pl.col("known_at") < at)
        return _Day(log, at, history, log.catalog(history, at, folder / "catalog"), folder)


def _embed(day: _Day, name: str, warm_start_path: str = "", **changes: Any) -> tuple[Embeddings, dict[str, Any]]:
    """Train towers; return them and their cost."""
    fit = partial(fit_towers, replace(OPTIONS, **changes))
    start = time.perf_counter()
    embeddings = embedded(day.history, day.catalog, day.log.keys, day.at, day.folder / name, fit, warm_start_path)
    seconds = time.perf_counter() - start
    epochs = read_embeddings_report(str(day.folder / name))["epochs"]
    losses = ", ".join(f"{epoch['loss']:.3f}" for epoch in epochs)
    return embeddings, {"seconds": seconds, "examples": sum(epoch["pairs"] for epoch in epochs), "losses": losses}


def _found(log: Log, now: datetime, embeddings: Embeddings) -> np.ndarray:
    """Return the recall, by user, of tracks that they had not played."""
    history = log.plays.filter(pl.col("known_at") < now)
    coming = log.plays.filter((pl.col("played_at") >= now) & is_listened())
    ids = history["user_id"].unique(maintain_order=True).to_list()
    was_played = pairs_of(history, ids, len(embeddings.tracks))
    wanted = pairs_of(coming, ids, len(embeddings.tracks)) & ~was_played
    scores = embeddings.embed_users(latest_sequences(history, as_of=now)) @ embeddings.tracks.T
    return recalls(np.where(was_played, -np.inf, scores), wanted)


def _nearest(embeddings: Embeddings, rows: np.ndarray) -> np.ndarray:
    """Return the nearest tracks of each, without itself: indexes among `rows`, [rows, NEAREST]."""
    vectors = embeddings.tracks[rows]
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]


def _kept(before: np.ndarray, after: np.ndarray) -> float:
    both = np.sort(np.concatenate([before, after], axis=1), axis=1)
    return float((both[:, 1:] == both[:, :-1]).sum() / before.size)
