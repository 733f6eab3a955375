"""The contract of a Ranker, held by every ranker, fresh and loaded."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.ranker.contract import Examples, FeatureSpec, Ranker
from models.ranker.serving import load_saved_ranker
from tests.models.ranker.planted import SPEC, batch_of


@pytest.fixture(scope="module", params=["trained", "popularity"])
def fresh(request: pytest.FixtureRequest) -> Ranker:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def folder(fresh: Ranker, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ranker")
    fresh.save(str(path))
    return str(path)


@pytest.fixture(params=["fresh", "loaded"])
def ranker(request: pytest.FixtureRequest, fresh: Ranker, folder: str) -> Ranker:
    return fresh if request.param == "fresh" else load_saved_ranker(folder, fresh.spec)


def test_gives_a_float32_chance_a_row_and_reward(ranker: Ranker, holdout: Examples) -> None:
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
    chances = ranker.score(holdout.features)
    for head in range(len(ranker.spec.heads)):
        assert chances[:, head].mean() == pytest.approx(np.nanmean(holdout.label[:, head]), abs=0.03)


def test_unknown_ids_and_extreme_features_have_a_score(ranker: Ranker, holdout: Examples) -> None:
    ids = {name: np.zeros_like(holdout.features[name]) for name in ("track", "artist", "recent")}
    unknown = ranker.score({**holdout.features, **ids})
    extreme = ranker.score({**holdout.features, "dense": np.full_like(holdout.features["dense"], -3e38)})
    assert np.isfinite(unknown).all() and np.isfinite(extreme).all()


def test_comes_back_from_disk_bit_for_bit(fresh: Ranker, folder: str, holdout: Examples) -> None:
    loaded = load_saved_ranker(folder)
    assert loaded.spec == fresh.spec == dataclasses.replace(SPEC, heads=fresh.spec.heads)
    np.testing.assert_array_equal(loaded.score(holdout.features), fresh.score(holdout.features))


def test_a_loaded_ranker_can_be_saved(folder: str, holdout: Examples, tmp_path: Path) -> None:
    loaded = load_saved_ranker(folder)
    loaded.save(str(tmp_path / "copy"))
    again = load_saved_ranker(str(tmp_path / "copy"))
    np.testing.assert_array_equal(again.score(holdout.features), loaded.score(holdout.features))


def test_refuses_a_batch_of_other_features(ranker: Ranker, holdout: Examples) -> None:
    narrow = {**holdout.features, "dense": holdout.features["dense"][:, :2]}
    with pytest.raises(ValueError, match=r"dense is float32 \(20000, 2\); expected float32 \(20000, 4\)"):
        ranker.score(narrow)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (dataclasses.replace(SPEC, dense=("popularity", "wave", "chance")), "only the model has the feature 'noise'"),
        (dataclasses.replace(SPEC, num_tracks=999), "num_tracks is 200 in the model, 999 in the data"),
        (dataclasses.replace(SPEC, heads=("saved",)), "the rewards are played.* in the model, saved in the data"),
    ],
)
def test_loading_names_what_differs(folder: str, expected: FeatureSpec, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_saved_ranker(folder, expected)
