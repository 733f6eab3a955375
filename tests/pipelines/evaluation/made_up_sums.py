"""SUMS of made-up values, one for each user."""

import numpy as np
import polars as pl

from pipelines.evaluation.estimates import Estimates
from transforms.evaluation.bootstrap import replicate_weights, sum_replicates
from transforms.evaluation.matched_lists import EVERYONE
from transforms.evaluation.measure_lists import USER_TOTAL
from transforms.evaluation.schemas import SUMS
from transforms.tables.columns import fill_columns
from transforms.tables.hashing import mix

NUM_USERS = 300


def sums_of(values: dict[tuple[str, str, str], np.ndarray], first_user: int = 0) -> pl.DataFrame:
    """SUMS of values by (system, metric, targets), one a user."""
    users = np.arange(NUM_USERS)
    weights = replicate_weights(mix((users + first_user).astype(np.uint64)), 200)
    kinds = {targets for _, _, targets in values}
    rows = {**{("", USER_TOTAL, kind): np.ones(NUM_USERS) for kind in kinds}, **values}
    frames = [
        {"system": key[0], "metric": key[1], "targets": key[2], "segment": EVERYONE, "values": sums[0].tolist()}
        for key, value in rows.items()
        for sums in [sum_replicates(value[:, None], weights)]
    ]
    return fill_columns(SUMS.frame(frames), SUMS)


def ndcg(system: str, targets: str = "all") -> tuple[str, str, str]:
    return (system, "ndcg@10", targets)


def constant_estimates(values: dict[tuple[str, str, str], float]) -> Estimates:
    """Estimates of one cutoff at which all users have the same values."""
    return Estimates.from_cutoffs([sums_of({key: np.full(NUM_USERS, one) for key, one in values.items()})], 0.95)
