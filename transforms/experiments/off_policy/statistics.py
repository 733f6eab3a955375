"""Statistics of weighed pages, whose sums over requests make all estimates and checks."""

from collections.abc import Callable, Mapping

import numpy as np

from transforms.experiments.off_policy.weights import WeighedPages

Statistic = Callable[[WeighedPages], np.ndarray]
# Largest weights of the sensitivity to clipping.
CLIPS = (10.0, 100.0)


def clipped_at(most: float) -> str:
    """Return the end of the names of statistics of weights of `most` at most."""
    return f" clipped at {most:g}"


def _gain(pages: WeighedPages, most: float = np.inf) -> np.ndarray:
    """Return by how much each choice changes the weight of its prefix: 0 in the mean."""
    return np.where(pages.is_open, np.minimum(pages.weight, most) - np.minimum(pages.before, most), 0.0)


def _score_gain(pages: WeighedPages) -> np.ndarray:
    """Return the score of each choice, weighted, minus what the target expects of it: 0 in the mean."""
    gain = pages.weight * pages.score - pages.before * pages.target_score
    return np.where(pages.has_score, gain, 0.0)


# Of each choice [Q, S, 1 + K], summed over users in every replicate and in each half of the users.
BY_REPLICATE: Mapping[str, Statistic] = {
    "gain": _gain,
    "score gain": _score_gain,
    "weighted reward": lambda pages: pages.weight * pages.reward,
    "reward alone": lambda pages: pages.alone * pages.reward,
    "ratio alone": lambda pages: np.where(pages.is_open, pages.ratio - 1, 0.0),
    "reward": lambda pages: pages.reward,
}
# Of each choice; their sums alone are needed.
SUMMED: Mapping[str, Statistic] = {
    "choices": lambda pages: pages.is_there.astype(np.float64),
    "open": lambda pages: pages.is_open.astype(np.float64),
    "weight": lambda pages: np.where(pages.is_open, pages.weight, 0.0),
    "squared weight": lambda pages: np.where(pages.is_open, pages.weight**2, 0.0),
    "absolute reward": lambda pages: np.abs(pages.reward),
    "unlogged": lambda pages: np.nan_to_num(pages.unlogged),
    "unlogged known": lambda pages: np.isfinite(pages.unlogged).astype(np.float64),
    # the fit of the reward model: what comes from a choice on, by its score
    "scored": lambda pages: pages.has_score.astype(np.float64),
    "score": lambda pages: pages.has_score * pages.score,
    "squared score": lambda pages: pages.has_score * pages.score**2,
    "ahead": lambda pages: pages.is_there * pages.ahead,
    "scored ahead": lambda pages: pages.has_score * pages.ahead,
    "score times ahead": lambda pages: pages.has_score * pages.score * pages.ahead,
    **{
        name + clipped_at(most): statistic
        for most in CLIPS
        for name, statistic in {
            "gain": lambda pages, most=most: _gain(pages, most),
            "weighted reward": lambda pages, most=most: np.minimum(pages.weight, most) * pages.reward,
            "reward alone": lambda pages, most=most: np.minimum(pages.alone, most) * pages.reward,
            "share": lambda pages, most=most: np.where(pages.is_open, pages.weight > most, 0.0),
        }.items()
    },
}
LARGEST = "largest weight"
# Of each page [Q], in every replicate.
BY_PAGE: Mapping[str, Callable[[WeighedPages], np.ndarray]] = {
    "requests": lambda pages: np.ones(len(pages.page)),
    "page weight": lambda pages: pages.page,
    "page reward": lambda pages: pages.page * pages.reward.sum(axis=(1, 2)),
    "random": lambda pages: np.asarray(pages.is_random.any(axis=(1, 2)), dtype=np.float64),
    "squared page weight": lambda pages: pages.page**2,
}
