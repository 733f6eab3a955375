"""Distributions of real listening that the sample world draws from.

Source: pooled aggregates of 95 listeners and 2,632,519 plays from 2018 to 2025. A skip is a play under SKIP_MS, a
session ends at a gap of over SESSION_GAP_MINUTES. Figures that the world is only compared with are beside its tests
(tests/pipelines/sample_world/listening_figures.py); comments on constants name those that they are calibrated to.
"""

from dataclasses import dataclass

import numpy as np

from transforms.events.listening import SKIP_MS

SKIP_RATE = 0.3363
NEW_RELEASE_WINDOW_DAYS = 28  # of a new release, from its day on

# Share of a listener's plays in each hour, shifted so that the quietest is hour 4.
HOUR_SHARE = (
    *(0.0286, 0.0179, 0.0093, 0.0061, 0.0051, 0.0059, 0.0091, 0.0215, 0.0348, 0.0445, 0.0537, 0.0605),
    *(0.0629, 0.0662, 0.0665, 0.0669, 0.0637, 0.0642, 0.0618, 0.0581, 0.0550, 0.0517, 0.0472, 0.0390),
)

# ms_played / duration in bins of 0.05: 20 bins up to 1, then 1 to 1.05, then above.
PLAYED_FRACTION = (
    *(0.3167, 0.0329, 0.0180, 0.0130, 0.0115, 0.0107, 0.0104, 0.0094, 0.0093, 0.0087, 0.0084),
    *(0.0086, 0.0085, 0.0082, 0.0080, 0.0086, 0.0088, 0.0096, 0.0126, 0.1925, 0.2765, 0.0093),
)


@dataclass(frozen=True)
class Quantiles:
    """A distribution given by some of its quantiles; log(value + 1) is linear between them."""

    shares: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, share: np.ndarray) -> np.ndarray:
        """Return the value that a `share` of the distribution does not exceed: the inverse of share_below()."""
        return np.expm1(np.interp(share, self.shares, np.log1p(self.values)))

    def share_below(self, value: np.ndarray | float) -> np.ndarray:
        """Return the share of the distribution that does not exceed a value."""
        return np.interp(np.log1p(value), np.log1p(self.values), self.shares)


# The values at 0 and 1 are not in the source: they close the tails.
QUANTILE_SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
SESSION_PLAYS = Quantiles(QUANTILE_SHARES, (1, 1, 1, 1, 4, 11, 27, 54, 80, 162, 400))
REPEAT_DISTANCE = Quantiles(QUANTILE_SHARES, (1, 1, 1, 3, 30, 225, 1194, 3990, 7353, 18700, 40000))
RELEASE_AGE_DAYS = Quantiles(QUANTILE_SHARES, (0, 4, 60, 181, 656, 1840, 3930, 7815, 12513, 18949, 24000))
# Durations of plays up to the skips among them; the point at 10 s is from PLAYED_FRACTION.
MS_PLAYED = Quantiles((0.0, 0.01, 0.05, 0.1, 0.25, 0.31, SKIP_RATE), (0, 0, 630, 1030, 5280, 10_000, SKIP_MS))
