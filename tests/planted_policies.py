"""Logs of sequential softmaxes over the same items on one shelf, with known values: for estimators and refusals."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tests.worlds import AS_OF
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES

NUM_ITEMS = 40
_GUESS_NOISE = 0.3


@dataclass(frozen=True)
class PlantedWorld:
    """Items that are clicked with a probability of their own, by users who look from the left and leave.

    logged, target: scores of the items [NUM_ITEMS] under both policies; clicks: probability of a click on an item that
    is looked at; stays: probability of looking at the next one. guess: what a ranker thinks of the items.
    """

    logged: np.ndarray
    target: np.ndarray
    clicks: np.ndarray
    stays: float
    guess: np.ndarray
    length: int

    @classmethod
    def draw(cls, seed: int, length: int, shift: float, stays: float = 0.9) -> "PlantedWorld":
        """Draw a world; the target's scores lie `shift` standard deviations from those of the log."""
        rng = np.random.default_rng(seed)
        quality = rng.normal(size=NUM_ITEMS)
        logged = 0.5 * quality + 0.5 * rng.normal(size=NUM_ITEMS)
        target = logged + shift * rng.normal(size=NUM_ITEMS)
        clicks = 1 / (1 + np.exp(3 - quality))
        guess = 1 / (1 + np.exp(3 - quality - _GUESS_NOISE * rng.normal(size=NUM_ITEMS)))
        return cls(logged, target, clicks, stays, guess, length)

    def value(self, num_slates: int = 200_000) -> float:
        """The mean number of clicks on a slate of the target: the mean over drawn slates, without drawing clicks."""
        slates, _ = draw_slates(np.random.default_rng(0), self.target, num_slates, self.length)
        return float((self.clicks[slates] * self.stays ** np.arange(self.length)).sum(axis=1).mean())

    def log(self, seed: int, num_slates: int, slates_per_user: int = 1) -> pl.DataFrame:
        """LOGGED_CHOICES of slates of the logging policy, with what the target would have chosen."""
        rng = np.random.default_rng(seed)
        slates, logged = draw_slates(rng, self.logged, num_slates, self.length)
        looks = rng.random(slates.shape) < np.where(np.arange(self.length) == 0, 1.0, self.stays)
        clicked = looks.cumprod(axis=1) * (rng.random(slates.shape) < self.clicks[slates])
        mean_guess, target = self._under_target(slates)
        n, k = slates.shape
        user = np.arange(n) // slates_per_user
        place = np.tile(np.arange(-1, k), n)
        columns = {
            "propensity": with_shelf(logged, 1.0),
            "target_propensity": with_shelf(target, 1.0),
            "score": with_shelf(self.guess[slates], np.nan),
            "target_score": with_shelf(mean_guess, np.nan),
            "outcome": with_shelf(clicked, 0.0),
        }
        frame = pl.DataFrame({"user": np.repeat(user, k + 1), "request": np.repeat(np.arange(n), k + 1), **columns})
        items = pl.Series(with_shelf(slates.astype(float), np.nan)).fill_nan(None).cast(pl.Int64)
        rows = frame.with_columns(
            pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(9)).alias("user_id"),
            pl.lit(AS_OF).dt.cast_time_unit("us").alias("shown_at"),
            pl.Series("track_id", items.cast(pl.String)),
            pl.Series("position", place, dtype=pl.Int32),
            pl.col("score", "target_score").fill_nan(None),
            shelf_id=pl.lit("shelf"),
            shelf_position=pl.lit(0, pl.Int32),
            target_unlogged=pl.lit(0.0),
        )
        return LOGGED_CHOICES.conform(rows)

    def _under_target(self, slates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean guess under the target at each place, and the target's probability of what is there."""
        weight = np.exp(self.target)
        left = np.tile(weight, (len(slates), 1))
        mean, propensity = np.zeros(slates.shape), np.zeros(slates.shape)
        for place in range(slates.shape[1]):
            item = slates[:, place]
            total = left.sum(axis=1)
            mean[:, place] = left @ self.guess / total
            propensity[:, place] = left[np.arange(len(item)), item] / total
            left[np.arange(len(item)), item] = 0
        return mean, propensity


def with_shelf(values: np.ndarray, of_shelf: float) -> np.ndarray:
    """Return the values of the choices of each slate, that of the shelf first, in one row."""
    return np.concatenate([np.full((len(values), 1), of_shelf), values], axis=1).ravel()


def draw_slates(
    rng: np.random.Generator, score: np.ndarray, num_slates: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw slates by sequential softmaxes: items [n, length], and the probability of each given those before it."""
    order = np.argsort(-(score + rng.gumbel(size=(num_slates, len(score)))), axis=1)
    ordered = np.exp(score)[order]
    left = ordered[:, ::-1].cumsum(axis=1)[:, ::-1]
    return order[:, :length], (ordered / left)[:, :length]
