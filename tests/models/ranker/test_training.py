import dataclasses
import hashlib

import numpy as np
import pytest

from models.metrics import auc, log_loss, ndcg_at_k
from models.ranker.batches import signed_log1p
from models.ranker.contract import Examples, NothingToLearnError, Ranker
from models.ranker.dcn_v2 import RankingModel, Scales
from models.ranker.serving import TensorFlowRanker
from models.ranker.training import learn_scales, train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, rows_of, training_data

SHORT = dataclasses.replace(OPTIONS, num_epochs=1)
# enough heads for the order in which their losses are summed to matter
FOUR_HEADS = dataclasses.replace(SPEC, heads=(*SPEC.heads, "missed", "not replayed"))
ROWS = 6_000
PLAIN = Scales(np.zeros(4, np.float32), np.ones(4, np.float32), np.zeros(2, np.float32), 1.0)


def fingerprint(ranker: TensorFlowRanker) -> str:
    return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in ranker.module.weights)).hexdigest()


def train(chunk_rows: int = ROWS, seed: int = SHORT.seed) -> str:
    options = dataclasses.replace(SHORT, seed=seed)
    streams = (in_chunks(four_headed(planted_examples(ROWS, seed)), chunk_rows) for seed in (1, 2))
    return fingerprint(train_dcn(training_data(*streams, spec=FOUR_HEADS), options))


def four_headed(examples: Examples) -> Examples:
    return dataclasses.replace(examples, label=np.column_stack([examples.label, 1 - examples.label]))


def test_neither_chunks_nor_a_training_with_another_seed_change_a_bit(weights: str) -> None:
    assert train(seed=8) != weights
    assert train(chunk_rows=777) == weights


def test_learns_taste_and_waves_unlike_popularity(trained: Ranker, popularity: Ranker, holdout: Examples) -> None:
    by_ranker, by_popularity = trained.score(holdout.features)[:, 0], popularity.score(holdout.features)[:, 0]
    played = holdout.label[:, 0]
    # Without the interaction of candidate and recent tracks no model gains more than 0.10.
    assert auc(played, by_ranker) > auc(played, by_popularity) + 0.15
    assert log_loss(played, by_ranker) < log_loss(played, by_popularity) - 0.08
    ndcg = ndcg_at_k(holdout.group, played, by_ranker, 10)
    assert ndcg > ndcg_at_k(holdout.group, played, by_popularity, 10) + 0.1


def test_recent_tracks_of_another_user_mislead(trained: Ranker, holdout: Examples) -> None:
    others = {**holdout.features, "recent": np.roll(holdout.features["recent"], 1, axis=0)}
    own = auc(holdout.label[:, 0], trained.score(holdout.features)[:, 0])
    assert auc(holdout.label[:, 0], trained.score(others)[:, 0]) < own - 0.08


def test_the_order_and_the_padding_of_recent_tracks_do_not_matter(trained: Ranker, holdout: Examples) -> None:
    reversed_batch = {**holdout.features, "recent": holdout.features["recent"][:, ::-1]}
    np.testing.assert_allclose(trained.score(reversed_batch), trained.score(holdout.features), atol=1e-5)


def test_unknown_ids_rank_by_the_other_features(trained: Ranker, popularity: Ranker, holdout: Examples) -> None:
    ids = {name: np.zeros_like(holdout.features[name]) for name in ("track", "artist", "recent")}
    scores, played = trained.score({**holdout.features, **ids})[:, 0], holdout.label[:, 0]
    assert auc(played, scores) > auc(played, popularity.score(holdout.features)[:, 0]) + 0.03


def test_logs_every_epoch(trained: Ranker, epochs: list[dict[str, float]]) -> None:
    assert [(log["epoch"], log["examples"]) for log in epochs] == [(epoch, 40_000) for epoch in range(5)]
    assert epochs[-1]["loss"] < epochs[0]["loss"] - 0.05
    best = np.minimum.accumulate([log["validation_loss"] for log in epochs])
    assert [log["is_best"] for log in epochs] == [1.0, *(best[1:] < best[:-1])]


def test_stops_after_patience_examples_without_a_better_loss(
    holdout: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[dict[str, float]] = []
    patience = 2
    halves = [rows_of(holdout, holdout.group % 2 == rest) for rest in (0, 1)]
    monkeypatch.setattr("models.ranker.training._PATIENCE", patience * len(halves[0]))
    streams = (in_chunks(half, ROWS) for half in halves)
    train_dcn(training_data(*streams, on_epoch=log.append), dataclasses.replace(OPTIONS, num_epochs=60))
    is_best = [one["is_best"] for one in log]
    assert 2 + patience < len(log) < 60 and is_best[-patience - 1 :] == [1.0, *[0.0] * patience]
    assert "0" * patience not in "".join(f"{one:g}" for one in is_best[:-1])


def test_epochs_with_a_worse_validation_loss_are_not_kept(holdout: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.ranker.training._PATIENCE", 1)
    inverted = dataclasses.replace(holdout, label=1 - holdout.label)
    log: list[dict[str, float]] = []
    streams = in_chunks(rows_of(inverted, slice(ROWS)), ROWS), in_chunks(holdout, ROWS)
    options = dataclasses.replace(OPTIONS, num_epochs=9)
    ranker = train_dcn(training_data(*streams, on_epoch=log.append), options)
    assert len(log) == 2 and not any(one["is_best"] for one in log)
    # the order of the base is left
    base = holdout.features["dense"][:, 3]
    assert auc(holdout.label[:, 0], ranker.score(holdout.features)[:, 0]) == pytest.approx(
        auc(holdout.label[:, 0], base), abs=1e-4
    )


def test_without_validation_examples_the_base_ranks(training: Examples, holdout: Examples) -> None:
    """Without a validation loss no epoch counts as better than the untrained model."""
    examples = in_chunks(rows_of(training, slice(ROWS)), ROWS)
    ranker = train_dcn(training_data(examples, lambda: iter(())), SHORT)
    scores, base = ranker.score(holdout.features)[:, 0], holdout.features["dense"][:, 3]
    assert auc(holdout.label[:, 0], scores) == pytest.approx(auc(holdout.label[:, 0], base), abs=1e-4)


def test_unsettled_labels_do_not_count(training: Examples) -> None:
    """Train a head on its settled labels only, without an effect of the other head."""
    options = dataclasses.replace(SHORT, num_epochs=1)
    unsettled = training.group % 4 == 3
    assert np.isnan(training.label[unsettled, 1]).all() and not np.isnan(training.label[:, 0]).any()
    model = RankingModel(SPEC, options, learn_scales(in_chunks(training, ROWS), SPEC, OPTIONS))
    part = rows_of(training, slice(2_000))

    def loss(label: np.ndarray) -> float:
        return float(model.compute_loss((dict(part.features), label)))

    masked = part.label.copy()
    assert np.isfinite(loss(masked))
    settled = np.isfinite(masked[:, 1])
    model.intercept.assign([0.0, 3.0])
    wrong = loss(masked)
    # with every label of the second head unsettled, its weights make no difference
    masked[:, 1] = np.nan
    without = loss(masked)
    model.intercept.assign([0.0, -3.0])
    assert loss(masked) == pytest.approx(without) and wrong > without + 0.5 and settled.any()


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (lambda label: label < 0, "0 training examples, 0 of them played"),
        (lambda label: label == 0, "examples, 0 of them played"),
        (lambda label: label == 1, "both labels are needed"),
    ],
)
def test_one_label_alone_cannot_train(kept, message: str, holdout: Examples) -> None:
    examples = in_chunks(rows_of(holdout, kept(holdout.label[:, 0])), 5_000)
    with pytest.raises(NothingToLearnError, match=message):
        train_dcn(training_data(examples, in_chunks(holdout, 5_000)), SHORT)


def test_the_scales_are_those_of_all_rows(holdout: Examples) -> None:
    constant = {**holdout.features, "dense": holdout.features["dense"].copy()}
    constant["dense"][:, 2] = 5
    examples = Examples(constant, holdout.label, holdout.group)
    scales = learn_scales(in_chunks(examples, 3_000), SPEC, OPTIONS)
    compressed = signed_log1p(constant["dense"]).astype(float)
    np.testing.assert_allclose(scales.mean, compressed.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scales.deviation[:2], compressed.std(axis=0)[:2], rtol=1e-6)
    assert scales.deviation[2] == 1
    share, base = np.nanmean(holdout.label, axis=0), constant["dense"][:, 3].mean(dtype=float)
    np.testing.assert_allclose(scales.intercept, np.log(share / (1 - share)) - np.log(base / (1 - base)), atol=1e-5)


def test_the_model_compresses_features_as_the_scales_do() -> None:
    model = RankingModel(SPEC, SHORT, PLAIN)
    dense = np.array([[0, 1e-6, -3, 0], [2.5, -100, 1000, 1]], np.float32)
    np.testing.assert_allclose(model._standardised(dense), signed_log1p(dense), rtol=1e-5)
    assert np.abs(model._standardised(np.full((1, 4), 1e30, np.float32))).max() == 8


def test_taste_is_the_mean_embedding_of_the_known_recent_tracks() -> None:
    model = RankingModel(SPEC, SHORT, PLAIN)
    recent = np.array([[5, 9, 5, 0, 0, 0], [0, 7, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], np.int32)
    taste = model._taste(recent)
    table = model.tracks.embeddings.numpy()
    expected = [(2 * table[5] + table[9]) / 3, table[7], 0 * table[0]]
    np.testing.assert_allclose(taste, expected, atol=1e-6)
