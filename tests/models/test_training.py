import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.batches import squash
from models.contract import Examples, NothingToLearnError
from models.metrics import auc, log_loss, ndcg_at_k
from models.popularity import PopularityRanker
from models.ranker import DenseScale, RankingModel
from models.serving import TensorFlowRanker
from models.training import learn_scale, train_ranker
from tests.models.planted import OPTIONS, SPEC, in_chunks, planted_examples, rows_of

SHORT = dataclasses.replace(OPTIONS, num_epochs=1)
ROWS = 6_000


def fingerprint(ranker: TensorFlowRanker) -> str:
    return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in ranker.module.weights)).hexdigest()


def train(chunk_rows: int = ROWS, seed: int = SHORT.seed) -> str:
    options = dataclasses.replace(SHORT, seed=seed)
    return fingerprint(train_ranker(in_chunks(planted_examples(ROWS, 1), chunk_rows), SPEC, options, lambda _: None))


@pytest.fixture(scope="module")
def weights() -> str:
    return train()


def test_chunks_do_not_change_a_bit(weights: str) -> None:
    assert train(chunk_rows=777) == weights


def test_another_seed_gives_other_weights_and_leaves_no_trace(weights: str) -> None:
    assert train(seed=8) != weights
    assert train() == weights


def test_a_fresh_process_gives_the_same_bits(weights: str) -> None:
    command = [sys.executable, "-c", f"from {__name__} import train; print(train())"]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip() == weights


def test_learns_taste_and_waves_that_popularity_cannot(
    trained: TensorFlowRanker, popularity: PopularityRanker, holdout: Examples
) -> None:
    ours, theirs = trained.score(holdout.features), popularity.score(holdout.features)
    # Without the interaction of candidate and recent tracks no model gains more than 0.10.
    assert auc(holdout.label, ours) > auc(holdout.label, theirs) + 0.15
    assert log_loss(holdout.label, ours) < log_loss(holdout.label, theirs) - 0.08
    assert ndcg_at_k(holdout.group, holdout.label, ours, 10) > ndcg_at_k(holdout.group, holdout.label, theirs, 10) + 0.1


def test_the_recent_tracks_of_another_user_mislead(trained: TensorFlowRanker, holdout: Examples) -> None:
    others = {**holdout.features, "recent": np.roll(holdout.features["recent"], 1, axis=0)}
    own = auc(holdout.label, trained.score(holdout.features))
    assert auc(holdout.label, trained.score(others)) < own - 0.08


def test_the_order_and_the_padding_of_recent_tracks_do_not_matter(trained: TensorFlowRanker, holdout: Examples) -> None:
    reversed_batch = {**holdout.features, "recent": holdout.features["recent"][:, ::-1]}
    np.testing.assert_allclose(trained.score(reversed_batch), trained.score(holdout.features), atol=1e-5)


def test_unknown_ids_rank_by_what_is_left(
    trained: TensorFlowRanker, popularity: PopularityRanker, holdout: Examples
) -> None:
    ids = {name: np.zeros_like(holdout.features[name]) for name in ("track", "artist", "recent")}
    scores = trained.score({**holdout.features, **ids})
    assert auc(holdout.label, scores) > auc(holdout.label, popularity.score(holdout.features)) + 0.03


def test_logs_every_epoch(trained: TensorFlowRanker, epochs: list[dict[str, float]]) -> None:
    assert [(log["epoch"], log["examples"]) for log in epochs] == [(epoch, 40_000) for epoch in range(5)]
    assert epochs[-1]["loss"] < epochs[0]["loss"] - 0.05


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (lambda label: label < 0, "0 training examples, 0 of them positive"),
        (lambda label: label == 0, "examples, 0 of them positive"),
        (lambda label: label == 1, "both labels are needed"),
    ],
)
def test_one_label_alone_teaches_nothing(kept, message: str, holdout: Examples) -> None:
    examples = rows_of(holdout, kept(holdout.label))
    with pytest.raises(NothingToLearnError, match=message):
        train_ranker(in_chunks(examples, 5_000), SPEC, SHORT, lambda _: None)


def test_the_scale_is_that_of_all_rows(holdout: Examples) -> None:
    constant = {**holdout.features, "dense": holdout.features["dense"].copy()}
    constant["dense"][:, 2] = 5
    examples = Examples(constant, holdout.label, holdout.group)
    scale = learn_scale(in_chunks(examples, 3_000), SPEC)
    squashed = squash(constant["dense"])
    np.testing.assert_allclose(scale.mean, squashed.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scale.deviation[:2], squashed.std(axis=0)[:2], rtol=1e-6)
    assert scale.deviation[2] == 1


def test_the_model_squashes_as_the_scale_was_learned() -> None:
    model = RankingModel(SPEC, SHORT, DenseScale(np.zeros(3, np.float32), np.ones(3, np.float32)))
    dense = np.array([[0, 1e-6, -3], [2.5, -100, 1000]], np.float32)
    np.testing.assert_allclose(model._standardised(dense), squash(dense), rtol=1e-5)
    assert np.abs(model._standardised(np.full((1, 3), 1e30, np.float32))).max() == 8


def test_taste_is_the_mean_embedding_of_the_known_recent_tracks() -> None:
    model = RankingModel(SPEC, SHORT, DenseScale(np.zeros(3, np.float32), np.ones(3, np.float32)))
    recent = np.array([[5, 9, 5, 0, 0, 0], [0, 7, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], np.int32)
    taste = model._taste(recent)
    table = model.tracks.embeddings.numpy()
    expected = [(2 * table[5] + table[9]) / 3, table[7], 0 * table[0]]
    np.testing.assert_allclose(taste, expected, atol=1e-6)
