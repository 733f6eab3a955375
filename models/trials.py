"""A trial: train the ranker, judge it and the popularity baseline on held-out examples, keep the ranker."""

from collections.abc import Callable
from typing import Any

import numpy as np

from models.contract import FeatureSpec, NothingToLearnError, Passes, Ranker
from models.metrics import auc, log_loss, ndcg_at_k
from models.popularity import fit_popularity
from models.ranker import RankerOptions
from models.training import train_ranker


def run_trial(
    training: Passes,
    holdout: Passes,
    spec: FeatureSpec,
    path: str,
    on_epoch: Callable[[dict[str, float]], None],
    *,
    options: RankerOptions,
    popularity: str,
) -> dict[str, Any]:
    """Save a ranker in the folder `path`; return the log of its training and its held-out figures.

    Where the examples cannot train the model (none, or all with one label), the popularity baseline is the ranker.
    `popularity` names the dense feature that the baseline uses.
    """
    epochs: list[dict[str, float]] = []

    def logged(figures: dict[str, float]) -> None:
        epochs.append(figures)
        on_epoch(figures)

    baseline = fit_popularity(training, spec, popularity)
    try:
        ranker: Ranker = train_ranker(training, spec, options, logged)
    except NothingToLearnError as error:
        ranker, reason = baseline, str(error)
    else:
        reason = ""
    ranker.save(path)
    figures = {"ranker": judge(ranker, holdout), "popularity": judge(baseline, holdout)}
    return {"epochs": epochs, "fallback": reason, "holdout": figures}


def judge(ranker: Ranker, examples: Passes) -> dict[str, float | None]:
    """AUC, log loss and NDCG@10 of a ranker on examples; null where they have no value (no rows, or one label)."""
    chunks = [(chunk.label, chunk.group, ranker.score(chunk.features)) for chunk in examples()]
    label, group, score = (
        (np.concatenate(parts) for parts in zip(*chunks, strict=True)) if chunks else [np.empty(0)] * 3
    )
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
