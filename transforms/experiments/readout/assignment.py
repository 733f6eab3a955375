"""Assignment of users to experiments and arms by salted hashes: the same on every machine, without a table of state.

A layer is a set of experiments that must not overlap. Each takes a slice [from, to) of it: the place of a user in a
layer is a hash of both names, so users of two slices are never the same, and layers are independent of each other.
Within an experiment a second hash, salted by the experiment's name, chooses the arm: users who change the slice or the
experiment are shuffled anew, and no earlier treatment of the layer is carried into one arm.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from transforms.tables.hashing import mix, stable_hash, uniform

_LAYER, _ARM = "layer", "arm"


def place_in_layer(user_ids: pl.Series, layer: str) -> np.ndarray:
    """Return the place of each user in a layer: float64 [n], uniform in [0, 1)."""
    return _salted_uniform(user_ids, _LAYER, layer)


def assign_arms(
    user_ids: pl.Series, *, experiment: str, arms: Mapping[str, float], layer: str, within: tuple[float, float]
) -> pl.Series:
    """Return the arm of each user; null: the user is not in the slice `within` of the layer.

    arms: the share of each arm, in any unit, in order.
    """
    edges = np.cumsum(list(arms.values()))
    chosen = np.searchsorted(edges / edges[-1], _salted_uniform(user_ids, _ARM, experiment), side="right")
    place = place_in_layer(user_ids, layer)
    names = pl.Series(list(arms), dtype=pl.String).gather(np.minimum(chosen, len(arms) - 1))
    is_within = pl.Series((place >= within[0]) & (place < within[1]))
    return pl.select(pl.when(is_within).then(names)).to_series()


def _salted_uniform(user_ids: pl.Series, kind: str, salt: str) -> np.ndarray:
    """Hash each user with a salt to [0, 1)."""
    seed = stable_hash(pl.Series([f"{kind}:{salt}"]), seed=0)
    return uniform(mix(stable_hash(user_ids, seed=0) ^ seed))
