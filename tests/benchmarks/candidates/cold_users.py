"""cold_users: recall of the towers for users absent from training and for users with few plays, against popularity."""

import tempfile
from dataclasses import dataclass
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
from transforms.candidates.embedding_sources import popularity_bias
from transforms.catalog.catalog import Catalog
from transforms.embeddings.embeddings import Embeddings
from transforms.embeddings.sequences import latest_sequences
from transforms.events.listening import is_listened

HORIZON, AT_LEAST = timedelta(days=7), 1.2
EVERYTHING = 1_000_000
# all that is known of an unseen user: so many of their latest plays
KNOWN = (EVERYTHING, 5, 3, 1)
OPTIONS = tower_options(RunOptions(events="", output=""))


@dataclass(frozen=True)
class ColdUsers:
    """A sample world; the week before its end holds the targets."""

    world: World
    ends_at: datetime

    def __call__(self) -> Section:
        """Train on every second user and search for the others."""
        about = {"folder": str(self.world.folder), "cutoff": (self.ends_at - HORIZON).isoformat()}
        found = in_child(measure, **about).result
        return Section(
            "cold_users: users absent from training",
            f"A sample world of {self.world.num_users:,} users; towers and counts are of every second user alone,"
            f" {found[0]['users']:,} of the others are tested. Recall@{TOP_K} of the tracks that they play for the"
            f" first time in {HORIZON.days} days, the two towers by themselves. Popularity halves every 14 days.",
            [_figure(row) for row in found],
            [
                Table(
                    f"recall@{TOP_K}",
                    ("known of the user", "two towers", "decayed popularity"),
                    [(row["name"], f"{row['towers']:.4f}", f"{row['popularity']:.4f}") for row in found],
                )
            ],
        )


def _figure(row: dict[str, Any]) -> Figure:
    ratio, (low, high) = row["towers"] / row["popularity"], row["interval"]
    measured = f"{ratio:.2f}x, difference {low:+.4f} to {high:+.4f} (95 %, by user)"
    name = f"two towers / decayed popularity, {row['name']}"
    return Figure(name, measured, f"at least {AT_LEAST:g}x", ratio >= AT_LEAST, "")


def measure(folder: str, cutoff: str) -> list[dict[str, Any]]:
    """Return the recall of towers and of popularity, by the number of plays known of a user."""
    at = datetime.fromisoformat(cutoff)
    log = Log.read(folder, at + HORIZON)
    is_seen = pl.col("user_id").to_physical() % 2 == 0
    seen, unseen = log.plays.filter(is_seen, pl.col("known_at") < at), log.plays.filter(~is_seen)
    history, coming = unseen.filter(pl.col("known_at") < at), unseen.filter(is_listened(), pl.col("played_at") >= at)
    with tempfile.TemporaryDirectory() as scratch:
        catalog = log.catalog(seen, at, Path(scratch, "catalog"))
        fit = partial(fit_towers, OPTIONS)
        embeddings = embedded(seen, catalog, log.keys, at, Path(scratch, "towers"), fit)
        return [_compare(history, coming, catalog, embeddings, at, known) for known in KNOWN]


def _compare(
    history: pl.DataFrame, coming: pl.DataFrame, catalog: Catalog, embeddings: Embeddings, at: datetime, known: int
) -> dict[str, Any]:
    newest = history.filter(pl.int_range(pl.len(), 0, -1).over("user_id") <= known)
    ids = newest["user_id"].unique(maintain_order=True).to_list()
    was_played = pairs_of(history, ids, len(catalog.tracks))
    wanted = pairs_of(coming, ids, len(catalog.tracks)) & ~was_played
    popularity = catalog.tracks["popularity"].to_numpy()
    # as the source of candidates orders them
    cosines = embeddings.embed_users(latest_sequences(newest, as_of=at)) @ embeddings.tracks.T
    towers = cosines + popularity_bias(catalog)
    ours, theirs = (
        recalls(np.where(was_played, -np.inf, scores), wanted)
        for scores in (towers, np.broadcast_to(popularity / popularity.max(), towers.shape))
    )
    middle, reach = (ours - theirs).mean(), 1.96 * (ours - theirs).std() / np.sqrt(len(ours))
    return {
        "name": "all plays" if known == EVERYTHING else f"the last {known} plays" if known > 1 else "the last play",
        "users": len(ours),
        "towers": float(ours.mean()),
        "popularity": float(theirs.mean()),
        "interval": (float(middle - reach), float(middle + reach)),
    }
