"""The sample ratio: whether the arms have the shares of users that were planned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

# A smaller p-value says that users were lost in one arm more than in another: nothing else of the data can be trusted.
SAMPLE_RATIO_P = 0.001


@dataclass(frozen=True)
class SampleRatio:
    """Users of each arm against the planned shares; p: of a chi-square test of all arms."""

    stage: str
    users: tuple[int, ...]
    expected: tuple[float, ...]
    p: float

    @property
    def is_mismatch(self) -> bool:
        """Return whether the arms cannot be compared."""
        return self.p < SAMPLE_RATIO_P


def check_sample_ratio(stage: str, users: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Compare the users of each arm with the planned shares, in any unit; without users p is 1."""
    counts, planned = np.asarray(users, dtype=float), np.asarray(shares, dtype=float)
    expected = counts.sum() * planned / planned.sum()
    distance = float(((counts - expected) ** 2 / expected).sum()) if counts.sum() else 0.0
    p = float(chi2.sf(distance, len(counts) - 1)) if len(counts) > 1 else 1.0
    return SampleRatio(stage, tuple(int(one) for one in users), tuple(expected.tolist()), p)
