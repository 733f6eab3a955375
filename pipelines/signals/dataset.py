"""What new columns are judged on: a run's candidates of earlier moments, what came of them, what its ranker says."""

from dataclasses import dataclass, fields, replace
from datetime import datetime

import numpy as np
import polars as pl

from models.logistic import log_odds
from models.ranker.contract import Ranker
from pipelines.inputs.published import PublishedRun
from pipelines.learning import load_ranker
from pipelines.options.options import UsageError
from transforms.events.user_samples import sample_users
from transforms.features.features import FEATURE_NAMES
from transforms.features.rewards import LABELS, REWARD_NAMES
from transforms.ranking.ranker_files import encode_batch, open_vocabulary


@dataclass(frozen=True)
class LabelledCandidates:
    """Candidates of n pairs, users in order.

    keys: user_id, track_id, cutoff_at. dense [n, F]; labels, log_odds (what the ranker says) [n, H], NaN: not settled.
    user, track [n]: codes from 0. played_before [n]: 1 if the user played the track in as many days before the cutoff
    the label window has.
    """

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

    def of(self, chosen_rows: np.ndarray) -> "LabelledCandidates":
        """Some of the rows: their places, or a mask."""
        places = np.arange(len(self))[chosen_rows]
        return LabelledCandidates(*(getattr(self, one.name)[places] for one in fields(LabelledCandidates)))

    def feature(self, name: str) -> np.ndarray:
        """A feature of the run."""
        return self.dense[:, FEATURE_NAMES.index(name)]


@dataclass(frozen=True)
class SignalDataset:
    """All that a run left to judge on.

    known: the examples that its ranker learned from. later: those of one label window ago, which it did not. scored:
    user_id, track_id, cutoff_at of the candidates at the moment of the run itself; empty: it scored none.
    """

    heads: tuple[str, ...]
    known: LabelledCandidates
    later: LabelledCandidates
    scored: pl.DataFrame

    def of_first(self) -> "SignalDataset":
        """The same of the first reward alone, listens, which is most of the worth."""
        known, later = (
            replace(rows, labels=rows.labels[:, :1], log_odds=rows.log_odds[:, :1]) for rows in (self.known, self.later)
        )
        return SignalDataset(self.heads[:1], known, later, self.scored)


def load_dataset(published: PublishedRun, num_users: int, seed: int) -> SignalDataset:
    """Read a run's examples of about so many users, drawn by a seed (UsageError: the run trained no ranker)."""
    manifest = published.manifest
    if "features" not in manifest["tables"]:
        raise UsageError(f"{published.folder} trained no ranker, so it left no examples to judge a signal on")
    path = published.artifact("ranker")
    ranker, codes = load_ranker(path), open_vocabulary(path).rows_of(published.catalog)
    days = float(manifest["options"]["label_days"])
    known, later = (
        _rows(_sampled(published.table(name), num_users, seed), ranker, codes, days) for name in ("features", "holdout")
    )
    if not len(known) or not len(later):
        raise UsageError(f"{published.folder}: it has no examples to learn from, or none to judge by")
    return SignalDataset(ranker.spec.heads, known, later, _scored(published, num_users, seed))


def _sampled(table: pl.LazyFrame, num_users: int, seed: int) -> pl.DataFrame:
    """Whole users of a table, at most about so many."""
    users = table.select(pl.col("user_id").cast(pl.String)).unique(maintain_order=True).collect()
    share = min(1.0, num_users / max(1, len(users)))
    taken = sample_users(users, share, seed)["user_id"].implode()
    return table.with_columns(pl.col("user_id").cast(pl.String)).filter(pl.col("user_id").is_in(taken)).collect()


def _scored(published: PublishedRun, num_users: int, seed: int) -> pl.DataFrame:
    as_of = datetime.fromisoformat(published.manifest["as_of"])
    moment = pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("cutoff_at")
    if "candidates" not in published.manifest["tables"]:
        return pl.DataFrame(schema={"user_id": pl.String, "track_id": pl.String, "cutoff_at": pl.Datetime("us", "UTC")})
    table = published.table("candidates").select("user_id", pl.col("track_id").cast(pl.String))
    return _sampled(table, num_users, seed).with_columns(moment)


def _rows(
    frame: pl.DataFrame, ranker: Ranker, codes: tuple[np.ndarray, np.ndarray], label_days: float
) -> LabelledCandidates:
    batch = encode_batch(frame, codes)
    keys = frame.select("user_id", pl.col("track_id").cast(pl.String), "cutoff_at")
    labels = frame.select(LABELS[REWARD_NAMES.index(name)] for name in ranker.spec.heads)
    return LabelledCandidates(
        keys,
        batch["dense"],
        labels.cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        log_odds(ranker.score(batch)),
        keys["user_id"].rank("dense").to_numpy().astype(np.int64) - 1,
        keys["track_id"].rank("dense").to_numpy().astype(np.int64) - 1,
        (batch["dense"][:, FEATURE_NAMES.index("days_since_played")] <= label_days).astype(np.float64),
    )
