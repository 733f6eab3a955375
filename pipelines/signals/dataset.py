"""The examples of a run on which new columns are evaluated, with their labels and the ranker's predictions."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from models.logistic import log_odds
from models.ranker.contract import Ranker
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from transforms.events.user_samples import sample_users
from transforms.features.features import FEATURE_NAMES
from transforms.features.rewards import LABELS, LISTENED, REWARD_NAMES
from transforms.ranking.ranker_files import encode_batch, open_vocabulary
from transforms.ranking.rankers import load_ranker

_UTC_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class LabelledCandidates:
    """The n candidates of some users at one cutoff, sorted by user, with the outcome of each of H rewards.

    heads: names of the H rewards.
    keys: columns user_id, track_id, cutoff_at.
    dense: float32 [n, F], features of the run.
    labels: float32 [n, H], NaN where the outcome is not settled yet.
    log_odds: float64 [n, H], predictions of the run's ranker.
    user, track: int64 [n], codes from 0.
    played_before: float64 [n], 1 if the user played the track within one label window before the cutoff.
    """

    heads: tuple[str, ...]
    keys: pl.DataFrame
    dense: np.ndarray
    labels: np.ndarray
    log_odds: np.ndarray
    user: np.ndarray
    track: np.ndarray
    played_before: np.ndarray

    def __len__(self) -> int:
        """Return n."""
        return len(self.labels)

    def select(self, rows: np.ndarray) -> "LabelledCandidates":
        """Return some of the candidates; `rows`: their indices, or a mask."""
        index = np.arange(len(self))[rows]
        return replace(self, **{name: column[index] for name, column in vars(self).items() if name != "heads"})

    def feature(self, name: str) -> np.ndarray:
        """Return one feature of the run, float32 [n]."""
        return self.dense[:, FEATURE_NAMES.index(name)]

    @property
    def listen_head(self) -> int:
        """Return the index of the reward for listening."""
        return self.heads.index(LISTENED)

    @property
    def listened(self) -> np.ndarray:
        """Return 1 for candidates that the user listened to, else 0: float32 [n]."""
        return np.nan_to_num(self.labels[:, self.listen_head])

    @classmethod
    def from_candidates(
        cls, candidates: pl.DataFrame, ranker: Ranker, codes: tuple[np.ndarray, np.ndarray], label_days: float
    ) -> "LabelledCandidates":
        """Return rows of the tables `features` or `holdout` with the ranker's predictions.

        Args:
            candidates: rows of FEATURE_ROWS, sorted by user.
            ranker: the ranker of the run.
            codes: the ranker's codes of tracks and artists, by row of the run's catalog.
            label_days: length of the label window.
        """
        batch = encode_batch(candidates, codes)
        keys = candidates.select("user_id", pl.col("track_id").cast(pl.String), "cutoff_at")
        labels = candidates.select(LABELS[REWARD_NAMES.index(name)] for name in ranker.spec.heads)
        days_since_played = batch["dense"][:, FEATURE_NAMES.index("days_since_played")]
        return cls(
            heads=tuple(ranker.spec.heads),
            keys=keys,
            dense=batch["dense"],
            labels=labels.cast(pl.Float32).fill_null(float("nan")).to_numpy(),
            log_odds=log_odds(ranker.score(batch)),
            user=keys["user_id"].rank("dense").to_numpy().astype(np.int64) - 1,
            track=keys["track_id"].rank("dense").to_numpy().astype(np.int64) - 1,
            played_before=(days_since_played <= label_days).astype(np.float64),
        )


@dataclass(frozen=True)
class SignalDataset:
    """The candidates of a run on which new columns are evaluated.

    train: examples that the run's ranker was trained on.
    validation: examples of one label window later, on which it was not trained.
    scored: user_id, track_id, cutoff_at of the candidates that the run scored at its own `as_of`; may be empty.
    """

    train: LabelledCandidates
    validation: LabelledCandidates
    scored: pl.DataFrame


def load_dataset(published: PublishedRun, num_users: int, seed: int) -> SignalDataset:
    """Read the examples of a sample of about `num_users` users for each table of a run.

    Raises:
        UsageError: the run trained no ranker, or has no examples.
    """
    manifest = published.manifest
    if "features" not in manifest.tables:
        raise UsageError(f"{published.folder} trained no ranker, so it left no examples to evaluate a signal on")
    path = published.artifact("ranker")
    ranker, codes = load_ranker(path), open_vocabulary(path).rows_of(published.catalog)
    days = float(manifest.options["label_days"])
    train, validation = (
        LabelledCandidates.from_candidates(_sample(published.table(name), num_users, seed), ranker, codes, days)
        for name in ("features", "holdout")
    )
    if not len(train) or not len(validation):
        raise UsageError(f"{published.folder}: it has no examples to train on, or none to evaluate on")
    return SignalDataset(train, validation, _scored_keys(published, num_users, seed))


def _sample(table: pl.LazyFrame, num_users: int, seed: int) -> pl.DataFrame:
    """Return all rows of about `num_users` users, or of all users where the table has fewer."""
    users = table.select(pl.col("user_id").cast(pl.String)).unique(maintain_order=True).collect()
    share = min(1.0, num_users / max(1, len(users)))
    taken = sample_users(users, share, seed)["user_id"].implode()
    return table.with_columns(pl.col("user_id").cast(pl.String)).filter(pl.col("user_id").is_in(taken)).collect()


def _scored_keys(published: PublishedRun, num_users: int, seed: int) -> pl.DataFrame:
    """Return the keys of the candidates that a run scored at its `as_of`."""
    if "candidates" not in published.manifest.tables:
        return pl.DataFrame(schema={"user_id": pl.String, "track_id": pl.String, "cutoff_at": _UTC_TIME})
    as_of = datetime.fromisoformat(published.manifest.as_of)
    table = published.table("candidates").select("user_id", pl.col("track_id").cast(pl.String))
    return _sample(table, num_users, seed).with_columns(pl.lit(as_of).cast(_UTC_TIME).alias("cutoff_at"))
