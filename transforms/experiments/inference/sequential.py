"""Group sequential bounds: how large a difference must be at each daily look, for one error rate over all looks.

Alpha is spent by calendar time (Lan and DeMets, Biometrika 1983; Statistics in Medicine 1989): at a fraction t of the
planned time, alpha(t) = 4 - 4 Phi(Phi^-1(1 - alpha / 4) / sqrt(t)) of it may be spent, which is little at first
(O'Brien and Fleming). The correlation of two looks is the square root of the ratio of their information.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

# Nodes of the quadrature per standard deviation of what a look adds, rounded up to multiples of the least number.
_NODES_PER_STEP, _MIN_NODES, _MAX_NODES = 3, 48, 1_536
# A look that adds less than this share of information cannot be told from the one before.
_LEAST_GAIN = 1e-3
_WIDEST = 12.0


def spent_alpha(times: np.ndarray, alpha: float) -> np.ndarray:
    """Return the two-sided alpha that may be spent up to each fraction of the planned time."""
    shares = np.clip(times, 1e-9, 1.0)
    return np.asarray(4 * norm.sf(norm.isf(alpha / 4) / np.sqrt(shares)))


def sequential_bounds(information: Sequence[float], spent: Sequence[float]) -> np.ndarray:
    """Return the bound on |z| of each look, such that `spent` of all null experiments cross one up to it.

    information: of each look, 1 / squared standard error, in any unit. A look that does not add to it has the bound of
    the look before. spent: cumulative alpha of each look.

    The density of the experiments that go on is integrated from look to look (Armitage, McPherson and Rowe, JRSS A
    1969).
    """
    bounds = np.full(len(information), np.inf)
    path = _Path()
    for look, (info, alpha) in enumerate(zip(information, spent, strict=True)):
        if not np.isfinite(info) or info <= path.information * (1 + _LEAST_GAIN):
            bounds[look] = bounds[look - 1] if look else np.inf
            continue
        bounds[look] = path.find_bound(info, alpha)
        path.go_on(info, bounds[look])
    return bounds


def crossing_probability(information: np.ndarray, bounds: np.ndarray, drift: float) -> float:
    """Return the probability that z crosses +bound or -bound at any look.

    drift: expectation of z at the last look.
    """
    path, scale = _Path(), drift / float(information[-1])
    for info, bound in zip(information, bounds, strict=True):
        if info > path.information * (1 + _LEAST_GAIN):
            path.go_on(info, bound, scale * (info - path.information) * np.sqrt(float(information[-1])))
    return 1.0 - path.mass


class _Path:
    """Density of the score (z times the square root of the information) where no bound was crossed yet."""

    def __init__(self) -> None:
        self.information, self.score, self.weight = 0.0, np.zeros(1), np.ones(1)

    @property
    def mass(self) -> float:
        """Return the probability that no bound was crossed."""
        return float(self.weight.sum())

    def find_bound(self, information: float, spent: float) -> float:
        """Return the bound on |z| with which `spent` has crossed up to this look."""
        root, step = np.sqrt(information), np.sqrt(information - self.information)

        def excess(bound: float) -> float:
            outside = ndtr((-bound * root - self.score) / step) + ndtr((self.score - bound * root) / step)
            return float(self.weight @ outside) - (spent - (1.0 - self.mass))

        return float(brentq(excess, 0.0, _WIDEST, xtol=1e-11)) if excess(_WIDEST) < 0 else np.inf

    def go_on(self, information: float, bound: float, drift: float = 0.0) -> None:
        """Move to the look of this information, and keep what lies within its bound; `drift`: of the score."""
        step = np.sqrt(information - self.information)
        edge = min(bound, _WIDEST) * np.sqrt(information)
        number = _MIN_NODES * int(np.ceil(_NODES_PER_STEP * 2 * edge / step / _MIN_NODES))
        node, width = _quadrature(min(number, _MAX_NODES))
        score = node * edge
        away = (score[:, None] - self.score[None, :] - drift) / step
        near = np.exp(-0.5 * away**2) / (step * np.sqrt(2 * np.pi))
        self.score, self.weight, self.information = score, width * edge * (near @ self.weight), information


@lru_cache(maxsize=_MAX_NODES // _MIN_NODES)
def _quadrature(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss and Legendre on [-1, 1]."""
    node, weight = np.polynomial.legendre.leggauss(number)
    return np.asarray(node), np.asarray(weight)
