import numpy as np
import pytest

from models.logistic import log_odds
from models.ranker.platt import expected_calibration_error, fit_platt


def drawn(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that come true as they say."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(-3, 1.5, rows)
    return logits, (generator.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.float32)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.0), (2.0, 1.5)])
def test_distorted_logits_are_calibrated(slope: float, intercept: float) -> None:
    logits, labels = drawn(200_000)
    found = fit_platt((logits - intercept) / slope, labels)
    assert found == pytest.approx((slope, intercept), abs=0.06)


def test_unsettled_labels_do_not_count_in_calibration() -> None:
    logits, labels = drawn(5_000)
    wrong = np.concatenate([labels, np.full(5_000, np.nan, np.float32)])
    assert fit_platt(np.tile(logits, 2), wrong) == fit_platt(logits, labels)
    assert fit_platt(logits, np.full(5_000, np.nan)) == (1.0, 0.0)


def test_the_calibration_error_is_the_distance_from_the_true_probabilities() -> None:
    logits, labels = drawn(100_000)
    probabilities = 1 / (1 + np.exp(-logits))
    assert expected_calibration_error(labels, probabilities) < 0.004
    assert expected_calibration_error(labels, probabilities + 0.1) == pytest.approx(0.1, abs=0.004)
    assert expected_calibration_error(labels, np.full(100_000, labels.mean())) < 0.01
    settled = np.where(np.arange(100_000) % 2, np.nan, labels)
    assert expected_calibration_error(settled, probabilities + 0.1) == pytest.approx(0.1, abs=0.006)
    assert np.isnan(expected_calibration_error(np.array([np.nan]), np.array([0.5])))


def test_few_rows_are_one_bin() -> None:
    labels, probabilities = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.8, 0.9])
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.0)


def test_log_odds_stay_finite() -> None:
    assert log_odds(np.array([0.5, 0.0, 1.0])) == pytest.approx([0.0, -16.118, 16.118], abs=1e-3)


def test_a_few_labels_leave_logits_nearly_as_they_are() -> None:
    nothing = np.empty(0)
    assert fit_platt(nothing, nothing) == pytest.approx((1.0, 0.0), abs=1e-6)
    slope, intercept = fit_platt(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert 0.9 < slope < 1.2 and abs(intercept) < 0.1


def test_errors_that_cancel_out_over_all_rows_are_seen_in_bins() -> None:
    probabilities = np.repeat([0.2, 0.8], 1_000)
    labels = np.tile([1.0, 0.0], 1_000)
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.3)
