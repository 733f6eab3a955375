"""The contract of a Ranker, held by every model, fresh and loaded."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.ranker.contract import Examples, Ranker
from models.ranker.entries import BUILT_IN_RANKERS, open_ranker, save_ranker
from models.ranker.entry import RankerModel
from tests.models.ranker.conftest import Train
from tests.models.ranker.planted import SPEC, batch_of


@pytest.fixture(scope="module", params=BUILT_IN_RANKERS, ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> RankerModel:
    return request.param


@pytest.fixture(scope="module")
def fresh(model: RankerModel, train: Train) -> Ranker:
    return train(model)


@pytest.fixture(scope="module")
def folder(model: RankerModel, fresh: Ranker, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("ranker"))
    save_ranker(fresh, model.name, path)
    return path


@pytest.fixture(params=["fresh", "loaded"])
def ranker(request: pytest.FixtureRequest, fresh: Ranker, folder: str) -> Ranker:
    return fresh if request.param == "fresh" else open_ranker(folder, BUILT_IN_RANKERS)


def test_gives_a_float32_probability_for_each_row_and_reward(ranker: Ranker, holdout: Examples) -> None:
    scores = ranker.score(holdout.features)
    assert scores.dtype == np.float32
    assert scores.shape == (len(holdout), len(ranker.spec.heads))
    assert 0 <= scores.min() < scores.max() <= 1


def test_scores_no_rows(ranker: Ranker, holdout: Examples) -> None:
    scores = ranker.score(batch_of(holdout.features, slice(0)))
    assert scores.dtype == np.float32
    assert scores.shape == (0, len(ranker.spec.heads))


@pytest.mark.parametrize("rows", [1, 3, 7, 63, 64, 65, 1000, 7679, 7681, 8191, 8193])
def test_a_score_has_the_same_bits_in_every_batch(ranker: Ranker, holdout: Examples, rows: int) -> None:
    chosen = np.random.default_rng(rows).permutation(len(holdout))[:rows]
    alone = ranker.score(batch_of(holdout.features, chosen))
    np.testing.assert_array_equal(alone, ranker.score(holdout.features)[chosen])


def test_a_score_has_the_same_bits_at_every_position_of_a_block(ranker: Ranker, holdout: Examples) -> None:
    for row in range(8):
        repeated = ranker.score(batch_of(holdout.features, np.repeat(row, 20_000)))
        np.testing.assert_array_equal(repeated, np.broadcast_to(repeated[:1], repeated.shape))


def test_is_calibrated_in_the_large(ranker: Ranker, holdout: Examples) -> None:
    probabilities = ranker.score(holdout.features)
    for head in range(len(ranker.spec.heads)):
        assert probabilities[:, head].mean() == pytest.approx(np.nanmean(holdout.label[:, head]), abs=0.03)


def test_unknown_ids_and_extreme_features_have_a_score(ranker: Ranker, holdout: Examples) -> None:
    ids = {name: np.zeros_like(holdout.features[name]) for name in ("track", "artist", "recent")}
    unknown = ranker.score({**holdout.features, **ids})
    extreme = ranker.score({**holdout.features, "dense": np.full_like(holdout.features["dense"], -3e38)})
    assert np.isfinite(unknown).all() and np.isfinite(extreme).all()


def test_comes_back_from_disk_bit_for_bit(fresh: Ranker, folder: str, holdout: Examples) -> None:
    loaded = open_ranker(folder, BUILT_IN_RANKERS)
    assert loaded.spec == fresh.spec == dataclasses.replace(SPEC, heads=fresh.spec.heads)
    np.testing.assert_array_equal(loaded.score(holdout.features), fresh.score(holdout.features))


def test_a_loaded_ranker_can_be_saved(model: RankerModel, folder: str, holdout: Examples, tmp_path: Path) -> None:
    loaded = open_ranker(folder, BUILT_IN_RANKERS)
    save_ranker(loaded, model.name, str(tmp_path / "copy"))
    again = open_ranker(str(tmp_path / "copy"), BUILT_IN_RANKERS)
    np.testing.assert_array_equal(again.score(holdout.features), loaded.score(holdout.features))


def test_refuses_a_batch_of_other_features(ranker: Ranker, holdout: Examples) -> None:
    narrow = {**holdout.features, "dense": holdout.features["dense"][:, :2]}
    with pytest.raises(ValueError, match=r"dense is float32 \(20000, 2\); expected float32 \(20000, 4\)"):
        ranker.score(narrow)


def test_an_artifact_of_a_model_that_is_gone_is_refused(model: RankerModel, folder: str) -> None:
    others = [one for one in BUILT_IN_RANKERS if one is not model]
    with pytest.raises(
        ValueError, match=f"holds a ranker of the model '{model.name}'; the models are {others[0].name}"
    ):
        open_ranker(folder, others)
