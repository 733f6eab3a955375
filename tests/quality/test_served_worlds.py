"""Policies in served worlds: a day's log predicts another policy, and a reward finds what listeners come back to."""

import numpy as np

from tests.quality.logged_days import run_trial
from tests.quality.popularity_feedback import page_coverage
from tests.quality.served_policies import run_contest
from transforms.features.rewards import REWARD_WEIGHTS

NUM_TRIALS, USERS = 10, 3_000
NUM_CONTESTS = 10
RETAINED = "retained_28d"


def test_a_days_log_predicts_the_next_days_of_another_policy() -> None:
    """python -m tests.quality.logged_days has three times as many trials."""
    trials = [run_trial(seed, users=USERS) for seed in range(NUM_TRIALS)]
    told = [trial.is_inside for trial in trials if not trial.reasons]
    assert len(told) >= 8 and sum(told) >= len(told) - 1


def test_a_greedy_policy_narrows_its_pages_and_a_little_exploration_keeps_them_wider() -> None:
    (first, last), (_, explored) = (page_coverage(1, share) for share in (0.0, 0.02))
    assert last < 0.9 * first and explored > 1.1 * last


def test_what_is_kept_tells_more_of_returning_than_what_is_listened_to() -> None:
    contests = [run_contest(seed) for seed in range(NUM_CONTESTS)]
    gaps = [abs(one.returning[0] / one.returning[1] - 1) for one in contests]
    assert np.median(gaps) > 0.02
    kept, default = (
        sum(one.is_right(weights) for one in contests) for weights in ({RETAINED: 1.0}, dict(REWARD_WEIGHTS))
    )
    assert kept >= 7 and kept >= default
