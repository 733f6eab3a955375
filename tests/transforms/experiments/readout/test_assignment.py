"""Assignment by hash: stable, in the planned shares, disjoint within a layer, independent across layers."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency

from transforms.experiments.inference.sample_ratio import check_sample_ratio
from transforms.experiments.readout.assignment import assign_arms, place_in_layer

USERS = pl.Series([f"u{number}" for number in range(40_000)])
HALVES = {"control": 1.0, "treatment": 1.0}
WHOLE = (0.0, 1.0)


def assigned(
    experiment: str, arms: dict[str, float] = HALVES, layer: str = "home", within: tuple[float, float] = WHOLE
) -> pl.Series:
    return assign_arms(USERS, experiment=experiment, arms=arms, layer=layer, within=within)


def test_an_assignment_is_the_same_everywhere_and_always() -> None:
    """Users keep their arm from release to release: who changes the hash moves all of them."""
    found = assign_arms(USERS[:8], experiment="exp", arms=HALVES, layer="home", within=WHOLE).to_list()
    assert [one[0] for one in found] == list("cccttctc")
    shuffled = USERS.sample(fraction=1.0, shuffle=True, seed=1)
    again = assign_arms(shuffled, experiment="exp", arms=HALVES, layer="home", within=WHOLE)
    by_user = dict(zip(shuffled, again, strict=True))
    assert [by_user[user] for user in USERS] == assigned("exp").to_list()


@pytest.mark.parametrize("arms", [HALVES, {"a": 0.8, "b": 0.15, "c": 0.05}])
def test_arms_have_their_shares(arms: dict[str, float]) -> None:
    counts = dict(assigned("exp", arms).value_counts().rows())
    assert check_sample_ratio("assigned", [counts[arm] for arm in arms], list(arms.values())).p > 0.001


def test_experiments_are_independent_of_each_other() -> None:
    for other in (assigned("other"), assigned("exp", layer="search", within=(0.0, 0.5)).is_not_null()):
        table = (
            pl.DataFrame({"one": assigned("exp"), "other": other}).group_by("one", "other").len().sort("one", "other")
        )
        assert chi2_contingency(table["len"].to_numpy().reshape(2, 2)).pvalue > 0.001


def test_slices_of_a_layer_do_not_overlap_and_fill_it() -> None:
    cuts = [0.0, 0.25, 0.3, 1.0]
    taken = [
        assigned(f"exp{n}", within=(low, high)).is_not_null()
        for n, (low, high) in enumerate(zip(cuts, cuts[1:], strict=False))
    ]
    assert (np.sum([one.to_numpy() for one in taken], axis=0) == 1).all()
    # in each slice the arms have their shares
    counts = assigned("exp0", within=(0.0, 0.25)).drop_nulls().value_counts()["count"].to_list()
    assert sum(counts) == pytest.approx(10_000, abs=400) and check_sample_ratio("", counts, [1, 1]).p > 0.001


def test_layers_are_independent() -> None:
    places = [place_in_layer(USERS, layer) for layer in ("home", "search")]
    assert abs(np.corrcoef(*places)[0, 1]) < 0.02
