"""What a column adds: likelihood of each reward and NDCG of their sum, paired by user, with 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.logistic import sigmoid
from models.metrics import auc, ndcg_of_groups
from pipelines.ranker_study.boosting import NDCG_K, mean_interval
from pipelines.signals.dataset import LabelledCandidates
from transforms.features.rewards import REWARD_WEIGHTS, expected_reward

FEW_PLAYS, FEW_USERS = 20, 10


@dataclass(frozen=True)
class Gain:
    """A mean of paired differences and its 95 % interval; NaN: there is nothing to compare."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Gain":
        """The gain in another unit."""
        return Gain(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class GainEvaluator:
    """Judges log-odds [n, H] of the later rows.

    Likelihood is in shares of what the run explains already: of how much better than the mean rate the learner without
    the column predicts. by_tracks: whether the column is one of tracks; then tracks that share values are drawn
    together, too, and the wider of both intervals holds.
    """

    rows: LabelledCandidates
    heads: Sequence[str]
    by_tracks: bool

    def likelihoods(self, log_odds: np.ndarray) -> np.ndarray:
        """Log-likelihood in nats of each row and reward [n, H]; 0 where it is not settled."""
        labels = np.nan_to_num(self.rows.labels)
        return np.where(self.is_settled, labels * log_odds - np.logaddexp(0, log_odds), 0.0)

    @cached_property
    def is_settled(self) -> np.ndarray:
        """Which labels are known [n, H]."""
        return np.isfinite(self.rows.labels)

    @cached_property
    def weights(self) -> np.ndarray:
        """How much each reward counts [H]: its weight, whichever its sign."""
        return np.array([abs(REWARD_WEIGHTS[name]) for name in self.heads])

    def explained(self, log_odds: np.ndarray) -> np.ndarray:
        """How many nats better than their mean rate log-odds predict each reward [H], all rows together."""
        share = np.nansum(self.rows.labels, axis=0) / np.maximum(1, self.is_settled.sum(axis=0))
        rate = np.clip(share, 1e-9, 1 - 1e-9)
        constant = np.broadcast_to(np.log(rate) - np.log1p(-rate), log_odds.shape)
        return (self.likelihoods(log_odds) - self.likelihoods(constant)).sum(axis=0)

    def likelihood_gain(self, ours: np.ndarray, theirs: np.ndarray, explained: float) -> Gain:
        """Gain of nats by row [n] over others, as a share of `explained`."""
        gains = [self._clustered(ours - theirs, self.rows.user)]
        if self.by_tracks:
            gains.append(self._clustered(ours - theirs, self.rows.track))
        widest = max(gains, key=lambda gain: gain.high - gain.low)
        return widest.times(1 / explained) if explained > 0 else Gain(*(np.nan,) * 3)

    def _clustered(self, differences: np.ndarray, cluster: np.ndarray) -> Gain:
        sums = np.bincount(cluster, differences)
        return Gain(*mean_interval(sums)).times(len(sums))

    def ndcg(self, log_odds: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """NDCG@10 of worth of each user [U] among some rows; NaN for one to whom none of them was worth anything."""
        score = expected_reward(dict(zip(self.heads, sigmoid(log_odds[chosen]).T, strict=True)))
        values = np.full(self.rows.user.max(initial=-1) + 1, np.nan)
        users = self.rows.user[chosen]
        values[np.unique(users)] = ndcg_of_groups(users, self.worth[chosen], score, NDCG_K)
        return values

    @cached_property
    def worth(self) -> np.ndarray:
        """What each row was worth [n]."""
        return expected_reward(dict(zip(self.heads, np.nan_to_num(self.rows.labels).T, strict=True)))

    def auc(self, log_odds: np.ndarray, head: int) -> float:
        """AUC of one reward."""
        known = self.is_settled[:, head]
        return auc(self.rows.labels[known, head], log_odds[known, head])


def segment_masks(rows: LabelledCandidates, values: np.ndarray) -> Mapping[str, np.ndarray]:
    """In which candidates NDCG is looked at: names and rows."""
    heard, plays = rows.feature("plays_of_track") > 0, rows.feature("user_plays")
    return {
        "all": np.ones(len(rows), dtype=bool),
        "repeats": heard,
        "discoveries": ~heard,
        "new users": plays < FEW_PLAYS,
        "tail tracks": rows.feature("track_users") < np.log1p(10),
        "with a value": np.isfinite(values),
    }


def reward_gains(judge: GainEvaluator, arms: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Of each reward, then of all by their weights: AUC without and with, and gain over `without` and `placebo`."""
    nats = {name: judge.likelihoods(log_odds) for name, log_odds in arms.items()}
    explained = judge.explained(arms["without"])
    rows: list[dict[str, Any]] = []
    for head, name in enumerate(judge.heads):
        gains = {
            other: judge.likelihood_gain(nats["with"][:, head], nats[other][:, head], explained[head])
            for other in ("without", "placebo")
        }
        aucs = {f"auc_{arm}": judge.auc(arms[arm], head) for arm in ("without", "with")}
        rows.append({"reward": name, **aucs, **gains})
    total = {name: values @ judge.weights for name, values in nats.items()}
    gains = {
        other: judge.likelihood_gain(total["with"], total[other], float(explained @ judge.weights))
        for other in ("without", "placebo")
    }
    return [*rows, {"reward": "all by weight", "auc_without": np.nan, "auc_with": np.nan, **gains}]


def segment_gains(judge: GainEvaluator, arms: Mapping[str, np.ndarray], values: np.ndarray) -> list[dict[str, Any]]:
    """NDCG@10 of worth without the column, and what it gains over `without` and `placebo`, by segment."""
    rows = []
    for name, chosen in segment_masks(judge.rows, values).items():
        found = {arm: judge.ndcg(log_odds, chosen) for arm, log_odds in arms.items()}
        users = int(np.isfinite(found["without"]).sum())
        if users < FEW_USERS or (name != "all" and chosen.all()):
            continue
        gains = {other: Gain(*mean_interval(found["with"] - found[other])) for other in ("without", "placebo")}
        rows.append({"segment": name, "users": users, "ndcg": float(np.nanmean(found["without"])), **gains})
    return rows
