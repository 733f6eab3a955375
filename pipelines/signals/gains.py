"""The gain from a new column: likelihood of each reward and NDCG of the expected reward, with 95 % intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from models.logistic import sigmoid
from models.metrics import auc, ndcg_of_groups
from pipelines.ranker_study.boosting import NDCG_K, mean_interval
from pipelines.signals.dataset import LabelledCandidates
from transforms.features.rewards import REWARD_WEIGHTS, expected_reward

_NEW_USER_PLAYS, _TAIL_TRACK_USERS = 20, 10
_MIN_USERS = 10
_ALL_REWARDS, ALL_CANDIDATES = "all by weight", "all"


@dataclass(frozen=True)
class Gain:
    """A mean of paired differences and its 95 % interval; NaN: nothing to compare."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Gain":
        """Return the gain in another unit."""
        return Gain(self.value * factor, self.low * factor, self.high * factor)


class Arms(NamedTuple):
    """Arrays over the validation rows [n, ...], one for each arm of the ablation."""

    without: np.ndarray
    with_column: np.ndarray
    placebo: np.ndarray


@dataclass(frozen=True)
class RewardGain:
    """Gain of likelihood in one reward, against the arm without the column and against its placebo."""

    reward: str
    auc_without: float
    auc_with: float
    without: Gain
    placebo: Gain


@dataclass(frozen=True)
class SegmentGain:
    """Gain of NDCG@10 in one segment, against the arm without the column and against its placebo.

    ndcg: mean without the column over the `users` for whom NDCG is defined.
    """

    segment: str
    users: int
    ndcg: float
    without: Gain
    placebo: Gain


@dataclass(frozen=True)
class GainEvaluator:
    """Computes likelihoods and NDCG of log-odds [n, H] on the validation rows.

    Gains of likelihood are shares of the likelihood explained without the column, over the mean rate of each reward.
    by_tracks: whether values belong to tracks alone. Then the wider of two intervals is taken: of a bootstrap over
    users, and of one over tracks.
    """

    rows: LabelledCandidates
    by_tracks: bool

    def likelihoods(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the log-likelihood of each row and reward [n, H] in nats; 0 where the label is not settled."""
        labels = np.nan_to_num(self.rows.labels)
        return np.where(self.is_settled, labels * log_odds - np.logaddexp(0, log_odds), 0.0)

    @cached_property
    def is_settled(self) -> np.ndarray:
        """Return a mask of the settled labels [n, H]."""
        return np.isfinite(self.rows.labels)

    @cached_property
    def weights(self) -> np.ndarray:
        """Return the absolute weight of each reward [H]."""
        return np.array([abs(REWARD_WEIGHTS[name]) for name in self.rows.heads])

    def explained(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the log-likelihood of each reward [H] over that of its mean rate, in nats, summed over the rows."""
        share = np.nansum(self.rows.labels, axis=0) / np.maximum(1, self.is_settled.sum(axis=0))
        rate = np.clip(share, 1e-9, 1 - 1e-9)
        constant = np.broadcast_to(np.log(rate) - np.log1p(-rate), log_odds.shape)
        return (self.likelihoods(log_odds) - self.likelihoods(constant)).sum(axis=0)

    def likelihood_gain(self, ours: np.ndarray, theirs: np.ndarray, explained: float) -> Gain:
        """Return the gain of one arm's nats [n] over another's, as a share of `explained`."""
        gains = [_clustered_gain(ours - theirs, self.rows.user)]
        if self.by_tracks:
            gains.append(_clustered_gain(ours - theirs, self.rows.track))
        widest = max(gains, key=lambda gain: gain.high - gain.low)
        return widest.times(1 / explained) if explained > 0 else Gain(*(np.nan,) * 3)

    def ndcg(self, log_odds: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return each user's NDCG@10 of the reward over the chosen rows [U]; NaN without a reward among them."""
        score = expected_reward(dict(zip(self.rows.heads, sigmoid(log_odds[chosen]).T, strict=True)))
        values = np.full(self.rows.user.max(initial=-1) + 1, np.nan)
        users = self.rows.user[chosen]
        values[np.unique(users)] = ndcg_of_groups(users, self.reward[chosen], score, NDCG_K)
        return values

    @cached_property
    def reward(self) -> np.ndarray:
        """Return the sum of each row's rewards by weight [n]."""
        return expected_reward(dict(zip(self.rows.heads, np.nan_to_num(self.rows.labels).T, strict=True)))

    def auc(self, log_odds: np.ndarray, head: int) -> float:
        """Return the AUC of one reward over its settled labels."""
        settled = self.is_settled[:, head]
        return auc(self.rows.labels[settled, head], log_odds[settled, head])


def _clustered_gain(differences: np.ndarray, cluster: np.ndarray) -> Gain:
    """Return the sum of the differences [n] with the interval of a bootstrap over clusters [n]."""
    sums = np.bincount(cluster, differences)
    return Gain(*mean_interval(sums)).times(len(sums))


def reward_gains(evaluator: GainEvaluator, log_odds: Arms) -> list[RewardGain]:
    """Return the gain in each reward, then in all rewards by their weights."""
    nats = Arms(*(evaluator.likelihoods(one) for one in log_odds))
    explained = evaluator.explained(log_odds.without)
    gains = []
    for head, name in enumerate(evaluator.rows.heads):
        without, with_column = (evaluator.auc(one, head) for one in (log_odds.without, log_odds.with_column))
        of_head = Arms(*(one[:, head] for one in nats))
        gains.append(RewardGain(name, without, with_column, *_against_both(evaluator, of_head, explained[head])))
    total = Arms(*(one @ evaluator.weights for one in nats))
    of_all = _against_both(evaluator, total, float(explained @ evaluator.weights))
    return [*gains, RewardGain(_ALL_REWARDS, np.nan, np.nan, *of_all)]


def _against_both(evaluator: GainEvaluator, nats: Arms, explained: float) -> tuple[Gain, Gain]:
    """Return the gain over the arm without the column, and over the placebo."""
    without = evaluator.likelihood_gain(nats.with_column, nats.without, explained)
    return without, evaluator.likelihood_gain(nats.with_column, nats.placebo, explained)


def _segment_masks(rows: LabelledCandidates, values: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return a mask of the rows [n] in each segment for which NDCG is computed."""
    played, plays = rows.feature("plays_of_track") > 0, rows.feature("user_plays")
    return {
        ALL_CANDIDATES: np.ones(len(rows), dtype=bool),
        "repeats": played,
        "discoveries": ~played,
        "new users": plays < _NEW_USER_PLAYS,
        "tail tracks": rows.feature("track_users") < np.log1p(_TAIL_TRACK_USERS),
        "with a value": np.isfinite(values),
    }


def segment_gains(evaluator: GainEvaluator, log_odds: Arms, values: np.ndarray) -> list[SegmentGain]:
    """Return the gain in each segment with enough users; a segment that holds all candidates is left out."""
    gains = []
    for name, chosen in _segment_masks(evaluator.rows, values).items():
        ndcg = Arms(*(evaluator.ndcg(one, chosen) for one in log_odds))
        users = int(np.isfinite(ndcg.without).sum())
        if users < _MIN_USERS or (name != ALL_CANDIDATES and chosen.all()):
            continue
        against = (Gain(*mean_interval(ndcg.with_column - other)) for other in (ndcg.without, ndcg.placebo))
        gains.append(SegmentGain(name, users, float(np.nanmean(ndcg.without)), *against))
    return gains
