"""A trial: train the ranker, calibrate it and judge it on later examples, beside what it must beat; keep the ranker."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from models.metrics import auc, log_loss, ndcg_at_k
from models.ranker.contract import CheckpointStore, Examples, ExampleStream, FeatureSpec, NothingToLearnError, Ranker
from models.ranker.platt import expected_calibration_error
from models.ranker.popularity import fit_popularity_ranker
from models.ranker.ranker import RankerOptions
from models.ranker.training import train_dcn

# Examples for which a dense feature lies in a range: its name, the least value, and the first too high.
Segment = tuple[str, float, float]


def train_and_evaluate(
    training: ExampleStream,
    holdout: ExampleStream,
    spec: FeatureSpec,
    path: str,
    on_epoch: Callable[[dict[str, float]], None],
    checkpoints: CheckpointStore,
    *,
    options: RankerOptions,
    popularity: str,
    segments: Mapping[str, Segment],
) -> dict[str, Any]:
    """Save a ranker in the folder `path`; return the log of its training and its held-out figures.

    Every other user of the later examples says when to stop and how to calibrate; the rest judge. Where the examples
    cannot train the model (none, or all with one label), the popularity baseline is the ranker. `popularity` names the
    dense feature that the baseline uses; `segments` are those in which calibration is looked at.
    """
    epochs: list[dict[str, float]] = []

    def logged(figures: dict[str, float]) -> None:
        epochs.append(figures)
        on_epoch(figures)

    baseline = fit_popularity_ranker(training, spec, popularity)
    try:
        ranker: Ranker = train_dcn(training, _half(holdout, 0), spec, options, logged, checkpoints)
    except NothingToLearnError as error:
        ranker, reason = baseline, str(error)
    else:
        reason = ""
    ranker.save(path)
    return {
        "epochs": epochs,
        "fallback": reason,
        **_figures(ranker, baseline, _half(holdout, 1), options.base, segments),
    }


def _figures(
    ranker: Ranker, baseline: Ranker, judges: ExampleStream, base: str, segments: Mapping[str, Segment]
) -> dict[str, Any]:
    """What later examples say of the ranker, beside the baseline and the chances that it starts from."""
    dense, heads = ranker.spec.dense, ranker.spec.heads
    parts: list[tuple[np.ndarray, ...]] = [
        (np.empty((0, len(heads))),) * 2 + (np.empty(0), np.empty((0, 2)), np.empty((0, len(segments)), bool))
    ]
    for chunk in judges():
        values = chunk.features["dense"]
        others = np.column_stack([values[:, dense.index(base)], baseline.score(chunk.features)[:, 0]])
        within = [_within(values[:, dense.index(name)], low, high) for name, low, high in segments.values()]
        parts.append(
            (chunk.label[:, : len(heads)], ranker.score(chunk.features), chunk.group, others, np.column_stack(within))
        )
    label, chance, group, others, within_segment = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    first = label[:, 0]
    of_segments = zip(segments, within_segment.T, strict=True)
    return {
        "holdout": {
            "ranker": _evaluate_scores(first, chance[:, 0], group),
            "blend": _evaluate_scores(first, others[:, 0], group),
            "popularity": _evaluate_scores(first, others[:, 1], group),
        },
        "heads": {name: _evaluate_head(label[:, place], chance[:, place]) for place, name in enumerate(heads)},
        "segments": {name: _evaluate_head(first[rows], chance[rows, 0]) for name, rows in of_segments},
    }


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray((values >= low) & (values < high))


def _half(passes: ExampleStream, rest: int) -> ExampleStream:
    """Every other user of some examples."""

    def half() -> Iterator[Examples]:
        for chunk in passes():
            chosen = chunk.group % 2 == rest
            features = {name: array[chosen] for name, array in chunk.features.items()}
            yield Examples(features, chunk.label[chosen], chunk.group[chosen])

    return half


def _evaluate_scores(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> dict[str, float | None]:
    """AUC, log loss and NDCG@10 of scores; null where they have no value (no rows, or one label)."""
    positives = int(label.sum())
    if not 0 < positives < len(label):
        return {"examples": len(label), "positives": positives, "auc": None, "log_loss": None, "ndcg_at_10": None}
    return {
        "examples": len(label),
        "positives": positives,
        "auc": auc(label, score),
        "log_loss": log_loss(label, score),
        "ndcg_at_10": ndcg_at_k(group, label, score, 10),
    }


def _evaluate_head(label: np.ndarray, chance: np.ndarray) -> dict[str, float | None]:
    """AUC, and mean chance beside the share that came true, of the `examples` that are settled; null without any."""
    settled = np.isfinite(label)
    figures = {
        "auc": auc(label[settled], chance[settled]),
        "calibration_error": expected_calibration_error(label, chance),
        "mean_probability": float(chance[settled].mean(dtype=float)) if settled.any() else np.nan,
        "share": float(label[settled].mean(dtype=float)) if settled.any() else np.nan,
    }
    told = {name: None if np.isnan(figure) else figure for name, figure in figures.items()}
    return {"examples": int(settled.sum()), **told}
