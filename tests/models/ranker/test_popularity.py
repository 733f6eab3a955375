import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from models.logistic import fit_logistic
from models.metrics import auc
from models.ranker.contract import Examples
from models.ranker.popularity import POPULARITY_PRIOR, POPULARITY_PRIOR_WEIGHT, fit_popularity_ranker
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, rows_of


@pytest.mark.parametrize("intercept", [-7.0, -1.0, 0.0, 3.0])
@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.5, 6.0])
def test_finds_the_most_probable_parameters(intercept: float, slope: float) -> None:
    generator = np.random.default_rng(5)
    drawn = generator.normal(size=2_000)
    # standardised, as the baseline does
    x = (drawn - drawn.mean()) / drawn.std()
    label = (generator.random(2_000) < 1 / (1 + np.exp(-intercept - slope * x))).astype(np.float32)

    def surprise(weights: np.ndarray) -> float:
        logit = weights[0] + weights[1] * x
        prior = (weights[0] ** 2 + (weights[1] - 1) ** 2) / 2
        return float(prior - np.where(label == 1, -np.logaddexp(0, -logit), -np.logaddexp(0, logit)).sum())

    expected = minimize(surprise, [0.0, 1.0]).x
    slope_and_intercept = fit_logistic(x[:, None], label, POPULARITY_PRIOR, POPULARITY_PRIOR_WEIGHT)
    np.testing.assert_allclose(slope_and_intercept[::-1], expected, atol=1e-3)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_prefers_popular_tracks_where_nothing_can_be_learned(label: int, rows: int, holdout: Examples) -> None:
    examples = rows_of(holdout, slice(rows))
    one_label = dataclasses.replace(examples, label=np.full((rows, 2), label, np.float32))
    ranker = fit_popularity_ranker(in_chunks(one_label, 100), SPEC, OPTIONS)
    scores = ranker.score(holdout.features)[:, 0]
    assert np.isfinite(scores).all()
    by_popularity = np.argsort(holdout.features["dense"][:, 0], kind="stable")
    assert (np.diff(scores[by_popularity]) >= 0).all()
    assert ranker.slope > 0


def test_separable_examples_have_a_finite_answer() -> None:
    x = np.linspace(-1, 1, 1000)
    slope, intercept = fit_logistic(x[:, None], (x > 0).astype(np.float32), POPULARITY_PRIOR, POPULARITY_PRIOR_WEIGHT)
    assert abs(intercept) < 0.1 and 5 < slope < 100


def test_chunks_do_not_matter(holdout: Examples) -> None:
    whole = fit_popularity_ranker(in_chunks(holdout, 20_000), SPEC, OPTIONS)
    assert fit_popularity_ranker(in_chunks(holdout, 999), SPEC, OPTIONS) == whole


def test_ranks_as_its_feature_does(holdout: Examples) -> None:
    ranker = fit_popularity_ranker(in_chunks(holdout, 20_000), SPEC, OPTIONS)
    scores, played = ranker.score(holdout.features)[:, 0], holdout.label[:, 0]
    assert auc(played, scores) == pytest.approx(auc(played, holdout.features["dense"][:, 0]), abs=1e-4)
    assert scores.mean() == pytest.approx(played.mean(), abs=1e-3)


def test_an_unknown_feature_is_refused(holdout: Examples) -> None:
    with pytest.raises(ValueError, match="no dense feature 'fame' among popularity, wave, noise, base"):
        fit_popularity_ranker(in_chunks(holdout, 20_000), SPEC, dataclasses.replace(OPTIONS, popularity="fame"))


def test_predicts_the_main_head_wherever_it_stands(holdout: Examples) -> None:
    swapped = dataclasses.replace(SPEC, heads=SPEC.heads[::-1])
    examples = dataclasses.replace(holdout, label=np.ascontiguousarray(holdout.label[:, ::-1]))
    ranker = fit_popularity_ranker(in_chunks(examples, 20_000), swapped, OPTIONS)
    expected = fit_popularity_ranker(in_chunks(holdout, 20_000), SPEC, OPTIONS)
    assert ranker == expected and ranker.spec.heads == ("played",)
