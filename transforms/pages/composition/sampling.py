"""One choice for each of many users at once: the best option, or a draw whose probability is known exactly."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from transforms.tables.hashing import mix, uniform

# Utility of an option that may not be chosen.
MASKED = -np.inf


class Choice(NamedTuple):
    """The option that each user got, int [U], and the probability with which it was chosen, float64 [U]."""

    option: np.ndarray
    propensity: np.ndarray


class Chooser(Protocol):
    """Makes the choices of composition: which shelf takes a position, and which track the next place on it."""

    def choose(self, utility: np.ndarray, users: np.ndarray, step: int, options: np.ndarray) -> Choice:
        """Choose one option for each of some users.

        utility: float64 [len(users), K], MASKED where an option may not be chosen. step: number of the choice on the
        page. options: int [len(users), K], the shelf instances or candidates that they are; -1: none.
        """


@dataclass(frozen=True)
class ChoiceSampler:
    """Choices for users (uint64 keys [U]) at one temperature; equal keys and steps give equal draws."""

    keys: np.ndarray
    temperature: float

    def choose(self, utility: np.ndarray, users: np.ndarray, step: int, options: np.ndarray) -> Choice:
        """Choose one option for each of some users, whatever they are; see Chooser."""
        draws = uniform_draws(self.keys[users], step) if self.temperature else np.zeros(len(users))
        return sample_choice(utility, self.temperature, draws)


def sample_choice(utility: np.ndarray, temperature: float, draws: np.ndarray) -> Choice:
    """Choose one option of each user by utility [U, K], given uniform draws in [0, 1) [U].

    At least one option of each user is not MASKED. Temperature 0 takes the largest utility, of equal ones the first.
    Otherwise an option is drawn with a probability proportional to exp(utility / temperature): one step of the
    Plackett-Luce model (Luce 1959; Plackett 1975). Sums run from left to right, so masked columns at the end change no
    bit.
    """
    if temperature == 0:
        return Choice(utility.argmax(axis=1), np.ones(len(utility)))
    weight = choice_weights(utility, temperature)
    below = weight.cumsum(axis=1)
    total = below[:, -1]
    # a product that rounds up to the total would leave no option
    mark = np.minimum(draws * total, np.nextafter(total, 0))
    option = (below > mark[:, None]).argmax(axis=1)
    return Choice(option, np.take_along_axis(weight, option[:, None], axis=1)[:, 0] / total)


def choice_weights(utility: np.ndarray, temperature: float) -> np.ndarray:
    """Return the weight of each option [U, K], to which its probability is proportional; 0 for those MASKED."""
    if temperature == 0:
        return np.asarray(np.arange(utility.shape[1]) == utility.argmax(axis=1)[:, None], dtype=np.float64)
    return np.asarray(np.exp((utility - utility.max(axis=1, keepdims=True)) / temperature))


def uniform_draws(keys: np.ndarray, step: int) -> np.ndarray:
    """Return a number in [0, 1) for the key (uint64) of each user at a step, float64 [U]."""
    with np.errstate(over="ignore"):
        return uniform(mix(keys + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15)))
