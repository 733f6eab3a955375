"""Sums of arms made from users' values."""

import numpy as np

from transforms.experiments.inference.estimates import PRODUCTS, ArmSums


def sums_of(
    y: np.ndarray, m: np.ndarray | None = None, p: np.ndarray | None = None, q: np.ndarray | None = None
) -> ArmSums:
    """Sum integer values of users along the last axis; m and q are 1, and p is 0, where they are absent."""
    ones = np.ones_like(y)
    values = {"y": y, "m": ones if m is None else m, "p": 0 * y if p is None else p, "q": ones if q is None else q}
    products = {name: (values[name[0]] * values[name[1]]).sum(axis=-1) for name in PRODUCTS}
    return ArmSums({"n": ones.sum(axis=-1), **{name: one.sum(axis=-1) for name, one in values.items()}, **products})
