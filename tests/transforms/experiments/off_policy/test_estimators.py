"""Estimators against enumeration of all pages, and against plain loops over requests."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from tests.transforms.experiments.off_policy.tiny_pages import (
    LENGTH,
    Page,
    TinyPolicy,
    choices_of,
    every_page,
    reward_of,
    value,
)
from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.experiments.off_policy.choice_sums import ChoiceSums
from transforms.experiments.off_policy.estimators import (
    cascade_dr,
    item_position_ips,
    logged_value,
    page_ips,
    page_snips,
    reward_model,
    rips,
)
from transforms.experiments.off_policy.schemas import CHOICE_SUMS
from transforms.experiments.off_policy.statistics import BY_PAGE, BY_REPLICATE, CLIPS, SUMMED, clipped_at
from transforms.experiments.off_policy.sum_choices import sum_choices
from transforms.experiments.off_policy.weights import weigh_pages

LOGGING, TARGET = TinyPolicy.random(1), TinyPolicy.random(9)
PAGES = every_page()
EXACT = 2.0**24


def mean_rewards(pages: list[Page]) -> np.ndarray:
    return np.array([[[reward_of(page, at, k) for k in range(LENGTH)] for at in range(LENGTH)] for page in pages])


def expected_sums(choices: pl.DataFrame, p: np.ndarray) -> ChoiceSums:
    """The sums that a log has in the mean, in both halves of the users alike: no draw, no bootstrap."""
    pages = weigh_pages(choices)
    rows = []
    for fold in (0, 1):
        for name, statistic in {**BY_REPLICATE, **SUMMED}.items():
            mean = np.tensordot(p, statistic(pages), axes=1) * EXACT / 2
            for (shelf, place), one in np.ndenumerate(mean):
                rows.append((name, None, shelf, place - 1, fold, [round(one * FIXED_POINT)]))
    for name, of_page in BY_PAGE.items():
        rows.append((name, None, -1, -1, 0, [round(float(p @ of_page(pages)) * EXACT * FIXED_POINT)]))
    return ChoiceSums(pl.DataFrame(rows, CHOICE_SUMS.frame().schema, orient="row"))


@pytest.fixture(scope="module")
def in_the_mean() -> ChoiceSums:
    choices = choices_of(PAGES, LOGGING, TARGET, mean_rewards(PAGES), ["u"] * len(PAGES))
    return expected_sums(choices, np.array([LOGGING.probability(page) for page in PAGES]))


@pytest.mark.parametrize("estimator", [rips, cascade_dr, page_ips, page_snips])
def test_an_estimator_is_the_value_of_the_target_in_the_mean(in_the_mean: ChoiceSums, estimator: object) -> None:
    assert callable(estimator)
    assert estimator(in_the_mean)[0] == pytest.approx(value(TARGET), rel=1e-6)
    assert abs(value(TARGET) / value(LOGGING) - 1) > 0.1


def test_the_log_itself_has_the_value_of_its_policy(in_the_mean: ChoiceSums) -> None:
    assert logged_value(in_the_mean)[0] == pytest.approx(value(LOGGING), rel=1e-6)


def test_item_position_ips_takes_each_card_by_itself(in_the_mean: ChoiceSums) -> None:
    # what stands before a card is as in the log: the mean over logged prefixes of the target's choice after them
    expected = 0.0
    for page in PAGES:
        p, logged, wanted = LOGGING.probability(page), [*LOGGING.choices(page)], [*TARGET.choices(page)]
        ratio = {(at, rank): b / a for (at, rank, a), (_, _, b) in zip(logged, wanted, strict=True)}
        cards = [(at, rank) for at, rank in ratio if rank >= 0]
        expected += p * sum(ratio[at, -1] * ratio[at, rank] * reward_of(page, at, rank) for at, rank in cards)
    assert item_position_ips(in_the_mean)[0] == pytest.approx(expected, rel=1e-6)
    assert item_position_ips(in_the_mean)[0] == pytest.approx(value(TARGET), rel=0.1)


def test_estimators_without_the_reward_model_still_hold(in_the_mean: ChoiceSums) -> None:
    blind = ChoiceSums(in_the_mean.table.filter(pl.col("statistic") != "scored"))
    assert cascade_dr(blind)[0] == pytest.approx(value(TARGET), rel=1e-6)


def drawn_log(num_requests: int) -> tuple[pl.DataFrame, list[Page], np.ndarray]:
    rng = np.random.default_rng(7)
    p = np.array([LOGGING.probability(page) for page in PAGES])
    pages = [PAGES[one] for one in rng.choice(len(PAGES), num_requests, p=p / p.sum())]
    rewards = (rng.random((num_requests, LENGTH, LENGTH)) < mean_rewards(pages)).astype(float)
    users = sorted(f"u{one % 17}" for one in range(num_requests))
    return choices_of(pages, LOGGING, TARGET, rewards, users), pages, rewards


def test_estimates_of_a_log_equal_plain_loops() -> None:
    choices, pages, rewards = drawn_log(300)
    sums = ChoiceSums(sum_choices(choices, made="page", num_replicates=5, seed=1))
    num, alone, page_weight, page_reward = len(pages), 0.0, 0.0, 0.0
    # by largest weight and place
    weight_sums, weighted = Counter[tuple[float, int, int]](), Counter[tuple[float, int, int]]()
    for page, reward in zip(pages, rewards, strict=True):
        ratios = {
            (at, rank): b / a
            for (at, rank, a), (_, _, b) in zip(LOGGING.choices(page), TARGET.choices(page), strict=True)
        }
        for at in range(LENGTH):
            shelves = np.prod([ratios[one, -1] for one in range(at + 1)])
            for rank in range(LENGTH):
                weight = shelves * np.prod([ratios[at, one] for one in range(rank + 1)])
                for most in (np.inf, *CLIPS):
                    weight_sums[most, at, rank] += min(weight, most)
                    weighted[most, at, rank] += min(weight, most) * reward[at, rank]
                alone += ratios[at, -1] * ratios[at, rank] * reward[at, rank]
        whole = np.prod(list(ratios.values()))
        page_weight += whole
        page_reward += whole * reward.sum()
    expected = {
        most: sum(weighted[one] / weight_sums[one] for one in weighted if one[0] == most) for most in (np.inf, *CLIPS)
    }
    assert rips(sums)[0] == pytest.approx(expected[np.inf], rel=1e-4)
    for most in CLIPS:
        assert rips(sums, clipped_at(most))[0] == pytest.approx(expected[most], rel=1e-4)
    assert expected[10.0] != pytest.approx(expected[100.0], rel=1e-3), "weights above 10 matter in this log"
    assert item_position_ips(sums)[0] == pytest.approx(alone / num, rel=1e-4)
    assert page_ips(sums)[0] == pytest.approx(page_reward / num, rel=1e-4)
    assert page_snips(sums)[0] == pytest.approx(page_reward / page_weight, rel=1e-4)
    assert logged_value(sums)[0] == pytest.approx(rewards.sum() / num, rel=1e-6)


def test_the_reward_model_is_the_least_squares_fit_of_what_comes_from_a_choice_on(in_the_mean: ChoiceSums) -> None:
    rewards = mean_rewards(PAGES)
    choices = choices_of(PAGES, LOGGING, TARGET, rewards, ["u"] * len(PAGES))
    score = choices.filter((pl.col("shelf_position") == 1) & (pl.col("position") == 0))["score"].to_numpy()
    p = np.array([LOGGING.probability(page) for page in PAGES])
    slope, intercept = np.polyfit(score, rewards[:, 1].sum(axis=1), 1, w=np.sqrt(p))
    assert reward_model(in_the_mean, (1, 0), 0) == pytest.approx((intercept, slope), rel=1e-4)


def test_halves_of_the_users_have_models_of_their_own() -> None:
    sums = ChoiceSums(sum_choices(drawn_log(300)[0], made="page", num_replicates=5, seed=1))
    assert reward_model(sums, (0, 0), 0) != reward_model(sums, (0, 0), 1)
    assert min(sums.of("choices", (0, 0), fold)[0] for fold in (0, 1)) > 50
