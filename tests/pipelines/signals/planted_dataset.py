"""A small dataset drawn from a known model, and columns planted in it: useful ones, noise, and leaks.

The ranker knows the probability of a listen in part: it misses the taste of a pair, the mood of a user and the charm of
a track, which are the same at both cutoffs.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.signals.ablation import FeatureAblation
from pipelines.signals.dataset import LabelledCandidates, SignalDataset
from pipelines.signals.findings import ColumnFindings, ColumnValues, SignalStudy
from tests.worlds import AS_OF
from transforms.features.features import FEATURE_NAMES

PAIR, USER, TRACK = ("user_id", "track_id"), ("user_id",), ("track_id",)
HEADS = ("listened", "saved")
NUM_TRACKS, PER_USER = 400, 80
DAYS = timedelta(days=7)


@dataclass(frozen=True)
class PlantedWorld:
    """A dataset, and the parts of the log-odds that the ranker misses: of each pair [n], user [U] and track [T]."""

    dataset: SignalDataset
    taste: np.ndarray
    mood: np.ndarray
    charm: np.ndarray

    def findings(self, kind: str, seed: int = 1) -> ColumnFindings:
        """Return the findings on a planted column."""
        key, train, validation = self.column(kind, seed)
        study = SignalStudy(FeatureAblation(self.dataset, key, num_threads=1), is_timed=True)
        return study.measure(kind, ColumnValues(train, validation, scored=validation))

    def column(self, kind: str, seed: int) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Return a planted column: its key, its values for the training and for the validation rows."""
        rng = np.random.default_rng(seed)
        rows = (self.dataset.train, self.dataset.validation)
        listened = [part.labels[:, 0].astype(float) for part in rows]
        drawn = rng.standard_normal((2, len(self.taste)))
        user, track = rows[0].user, rows[0].track
        by_user, by_track = ([np.bincount(code, y)[code] for y in listened] for code in (user, track))
        lasting = rng.standard_normal(len(self.taste))
        pair_columns = {
            "taste": [self.taste] * 2,
            "taste, half noise": [self.taste + lasting] * 2,
            "pair noise": [lasting] * 2,
            "copy of the label": listened,
            "label under noise": [y + noise for y, noise in zip(listened, drawn, strict=True)],
            "label of a tenth": [np.where(noise > 1.28, y, np.nan) for y, noise in zip(listened, drawn, strict=True)],
            "taste, and the label of a tenth": [
                np.where(noise > 1.28, 3 * y, self.taste) for y, noise in zip(listened, drawn, strict=True)
            ],
            "snapshot of the last week": [listened[1]] * 2,
        }
        user_columns = {
            "mood": [self.mood[user]] * 2,
            "user noise": [rng.standard_normal(len(self.mood))[user]] * 2,
            "listens of the user to come": by_user,
        }
        track_columns = {
            "charm": [self.charm[track]] * 2,
            "track noise": [rng.standard_normal(NUM_TRACKS)[track]] * 2,
            "listens of the track to come": by_track,
        }
        for key, columns in ((PAIR, pair_columns), (USER, user_columns), (TRACK, track_columns)):
            if kind in columns:
                return key, *columns[kind]
        raise KeyError(kind)


def plant_world(seed: int, num_users: int = 250) -> PlantedWorld:
    """Draw a world in which the same pairs are candidates at both cutoffs."""
    rng = np.random.default_rng([seed, num_users])
    user = np.repeat(np.arange(num_users), PER_USER)
    track = np.concatenate([rng.permutation(NUM_TRACKS)[:PER_USER] for _ in range(num_users)])
    known_part = rng.standard_normal(len(user))
    taste, mood, charm = rng.standard_normal(len(user)), rng.standard_normal(num_users), rng.standard_normal(NUM_TRACKS)
    log_odds = -3.2 + 0.7 * known_part
    probability = 1 / (1 + np.exp(-(log_odds + 0.7 * taste + 0.7 * mood[user] + 0.7 * charm[track])))
    activity, popularity = rng.lognormal(3, 1, num_users)[user], rng.lognormal(3, 1, NUM_TRACKS)[track]

    def rows(weeks_ago: int) -> LabelledCandidates:
        before, listened = rng.random((2, len(user))) < probability
        saved = listened & (rng.random(len(user)) < 0.3)
        facts = {
            "blend_score": 1 / (1 + np.exp(-log_odds)),
            "plays_of_track": before,
            "user_plays": activity,
            "track_popularity": popularity,
            "track_users": np.log1p(popularity),
        }
        dense = np.zeros((len(user), len(FEATURE_NAMES)), np.float32)
        for name, values in facts.items():
            dense[:, FEATURE_NAMES.index(name)] = values
        keys = pl.DataFrame(
            {"user_id": [f"u{one:05}" for one in user], "track_id": [f"t{one:05}" for one in track]}
        ).with_columns(pl.lit(AS_OF - weeks_ago * DAYS).cast(pl.Datetime("us", "UTC")).alias("cutoff_at"))
        labels = np.stack([listened, saved], axis=1).astype(np.float32)
        predicted = np.stack([log_odds, log_odds - 1.2], axis=1)
        return LabelledCandidates(HEADS, keys, dense, labels, predicted, user, track, before.astype(float))

    parts = rows(2), rows(1)
    return PlantedWorld(SignalDataset(*parts, parts[1].keys), taste, mood, charm)


def write_table(folder: Path, name: str = "new.parquet", **columns: object) -> str:
    """Write columns to a Parquet file; return its path."""
    pl.DataFrame(columns).write_parquet(folder / name)
    return str(folder / name)
