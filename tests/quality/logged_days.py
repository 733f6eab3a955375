"""Logged days of softmax policies as choices with what another policy would have chosen, for off-policy estimates.

python -m tests.quality.logged_days prints in how many trials a day's log predicts the next days of another policy.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import polars as pl

from pipelines.sample_world.serving.response import Response
from pipelines.sample_world.serving.serve_day import ServedDay, serve_day
from tests.quality.served_policies import (
    DAY_MS,
    HISTORY_DAYS,
    SoftmaxPolicy,
    draw_candidates,
    draw_pages,
    new_world,
    repeated_in_row,
)
from transforms.evaluation.bootstrap import percentile_interval
from transforms.experiments.off_policy.choice_sums import ChoiceSums
from transforms.experiments.off_policy.estimators import rips
from transforms.experiments.off_policy.refusals import LogChecks
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES
from transforms.experiments.off_policy.sum_choices import sum_choices

RESPONSE = Response(request_share=1.0, start=-1.0)
_AHEAD_DAYS, _REPLICATES = 3, 300
_ERRORS = 1.96


@dataclass(frozen=True)
class Trial:
    """A value by request: as a day's log predicts it, with its interval, and as it came, with its standard error.

    same_day: as it came on the day of the log, in the world of the other policy, with its error.
    """

    low: float
    high: float
    predicted: float
    came: float
    error: float
    same_day: tuple[float, float]
    reasons: list[str]

    @property
    def is_inside(self) -> bool:
        """Return whether what came is within the interval, widened by the chance that is in what came."""
        return self._holds(self.came, self.error)

    @property
    def is_same_day_inside(self) -> bool:
        """Return whether what came on the day of the log is: nothing has changed since then."""
        return self._holds(*self.same_day)

    def _holds(self, came: float, error: float) -> bool:
        """Return whether a mean is in the prediction interval: the variances of both sides add up."""
        return abs(self.predicted - came) <= np.hypot((self.high - self.low) / 2, _ERRORS * error)


def draw_pair(seed: int) -> tuple[SoftmaxPolicy, SoftmaxPolicy, int]:
    """Draw the policy of a log, one that is not far from it, and the day of the log."""
    rng = np.random.default_rng([seed, 11])
    logging = SoftmaxPolicy(rng.uniform(1, 3), rng.uniform(0, 0.5), rng.uniform(-0.5, 0.8))
    taste = logging.taste + rng.normal() * 0.3
    target = SoftmaxPolicy(taste, logging.popularity + rng.normal() * 0.1, logging.known + rng.normal() * 0.2)
    return logging, target, int(rng.integers(1, 6))


def run_trial(seed: int, users: int) -> Trial:
    """Serve two worlds; predict the target's three days after a day from the other policy's log of it."""
    logging, target, day = draw_pair(seed)
    choices, came = None, []
    for policy, last in ((logging, day), (target, day + _AHEAD_DAYS)):
        world = new_world(seed, users)
        for number in range(last + 1):
            rng = np.random.default_rng([seed, 7, number])
            candidates = draw_candidates(rng, world)
            cards = draw_pages(rng, policy, world, candidates)
            before, start = world, world.span[0] + (HISTORY_DAYS + number) * DAY_MS
            world, served = serve_day(
                np.random.default_rng([seed, 8, number, int(policy is target)]), world, cards, RESPONSE, start
            )
            if policy is logging and number == day:
                choices = logged_choices(served, target.scores(before, candidates), candidates)
            if policy is target and number >= day:
                came.append((served.request_user, outcomes_of(served).sum(axis=1)))
    assert choices is not None
    sums = ChoiceSums(sum_choices(choices, made="items", num_replicates=_REPLICATES, seed=1))
    values = rips(sums)
    low, high = percentile_interval(values[1:], 0.95)
    reasons = LogChecks(sums).reasons()
    return Trial(low, high, float(values[0]), *mean_by_user(came[1:]), mean_by_user(came[:1]), reasons)


def mean_by_user(days: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the mean of (user, value) by request, and its standard error: requests of one user are alike."""
    user, value = (np.concatenate(both) for both in zip(*days, strict=True))
    mean = value.mean()
    _, row = np.unique(user, return_inverse=True)
    off = np.bincount(row, value - mean)
    return float(mean), float(np.sqrt((off**2).sum() * len(off) / (len(off) - 1)) / len(value))


def outcomes_of(day: ServedDay) -> np.ndarray:
    """Return whether each card of each request was listened to [R, cards]."""
    heard = np.zeros(len(day.visits.looks.card), dtype=bool)
    from_home = day.look >= 0
    heard[day.look[from_home]] = day.is_listened[from_home]
    return heard.reshape(len(day.visits.session), -1)


def logged_choices(day: ServedDay, score: np.ndarray, candidates: np.ndarray) -> pl.DataFrame:
    """Return LOGGED_CHOICES of a day: one shelf, so that only its tracks are chosen.

    score: of the candidates [U, C] by the target.
    """
    num_requests, user = len(day.visits.session), day.request_user
    card = day.visits.looks.card.reshape(num_requests, -1)
    track, length = day.cards.track[card], card.shape[1]
    own = candidates[user]
    weight = np.where(repeated_in_row(own), 0.0, np.exp(score[user] - score[user].max(axis=1, keepdims=True)))
    target = np.zeros(track.shape)
    for place in range(length):
        is_chosen = own == track[:, place, None]
        target[:, place] = (weight * is_chosen).sum(axis=1) / weight.sum(axis=1)
        weight = np.where(is_chosen, 0.0, weight)

    def with_shelf(values: np.ndarray, shelf: float) -> np.ndarray:
        return np.concatenate([np.full((num_requests, 1), shelf), values], axis=1).ravel()

    tracks = pl.Series(with_shelf(track.astype(float), np.nan)).fill_nan(None).cast(pl.Int64).cast(pl.String)
    rows = pl.DataFrame(
        {
            "request": np.repeat(np.arange(num_requests), length + 1),
            "position": np.tile(np.arange(-1, length, dtype=np.int32), num_requests),
            "propensity": with_shelf(day.cards.propensity[card], 1.0),
            "target_propensity": with_shelf(target, 1.0),
            "outcome": with_shelf(outcomes_of(day), 0.0),
        }
    ).with_columns(
        pl.Series("user_id", np.repeat(user, length + 1)).cast(pl.String).str.zfill(9),
        pl.lit(datetime(2026, 1, 1, tzinfo=timezone.utc)).dt.cast_time_unit("us").alias("shown_at"),
        pl.Series("track_id", tracks),
        pl.lit(None, pl.Float64).alias("score"),
        pl.lit(None, pl.Float64).alias("target_score"),
        shelf_id=pl.lit("made_for_you"),
        shelf_position=pl.lit(0, pl.Int32),
        target_unlogged=pl.lit(0.0),
    )
    return LOGGED_CHOICES.conform(rows)


def main(num_trials: int, users: int) -> None:
    """Print every trial, and how many are inside."""
    told = []
    for seed in range(num_trials):
        one = run_trial(seed, users)
        said = "; ".join(one.reasons) or ("inside" if one.is_inside else "outside")
        came = f"came {one.came:.3f}, and {one.same_day[0]:.3f} on the day itself"
        print(f"{one.predicted:.3f} ({one.low:.3f} to {one.high:.3f}), {came}: {said}", flush=True)
        told += [] if one.reasons else [one]
    inside, same_day = sum(one.is_inside for one in told), sum(one.is_same_day_inside for one in told)
    print(f"{inside} of {len(told)} inside, {same_day} on the day itself; {num_trials - len(told)} refused")
    print(f"from the day to the three after it: {np.mean([one.came / one.same_day[0] - 1 for one in told]):+.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30, 3_000)
