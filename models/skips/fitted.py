"""FittedSkips: fitted chances of a skip and of a completion."""

from typing import NamedTuple

import numpy as np


class FittedSkips(NamedTuple):
    """Models of outcomes by name: trees as text (empty: not learned), usual rates; the model of order; a report."""

    trees: dict[str, str]
    rates: dict[str, float]
    mean: np.ndarray
    weights: np.ndarray
    intercept: float
    report: dict[str, float]
