import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.logistic import fit_logistic


def world(num_rows: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((num_rows, 3)) * np.array([1.0, 10.0, 0.1]) + np.array([0.0, 5.0, 2.0])
    true = np.array([1.0, -0.2, 3.0, -6.0])
    labels = rng.random(num_rows) < 1 / (1 + np.exp(-(inputs @ true[:3] + true[3])))
    return inputs, labels.astype(np.float64), true


def test_it_is_the_librarys_solution() -> None:
    inputs, labels, _ = world()
    ours = fit_logistic(inputs, labels, np.zeros(4), 1e-6)
    scaled = inputs / inputs.std(axis=0)
    theirs = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(scaled, labels)
    assert ours[:3] * inputs.std(axis=0) == pytest.approx(theirs.coef_[0], abs=1e-3)
    assert ours[3] == pytest.approx(theirs.intercept_[0], abs=1e-2)


def test_without_rows_or_evidence_the_prior_stays() -> None:
    prior = np.array([0.5, -1.0, 2.0, -3.0])
    assert fit_logistic(np.empty((0, 3)), np.empty(0), prior, 1.0) == pytest.approx(prior)
    inputs, labels, true = world()
    few = fit_logistic(inputs[:20], labels[:20], prior, 1e6)
    many = fit_logistic(inputs, labels, prior, 1.0)
    assert few == pytest.approx(prior, abs=1e-2)
    assert many[:2] == pytest.approx(true[:2], rel=0.25)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_and_constant_inputs_do_no_harm(label: float) -> None:
    inputs = np.column_stack([np.zeros(500), np.ones(500), np.arange(500.0)])
    found = fit_logistic(inputs, np.full(500, label), np.zeros(4), 1.0)
    share = 1 / (1 + np.exp(-(inputs @ found[:3] + found[3])))
    assert np.isfinite(found).all() and np.abs(share - label).max() < 0.2 and found[0] == 0
