import numpy as np
import pytest
from scipy.stats import chisquare

from transforms.experiments.inference.sample_ratio import check_sample_ratio


def test_a_mismatch_of_half_a_point_is_caught() -> None:
    found = check_sample_ratio("exposed", [202_000, 198_000], [1, 1])
    assert found.is_mismatch and found.p == pytest.approx(chisquare([202_000, 198_000]).pvalue, rel=1e-9)
    assert not check_sample_ratio("exposed", [2_020, 1_980], [1, 1]).is_mismatch


@pytest.mark.parametrize("shares", [(1, 1), (0.8, 0.1, 0.1)])
def test_planned_shares_are_seldom_called_a_mismatch(shares: tuple[float, ...]) -> None:
    drawn = np.random.default_rng(1).multinomial(400_000, np.array(shares) / sum(shares), 2_000)
    assert sum(check_sample_ratio("exposed", one.tolist(), shares).is_mismatch for one in drawn) <= 8


def test_nobody_is_no_mismatch() -> None:
    assert check_sample_ratio("assigned", [0, 0], [1, 1]).p == 1.0
