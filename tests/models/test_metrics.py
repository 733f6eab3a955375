import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from models.metrics import auc, log_loss, ndcg_at_k

# Few distinct scores, so that ties are the rule.
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=40)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    group, label, score = np.array(rows).T
    return group.astype(np.int32), label.astype(np.float32), score.astype(np.float32) / 4


def slow_auc(label: np.ndarray, score: np.ndarray) -> float:
    won = pairs = 0.0
    for positive in score[label == 1]:
        for negative in score[label == 0]:
            won += 1.0 if positive > negative else 0.5 if positive == negative else 0.0
            pairs += 1
    return won / pairs if pairs else math.nan


def slow_ndcg(group: np.ndarray, label: np.ndarray, score: np.ndarray, k: int) -> float:
    values = []
    for user in sorted(set(group)):
        rows = [(s, y) for g, y, s in zip(group, label, score, strict=True) if g == user]
        mean_gain = {s: np.mean([y for other, y in rows if other == s]) for s, _ in rows}
        ranked = sorted((s for s, _ in rows), reverse=True)
        best = sorted((y for _, y in rows), reverse=True)
        found = sum(mean_gain[s] / math.log2(place + 2) for place, s in enumerate(ranked[:k]))
        possible = sum(y / math.log2(place + 2) for place, y in enumerate(best[:k]))
        if possible:
            values.append(found / possible)
    return float(np.mean(values)) if values else math.nan


@given(ROWS)
def test_auc_is_that_of_the_slow_loop(rows: list[tuple[int, int, int]]) -> None:
    _, label, score = columns(rows)
    assert auc(label, score) == pytest.approx(slow_auc(label, score), nan_ok=True)


@given(ROWS, st.integers(1, 12))
def test_ndcg_is_that_of_the_slow_loop(rows: list[tuple[int, int, int]], k: int) -> None:
    group, label, score = columns(rows)
    assert ndcg_at_k(group, label, score, k) == pytest.approx(slow_ndcg(group, label, score, k), nan_ok=True)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int, int]], random) -> None:
    group, label, score = columns(rows)
    order = random.sample(range(len(rows)), len(rows))
    assert auc(label[order], score[order]) == pytest.approx(auc(label, score), nan_ok=True)
    shuffled = ndcg_at_k(group[order], label[order], score[order], 3)
    assert shuffled == pytest.approx(ndcg_at_k(group, label, score, 3), nan_ok=True)


@pytest.mark.parametrize("distinct", [7, 1_000_000])
def test_agrees_with_scikit_learn(distinct: int) -> None:
    generator = np.random.default_rng(6)
    label = (generator.random(5_000) < 0.2).astype(np.float32)
    score = (generator.integers(1, distinct, 5_000) / (distinct + 1)).astype(np.float32)
    group = np.repeat(np.arange(50, dtype=np.int32), 100)
    assert auc(label, score) == pytest.approx(reference.roc_auc_score(label, score))
    assert log_loss(label, score) == pytest.approx(reference.log_loss(label, score.astype(np.float64)))
    by_group = reference.ndcg_score(label.reshape(50, 100), score.reshape(50, 100), k=10)
    assert ndcg_at_k(group, label, score, 10) == pytest.approx(by_group)


@pytest.mark.parametrize(
    ("label", "score", "expected"),
    [
        ([1, 0, 0], [0.9, 0.5, 0.1], 1.0),
        ([0, 0, 1], [0.9, 0.5, 0.1], 0.5),
        ([0, 1], [0.5, 0.5], (1 + 1 / math.log2(3)) / 2),
        ([1, 0], [0.5, 0.5], (1 + 1 / math.log2(3)) / 2),
    ],
)
def test_ndcg_of_one_user_by_hand(label: list[int], score: list[float], expected: float) -> None:
    group = np.zeros(len(label), np.int32)
    assert ndcg_at_k(group, np.array(label, np.float32), np.array(score), 3) == pytest.approx(expected)


def test_certain_errors_cost_a_finite_loss() -> None:
    assert log_loss(np.array([1.0, 0.0]), np.array([0.0, 1.0], np.float32)) == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_no_rows_have_no_value() -> None:
    none = np.empty(0, np.float32)
    assert math.isnan(auc(none, none)) and math.isnan(log_loss(none, none))
    assert math.isnan(ndcg_at_k(none.astype(np.int32), none, none, 10))
