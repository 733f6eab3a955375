"""Train a ranker, save it, and evaluate it on later examples next to its baselines. Loads no TensorFlow by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from models.metrics import auc, log_loss, ndcg_at_k
from models.ranker.batches import take_rows
from models.ranker.contract import Examples, ExampleStream, NothingToLearnError, Ranker
from models.ranker.entries import POPULARITY, save_ranker
from models.ranker.entry import RankerModel, RankerOptions, TrainingData
from models.ranker.platt import expected_calibration_error

_NDCG_RANKS = 10


@dataclass(frozen=True)
class Segment:
    """Examples whose dense feature `feature` is in [low, high)."""

    name: str
    feature: str
    low: float
    high: float


@dataclass(frozen=True)
class RankingFigures:
    """Quality of an order of n examples; null where it has no value (no rows, or one label only)."""

    examples: int
    positives: int
    auc: float | None = None
    log_loss: float | None = None
    ndcg_at_10: float | None = None


@dataclass(frozen=True)
class HeadFigures:
    """Quality of one head's probabilities over the examples that are settled; null without any.

    mean_probability: predicted. share: observed, of the examples that have the reward.
    """

    examples: int
    auc: float | None
    calibration_error: float | None
    mean_probability: float | None
    share: float | None


@dataclass(frozen=True)
class _Scored:
    """Scored examples of n rows.

    label, probability: [n, H]. group: [n]. base, popularity: [n], probabilities of the main head by the two baselines.
    in_segment: bool [n, S].
    """

    label: np.ndarray
    probability: np.ndarray
    group: np.ndarray
    base: np.ndarray
    popularity: np.ndarray
    in_segment: np.ndarray


def train_and_evaluate(
    model: RankerModel, given: TrainingData, options: RankerOptions, segments: Sequence[Segment], path: str
) -> dict[str, object]:
    """Save a ranker in the folder `path`; return the log of its training and its figures on held-out examples.

    Every other user of `given.validation` serves early stopping and calibration, the others the evaluation. Where the
    examples cannot train the model (none, or all with one label), the popularity baseline is the ranker. Calibration is
    measured in each of the segments, too.
    """
    epochs: list[dict[str, float]] = []

    def log(figures: dict[str, float]) -> None:
        epochs.append(figures)
        given.on_epoch(figures)

    halved = replace(given, validation=every_other_user(given.validation, 0), on_epoch=log)
    baseline = POPULARITY.train(given, options)
    try:
        ranker, reason = model.train(halved, options), ""
    except NothingToLearnError as error:
        ranker, model, reason = baseline, POPULARITY, str(error)
    save_ranker(ranker, model.name, path)
    scored = _score(
        (ranker, baseline), replace(given, validation=every_other_user(given.validation, 1)), options, segments
    )
    return {"epochs": epochs, "fallback": reason, **_evaluate(ranker.spec.heads, scored, options, segments)}


def every_other_user(examples: ExampleStream, remainder: int) -> ExampleStream:
    """Return the stream of the users whose number modulo 2 is `remainder`."""

    def read() -> Iterator[Examples]:
        for chunk in examples():
            yield take_rows(chunk, chunk.group % 2 == remainder)

    return read


def _score(
    rankers: tuple[Ranker, Ranker], given: TrainingData, options: RankerOptions, segments: Sequence[Segment]
) -> _Scored:
    """Score the validation examples with a ranker and the popularity baseline."""
    ranker, baseline = rankers
    dense, heads = given.spec.dense, ranker.spec.heads
    # the fallback has fewer heads than the examples
    columns = [given.spec.heads.index(name) for name in heads]
    base = dense.index(options.base)
    by_head, by_row, by_segment = np.empty((0, len(heads))), np.empty(0), np.empty((0, len(segments)), bool)
    parts = [_Scored(by_head, by_head, by_row, by_row, by_row, by_segment)]
    for chunk in given.validation():
        values = chunk.features["dense"]
        parts.append(
            _Scored(
                label=chunk.label[:, columns],
                probability=ranker.score(chunk.features),
                group=chunk.group,
                base=values[:, base],
                popularity=baseline.score(chunk.features)[:, 0],
                in_segment=_in_segments(values, dense, segments),
            )
        )
    return _Scored(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(_Scored)))


def _in_segments(values: np.ndarray, dense: Sequence[str], segments: Sequence[Segment]) -> np.ndarray:
    """Return which rows of dense features [n, F] are in which segments, bool [n, S]."""
    masks = np.empty((len(values), len(segments)), dtype=bool)
    for number, one in enumerate(segments):
        column = values[:, dense.index(one.feature)]
        masks[:, number] = (one.low <= column) & (column < one.high)
    return masks


def _evaluate(
    heads: Sequence[str], scored: _Scored, options: RankerOptions, segments: Sequence[Segment]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Compute the figures of the ranker, of the two baselines, and of its calibration by head and segment."""
    main = heads.index(options.main_head)
    label, probability = scored.label[:, main], scored.probability[:, main]
    orders = {"ranker": probability, "blend": scored.base, "popularity": scored.popularity}
    by_head = {
        name: _head_figures(scored.label[:, head], scored.probability[:, head]) for head, name in enumerate(heads)
    }
    by_segment = {
        one.name: _head_figures(label[rows], probability[rows])
        for one, rows in zip(segments, scored.in_segment.T, strict=True)
    }
    return {
        "holdout": {name: asdict(_ranking_figures(label, score, scored.group)) for name, score in orders.items()},
        "heads": {name: asdict(figures) for name, figures in by_head.items()},
        "segments": {name: asdict(figures) for name, figures in by_segment.items()},
    }


def _ranking_figures(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> RankingFigures:
    positives = int(label.sum())
    if not 0 < positives < len(label):
        return RankingFigures(len(label), positives)
    ndcg = ndcg_at_k(group, label, score, _NDCG_RANKS)
    return RankingFigures(len(label), positives, auc(label, score), log_loss(label, score), ndcg)


def _head_figures(label: np.ndarray, probability: np.ndarray) -> HeadFigures:
    settled = np.isfinite(label)
    figures = (
        auc(label[settled], probability[settled]),
        expected_calibration_error(label, probability),
        float(probability[settled].mean(dtype=float)) if settled.any() else np.nan,
        float(label[settled].mean(dtype=float)) if settled.any() else np.nan,
    )
    return HeadFigures(int(settled.sum()), *(None if np.isnan(figure) else figure for figure in figures))
