"""What was shown further up was played more often: a planted bias, and what is learned beside it."""

import dataclasses

import numpy as np
import pytest

from models.metrics import auc, log_loss
from models.ranker.contract import Examples
from models.ranker.ranker import RankingModel, Scales
from models.ranker.serving import TensorFlowRanker
from models.ranker.training import learn_scales, train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, NoCheckpoints, in_chunks, planted_examples, rows_of

ROWS, SHELF = 60_000, 10
EXAMINED = 0.7 ** np.arange(SHELF)
UNSHOWN_SCALES = Scales(np.zeros(4, np.float32), np.ones(4, np.float32), np.zeros(2, np.float32), 1.0)


def on_shelves(rows: int, seed: int) -> tuple[Examples, np.ndarray]:
    """Shelves that a policy drew by a feature that means nothing: examples of plays, and what would be played.

    The eye goes down a shelf and stops; what it does not reach is not played.
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


def unknown_places(examples: Examples) -> Examples:
    nothing = {name: np.zeros(len(examples), np.int32) for name in ("position", "shelf_position", "surface")}
    return Examples({**examples.features, **nothing}, examples.label, examples.group)


def trained(examples: Examples, later: Examples) -> TensorFlowRanker:
    given = in_chunks(examples, 20_000), in_chunks(later, 20_000)
    return train_dcn(*given, SPEC, OPTIONS, lambda _: None, NoCheckpoints())


def test_what_stood_further_up_is_not_taken_for_liked() -> None:
    (examples, _), (later, _), (judging, liked) = (on_shelves(ROWS // part, part) for part in (1, 2, 3))
    unbiased = trained(examples, later).score(judging.features)[:, 0]
    biased = trained(unknown_places(examples), unknown_places(later)).score(judging.features)[:, 0]
    # seen: AUC .70 and .65, correlation .19 and .57
    noise = judging.features["dense"][:, 2]
    assert np.corrcoef(noise, biased)[0, 1] > 0.45 > 0.3 > abs(np.corrcoef(noise, unbiased)[0, 1])
    assert auc(liked, unbiased) > auc(liked, biased) + 0.03
    # a chance is of a play at a place that nobody knows, not of a play at the first
    assert unbiased.mean() == pytest.approx(judging.label[:, 0].mean(), abs=0.02)


def test_scores_do_not_ask_how_a_track_was_shown() -> None:
    examples, _ = on_shelves(2_000, 4)
    model = RankingModel(SPEC, OPTIONS, UNSHOWN_SCALES)
    for table in model.exposure:
        table.assign(np.ones_like(table.numpy()))
    part = rows_of(examples, slice(50))
    exported = TensorFlowRanker(SPEC, model.exported(SPEC))
    np.testing.assert_array_equal(exported.score(part.features), exported.score(unknown_places(part).features))
    features = {name: array for name, array in part.features.items()}
    assert float(model.compute_loss((features, part.label))) != float(
        model.compute_loss((dict(unknown_places(part).features), part.label))
    )
    # three tables of ones add 3 to each logit, and nothing where nothing is known
    assert (np.asarray(model._bias(features)) == 3).all()
    assert (np.asarray(model._bias(unknown_places(part).features)) == 0).all()


def test_what_was_shown_seldom_counts_more_and_all_that_was_shown_as_before() -> None:
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


def test_inverse_propensities_make_up_for_what_was_hardly_shown() -> None:
    """A policy shows what it likes; a model too small for the truth is right where it was shown, or everywhere."""
    rng = np.random.default_rng(6)
    examples = planted_examples(ROWS, 6)
    chance = np.where(examples.features["dense"][:, 1] > 0, 0.9, 0.1).astype(np.float32)
    kept = rows_of(examples, rng.random(ROWS) < chance)
    seldom = kept.features["dense"][:, 1] <= 0
    propensity = np.where(seldom, 0.1, 0.9).astype(np.float32)
    shown = Examples({**kept.features, "propensity": propensity}, kept.label, kept.group)
    model = RankingModel(SPEC, OPTIONS, learn_scales(in_chunks(shown, 9_000), SPEC, OPTIONS))
    weights = np.asarray(model._importance(propensity))
    # as much of each half as there is of it
    assert weights[seldom].sum() / weights.sum() == pytest.approx(
        (examples.features["dense"][:, 1] <= 0).mean(), abs=0.02
    )
    assert weights.mean() == pytest.approx(1, abs=1e-5) and log_loss(kept.label[:, 0], np.full(len(kept), 0.5)) > 0
