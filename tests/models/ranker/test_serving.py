import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models._tensorflow import tf
from models.ranker.contract import INPUTS, Examples
from models.ranker.dcn_v2 import RankingModel, batch_signature
from models.ranker.entries import BUILT_IN_RANKERS, open_ranker
from models.ranker.serving import TensorFlowRanker, load_saved_model
from models.ranker.training import learn_scales, shuffled_epoch
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, rows_of


def test_the_saved_model_has_one_signature_on_named_arrays(trained: TensorFlowRanker, tmp_path: Path) -> None:
    trained.save(str(tmp_path))
    signature = load_saved_model(str(tmp_path), SPEC).module.signatures["serving_default"]
    inputs = {
        name: (tensor.dtype.name, tensor.shape.as_list())
        for name, tensor in signature.structured_input_signature[1].items()
    }
    assert inputs == {
        "dense": ("float32", [None, 4]),
        "track": ("int32", [None]),
        "artist": ("int32", [None]),
        "recent": ("int32", [None, 6]),
    }
    assert {name: tensor.shape.as_list() for name, tensor in signature.structured_outputs.items()} == {
        "probability": [None, 2]
    }


@pytest.fixture(scope="module")
def random_model(holdout: Examples, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, TensorFlowRanker]:
    """Return the probabilities of a model with random weights, and the same model saved and loaded."""
    rng, folder = np.random.default_rng(1), str(tmp_path_factory.mktemp("ranker"))
    model = RankingModel(SPEC, OPTIONS, learn_scales(in_chunks(holdout, 9_000), SPEC, OPTIONS))
    model({name: holdout.features[name][:0] for name in INPUTS})
    for weight in model.trainable_variables:
        weight.assign(weight + rng.normal(0, 0.1, weight.shape).astype(np.float32))
    TensorFlowRanker(SPEC, model.exported(SPEC)).save(folder)
    step = tf.function(
        lambda batch: tf.sigmoid(model(batch) * model.platt[0] + model.platt[1]),
        input_signature=[batch_signature(SPEC)],
    )
    return step, load_saved_model(folder, SPEC)


@pytest.mark.parametrize("feature", [*SPEC.dense, "track", "artist", "recent"])
def test_the_saved_model_scores_as_the_trained_one(
    feature: str, random_model: tuple[Any, TensorFlowRanker], holdout: Examples
) -> None:
    """Compare the model in training batches with the saved one in blocks, on a feature that takes all values."""
    (step, saved), part, rng = random_model, rows_of(holdout, slice(3_000)), np.random.default_rng(1)
    features = {name: array.copy() for name, array in part.features.items()}
    if feature in SPEC.dense:
        features["dense"][:, SPEC.dense.index(feature)] = rng.lognormal(0, 4, len(part)) - 1
    else:
        most = SPEC.num_artists if feature == "artist" else SPEC.num_tracks
        features[feature] = rng.integers(0, most + 1, features[feature].shape).astype(np.int32)
    examples = [Examples(features, part.label, part.group)]
    batches = shuffled_epoch(lambda: iter(examples), SPEC, dataclasses.replace(OPTIONS, id_dropout=0.0), 0)
    order = np.random.default_rng((OPTIONS.seed, 0)).permutation(len(part))
    trained = np.concatenate([step({name: batch.features[name] for name in INPUTS}) for batch in batches])
    scored = saved.score(features)
    assert np.ptp(scored) > 0.3 and np.abs(trained - scored[order]).max() < 1e-5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no ranker at .*: spec.json, model.json is missing"),
        ({"spec.json": SPEC.to_json(), "model.json": '{"model": "dcn_v2"}'}, "no ranker at .*: there is no SavedModel"),
        ({"spec.json": SPEC.to_json(), "model.json": '{"model": "bert"}'}, "the model 'bert'; the models are dcn_v2, "),
        ({"spec.json": json.dumps({"version": 99}), "model.json": "{}"}, "not a feature spec of version 2"),
        ({"spec.json": json.dumps({"version": 2, "dense": []}), "model.json": "{}"}, "not a feature spec: it holds"),
    ],
)
def test_a_folder_without_a_ranker_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        open_ranker(str(tmp_path), BUILT_IN_RANKERS)
