"""Estimators of the value of a target policy: arithmetic on CHOICE_SUMS, once plain and once in every replicate.

The value is the mean outcome of a request. With w the weight of a choice (the product of the ratios of target and
logging probability of the choices down to it), w' that of the choice before it, r the reward of a card:

- item-position IPS: mean of sum(ratio x r), each card by its own choices alone (Li et al., KDD 2018). Exact where
  what stands before a card changes neither its outcome nor what the policies choose there; varies least.
- RIPS: sum over places of mean(w r) / mean(w), for users who look from above and from the left (McInerney et al.,
  KDD 2020). A page that ends before a place counts with its last weight.
- cascade DR: mean of sum(w r - (w q(choice) - w' E q)), the q of a linear model of the rewards from the choice on by
  the score of the target's ranker; each half of the users has the model that the other half was fitted to (Kiyohara et
  al., WSDM 2022; Chernozhukov et al., 2018). What is subtracted is 0 in the mean, however wrong the model.
- SNIPS and IPS weigh whole pages: diagnostics.
"""

import numpy as np

from transforms.experiments.off_policy.choice_sums import ChoiceSums, Place

_MIN_FITTED = 20
_MIN_VARIANCE = 1e-12


def item_position_ips(sums: ChoiceSums, clip: str = "") -> np.ndarray:
    """Return the estimate by each card's own choices, float64 [1 + R], or [1] where weights are clipped."""
    total = np.sum([sums.of(f"reward alone{clip}", place) for place in sums.cards], axis=0)
    return total / sums.of_page("requests")[: np.size(total)]


def rips(sums: ChoiceSums, clip: str = "") -> np.ndarray:
    """Return the estimate by the choices down to each card, normalised at each place."""
    parts = []
    for place in sums.cards:
        weight = sums.prefix_weight(place, clip)
        reward = sums.of(f"weighted reward{clip}", place)
        parts.append(np.where(weight > 0, reward / np.where(weight > 0, weight, 1.0), 0.0))
    return np.asarray(np.sum(parts, axis=0))


def cascade_dr(sums: ChoiceSums) -> np.ndarray:
    """Return the doubly robust estimate, with reward models that are fitted to the other half of the users."""
    total = np.sum([sums.of("weighted reward", place) for place in sums.cards], axis=0)
    for place in sums.places:
        for fold in (0, 1):
            intercept, slope = reward_model(sums, place, 1 - fold)
            gain, score_gain = sums.of("gain", place, fold), sums.of("score gain", place, fold)
            total = total - intercept * gain - slope * score_gain
    return np.asarray(total / sums.of_page("requests"))


def reward_model(sums: ChoiceSums, place: Place, fold: int) -> tuple[float, float]:
    """Return intercept and slope of the rewards from a choice on, by its score, fitted to one half of the users."""
    names = ("choices", "ahead", "scored", "score", "squared score", "scored ahead", "score times ahead")
    n, ahead, scored, score, squared, scored_ahead, product = (float(sums.of(one, place, fold)[0]) for one in names)
    if scored < max(_MIN_FITTED, n / 2):
        return (ahead / n if n else 0.0), 0.0
    mean, mean_ahead = score / scored, scored_ahead / scored
    variance = squared / scored - mean**2
    slope = (product / scored - mean * mean_ahead) / variance if variance > _MIN_VARIANCE else 0.0
    return mean_ahead - slope * mean, slope


def page_snips(sums: ChoiceSums) -> np.ndarray:
    """Return the mean outcome, weighted by the weights of whole pages."""
    weight = sums.of_page("page weight")
    return np.where(weight > 0, sums.of_page("page reward") / np.where(weight > 0, weight, 1.0), 0.0)


def page_ips(sums: ChoiceSums) -> np.ndarray:
    """Return the mean of the outcome times the weight of the whole page."""
    return np.asarray(sums.of_page("page reward") / sums.of_page("requests"))


def logged_value(sums: ChoiceSums) -> np.ndarray:
    """Return the mean outcome of the log itself."""
    return np.asarray(np.sum([sums.of("reward", place) for place in sums.cards], axis=0) / sums.of_page("requests"))
