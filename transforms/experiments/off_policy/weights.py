"""Importance weights of the choices of logged pages: alone, of all choices down to each, and of whole pages."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

# Larger weights are cut: a log in which one matters is refused, see refusals.py.
MAX_WEIGHT = 10_000.0
_PAGE = ["user_id", "request"]
# The choices that the target makes; the others stay as they were logged.
ChoicesMade = Literal["page", "shelves", "items"]


def with_choices_made(choices: pl.DataFrame, made: ChoicesMade) -> pl.DataFrame:
    """Return LOGGED_CHOICES in which the choices that the target does not make have probability 1 in log and target."""
    if made == "page":
        return choices
    is_kept = (pl.col("position") < 0) if made == "items" else (pl.col("position") >= 0)
    return choices.with_columns(
        propensity=pl.when(is_kept).then(1.0).otherwise("propensity"),
        target_propensity=pl.when(is_kept).then(1.0).otherwise("target_propensity"),
        target_unlogged=pl.when(is_kept & pl.col("target_unlogged").is_not_null())
        .then(0.0)
        .otherwise("target_unlogged"),
    )


def lacks_propensity() -> pl.Expr:
    """Return whether the log does not tell the probability of a choice that the target may make."""
    return pl.col("propensity").is_null() & (pl.col("target_propensity").fill_null(0.0) > 0)


def usable_requests(choices: pl.DataFrame) -> pl.DataFrame:
    """Keep the requests of which every propensity is known that matters."""
    return choices.filter(~lacks_propensity().any().over(_PAGE))


@dataclass(frozen=True)
class WeighedPages:
    """Q logged pages as arrays [Q, S, 1 + K]: shelves, and on each its own choice (0) and those of its tracks.

    is_there: bool, a logged choice. is_open: bool, one that the target makes too. is_random: bool, of a logging
    probability below 1. ratio: of its probabilities, target to log. alone: its ratio times that of its shelf.
    weight, before: product of the ratios of the choices down to it, with it and without it: of the shelves above, its
    own shelf, and the tracks before it on that. score, target_score: see LOGGED_CHOICES, 0 where unknown. has_score:
    bool. reward: of a track. ahead: sum of the rewards from a choice on: of its shelf's tracks, or, of a shelf, of all
    shelves from it on. unlogged: see LOGGED_CHOICES, NaN: unknown. page: float64 [Q], the weight of the whole page.
    """

    is_there: np.ndarray
    is_open: np.ndarray
    is_random: np.ndarray
    ratio: np.ndarray
    alone: np.ndarray
    weight: np.ndarray
    before: np.ndarray
    score: np.ndarray
    target_score: np.ndarray
    has_score: np.ndarray
    reward: np.ndarray
    ahead: np.ndarray
    unlogged: np.ndarray
    page: np.ndarray


def weigh_pages(choices: pl.DataFrame) -> WeighedPages:
    """Compute the weights of LOGGED_CHOICES of whole requests, in order of request and place."""
    page = choices.select(pl.struct(_PAGE).rle_id()).to_series().to_numpy()
    at = page, choices["shelf_position"].to_numpy(), choices["position"].to_numpy() + 1
    shape = tuple(int(one.max(initial=0)) + 1 for one in at)

    def spread(name: str, empty: float) -> np.ndarray:
        dense = np.full(shape, empty)
        dense[at] = choices[name].fill_null(np.nan).to_numpy()
        return dense

    is_there = np.zeros(shape, dtype=bool)
    is_there[at] = True
    logged, target = spread("propensity", 1.0), spread("target_propensity", 1.0)
    is_open = is_there & np.isfinite(target)
    # a choice without a probability in the log has none under the target either
    ratio = np.where(is_open, np.nan_to_num(target) / np.where(np.isfinite(logged), logged, 1.0), 1.0)
    ratio = np.where(is_there & ~is_open, 0.0, ratio)
    weight, before = _prefix_weights(ratio)
    alone = np.concatenate([ratio[:, :, :1], ratio[:, :, :1] * ratio[:, :, 1:]], axis=2)
    score, target_score = spread("score", np.nan), spread("target_score", np.nan)
    has_score = is_open & np.isfinite(score) & np.isfinite(target_score)
    reward = np.nan_to_num(spread("outcome", 0.0))
    return WeighedPages(
        is_there,
        is_open,
        is_there & np.isfinite(logged) & (logged < 1),
        np.minimum(ratio, MAX_WEIGHT),
        np.minimum(alone, MAX_WEIGHT),
        weight,
        before,
        np.nan_to_num(score),
        np.nan_to_num(target_score),
        has_score,
        reward,
        _rewards_ahead(reward),
        spread("target_unlogged", np.nan),
        np.minimum(ratio.reshape(len(ratio), -1).prod(axis=1), MAX_WEIGHT),
    )


def _prefix_weights(ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of the ratios down to each choice, with it and without it."""
    shelves = ratio[:, :, 0].cumprod(axis=1)
    above = np.concatenate([np.ones((len(ratio), 1)), shelves[:, :-1]], axis=1)
    tracks = shelves[:, :, None] * ratio[:, :, 1:].cumprod(axis=2)
    weight = np.concatenate([shelves[:, :, None], tracks], axis=2)
    before = np.concatenate([above[:, :, None], weight[:, :, :-1]], axis=2)
    return np.minimum(weight, MAX_WEIGHT), np.minimum(before, MAX_WEIGHT)


def _rewards_ahead(reward: np.ndarray) -> np.ndarray:
    """Return the sum of rewards from each choice on."""
    tracks = reward[:, :, :0:-1].cumsum(axis=2)[:, :, ::-1]
    of_shelf = reward.sum(axis=2)
    shelves = of_shelf[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.concatenate([shelves[:, :, None], tracks], axis=2)
