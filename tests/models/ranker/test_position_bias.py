"""A planted position bias: tracks further up a shelf are played more often."""

import dataclasses

import numpy as np
import pytest

from models.metrics import auc, log_loss
from models.ranker.contract import Examples
from models.ranker.dcn_v2 import RankingModel, Scales
from models.ranker.serving import TensorFlowRanker
from models.ranker.training import learn_scales, train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, rows_of, training_data

ROWS, SHELF = 60_000, 10
EXAMINED = 0.7 ** np.arange(SHELF)
UNSHOWN_SCALES = Scales(np.zeros(4, np.float32), np.ones(4, np.float32), np.zeros(2, np.float32), 1.0)


def on_shelves(rows: int, seed: int) -> tuple[Examples, np.ndarray]:
    """Return examples of shelves that a policy drew by a meaningless feature, and the labels without position bias.

    A user reads down a shelf and stops; tracks that are not reached are not played.
    """
    examples, rng = planted_examples(rows, seed), np.random.default_rng(seed)
    drawn = examples.features["dense"][:, 2] + rng.gumbel(size=rows)
    order = np.lexsort((-drawn, np.arange(rows) // SHELF))
    shelves = rows_of(examples, order)
    position = np.tile(np.arange(SHELF, dtype=np.int32), rows // SHELF)
    liked = shelves.label.copy()
    played = liked * (rng.random(rows) < EXAMINED[position])[:, None].astype(np.float32)
    shown = {"position": position + 2, "shelf_position": np.full(rows, 2, np.int32), "surface": np.ones(rows, np.int32)}
    return Examples({**shelves.features, **shown}, played, shelves.group), liked[:, 0]


def without_positions(examples: Examples) -> Examples:
    nothing = {name: np.zeros(len(examples), np.int32) for name in ("position", "shelf_position", "surface")}
    return Examples({**examples.features, **nothing}, examples.label, examples.group)


def trained(examples: Examples, validation: Examples) -> TensorFlowRanker:
    return train_dcn(training_data(in_chunks(examples, 20_000), in_chunks(validation, 20_000)), OPTIONS)


def test_position_is_not_mistaken_for_liking() -> None:
    (examples, _), (validation, _), (test, liked) = (on_shelves(ROWS // part, part) for part in (1, 2, 3))
    unbiased = trained(examples, validation).score(test.features)[:, 0]
    biased = trained(without_positions(examples), without_positions(validation)).score(test.features)[:, 0]
    # measured: AUC .70 and .65, correlation .19 and .57
    noise = test.features["dense"][:, 2]
    assert np.corrcoef(noise, biased)[0, 1] > 0.45 > 0.3 > abs(np.corrcoef(noise, unbiased)[0, 1])
    assert auc(liked, unbiased) > auc(liked, biased) + 0.03
    # probabilities are those of a play at an unknown position, not at the first
    assert unbiased.mean() == pytest.approx(test.label[:, 0].mean(), abs=0.02)


def test_scores_do_not_depend_on_impressions() -> None:
    examples, _ = on_shelves(2_000, 4)
    model = RankingModel(SPEC, OPTIONS, UNSHOWN_SCALES)
    for table in model.impression_biases:
        table.assign(np.ones_like(table.numpy()))
    part = rows_of(examples, slice(50))
    exported = TensorFlowRanker(SPEC, model.exported(SPEC))
    np.testing.assert_array_equal(exported.score(part.features), exported.score(without_positions(part).features))
    features = {name: array for name, array in part.features.items()}
    assert float(model.compute_loss((features, part.label))) != float(
        model.compute_loss((dict(without_positions(part).features), part.label))
    )
    # three tables of ones add 3 to each logit, and 0 where the position is unknown
    assert (np.asarray(model._bias(features)) == 3).all()
    assert (np.asarray(model._bias(without_positions(part).features)) == 0).all()


def test_rare_impressions_weigh_more_and_all_impressions_together_as_before() -> None:
    examples, _ = on_shelves(2_000, 5)
    propensity = np.full(len(examples), np.nan, np.float32)
    propensity[:4] = [0.5, 0.25, 0.01, 1.0]
    shown = Examples({**examples.features, "propensity": propensity}, examples.label, examples.group)
    scales = learn_scales(in_chunks(shown, 700), SPEC, OPTIONS)
    weights = np.asarray(RankingModel(SPEC, OPTIONS, scales)._importance(propensity))
    # 2, 4, 100 clipped to 10, 1: their mean is 4.25
    np.testing.assert_allclose(weights[:4] * 4.25, [2, 4, 10, 1], rtol=1e-6)
    assert (weights[4:] == 1).all()
    alike = dataclasses.replace(OPTIONS, min_propensity=1.0)
    scales = learn_scales(in_chunks(shown, 700), SPEC, alike)
    assert (np.asarray(RankingModel(SPEC, alike, scales)._importance(propensity)) == 1).all()


def test_inverse_propensities_compensate_for_rare_impressions() -> None:
    """Weight examples that a policy selected so that both halves of the feature count as in all examples."""
    rng = np.random.default_rng(6)
    examples = planted_examples(ROWS, 6)
    propensities = np.where(examples.features["dense"][:, 1] > 0, 0.9, 0.1).astype(np.float32)
    kept = rows_of(examples, rng.random(ROWS) < propensities)
    seldom = kept.features["dense"][:, 1] <= 0
    propensity = np.where(seldom, 0.1, 0.9).astype(np.float32)
    shown = Examples({**kept.features, "propensity": propensity}, kept.label, kept.group)
    model = RankingModel(SPEC, OPTIONS, learn_scales(in_chunks(shown, 9_000), SPEC, OPTIONS))
    weights = np.asarray(model._importance(propensity))
    # each half weighs as much as its share of all examples
    assert weights[seldom].sum() / weights.sum() == pytest.approx(
        (examples.features["dense"][:, 1] <= 0).mean(), abs=0.02
    )
    assert weights.mean() == pytest.approx(1, abs=1e-5) and log_loss(kept.label[:, 0], np.full(len(kept), 0.5)) > 0
