"""One choice for each of many users at once: the best, or a draw whose probability is known exactly."""

from typing import NamedTuple

import numpy as np

from transforms.tables.hashing import mix, uniform

MASKED = -np.inf


class Choice(NamedTuple):
    """For each user the option taken, int [U], and the probability with which it was, float64 [U]."""

    option: np.ndarray
    propensity: np.ndarray


def sample_choice(utility: np.ndarray, temperature: float, numbers: np.ndarray) -> Choice:
    """Take one option a user by utility [U, K] (CLOSED: not feasible; at least one is), given numbers in [0, 1) [U].

    Temperature 0 takes the largest, of equals the first. Else an option is drawn with a probability proportional to
    exp(utility / temperature), one step of Plackett-Luce (Luce 1959; Plackett 1975). Sums run in order, so options
    that are not there (columns of CLOSED at the end) change no bit.
    """
    if temperature == 0:
        return Choice(utility.argmax(axis=1), np.ones(len(utility)))
    weight = np.exp((utility - utility.max(axis=1, keepdims=True)) / temperature)
    below = weight.cumsum(axis=1)
    total = below[:, -1]
    # a product that rounds up to the total would leave no option
    mark = np.minimum(numbers * total, np.nextafter(total, 0))
    option = (below > mark[:, None]).argmax(axis=1)
    return Choice(option, np.take_along_axis(weight, option[:, None], axis=1)[:, 0] / total)


def uniform_draws(keys: np.ndarray, step: int) -> np.ndarray:
    """A number in [0, 1) for each user's key (uint64) and step."""
    with np.errstate(over="ignore"):
        return uniform(mix(keys + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15)))
