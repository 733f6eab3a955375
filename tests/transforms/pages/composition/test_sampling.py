"""One choice of many: the best, or a draw by weight whose probability is stated."""

import numpy as np

from transforms.pages.composition.sampling import MASKED, sample_choice, uniform_draws


def test_a_choice_is_drawn_by_its_weight_and_never_masked() -> None:
    utility = np.tile([np.log(1.0), MASKED, np.log(3.0), -2000.0], (100_000, 1))
    keys = np.arange(100_000, dtype=np.uint64)
    option, propensity = sample_choice(utility, 1.0, uniform_draws(keys, 7))
    assert set(option) == {0, 2} and np.isclose((option == 2).mean(), 0.75, atol=0.006)
    assert np.allclose(propensity, np.where(option == 2, 0.75, 0.25))
    option, _ = sample_choice(utility, 0.5, uniform_draws(keys, 7))
    assert np.isclose((option == 2).mean(), 0.9, atol=0.005)


def test_options_that_are_not_there_change_no_bit() -> None:
    rng = np.random.default_rng(1)
    utility, draws = rng.normal(size=(500, 13)), rng.random(500)
    wider = np.pad(utility, ((0, 0), (0, 9)), constant_values=MASKED)
    for temperature in (0.0, 0.3):
        one, other = sample_choice(utility, temperature, draws), sample_choice(wider, temperature, draws)
        assert (one.option == other.option).all() and (one.propensity == other.propensity).all()


def test_the_last_number_below_one_takes_an_option() -> None:
    option, propensity = sample_choice(np.zeros((1, 3)), 1.0, np.array([np.nextafter(1, 0)]))
    assert option[0] == 2 and propensity[0] > 0
