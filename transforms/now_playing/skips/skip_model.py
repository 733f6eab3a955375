"""The artifact of the chances of skips and completions, and of what order does to skips."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transforms.tables.artifacts import local_copy

_FILE = "skips.json"
SKIP_CHANCE, COMPLETION_CHANCE = "skipped", "completed"
Predict = Callable[[np.ndarray], np.ndarray]
OpenTrees = Callable[[str], Predict]


@dataclass(frozen=True)
class OrderModel:
    """Log-odds of a skip as a sum: mean and weights [F] of the features, 0 for unknown ones, and an intercept.

    Trees fit better; a sum lets the order of thousands of queues be searched.
    """

    mean: np.ndarray
    weights: np.ndarray
    intercept: float

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """Return the log-odds of features [n, F]."""
        centred = np.where(np.isfinite(features), features - self.mean, 0.0)
        return np.asarray(centred @ self.weights + self.intercept)


@dataclass(frozen=True)
class SkipModel:
    """Trees by outcome, as text, empty where it could not be learned; the usual rate of each; the model of order."""

    trees: Mapping[str, str]
    rates: Mapping[str, float]
    order: OrderModel
    report: Mapping[str, object]

    def chances(self, features: np.ndarray, open_trees: OpenTrees) -> dict[str, np.ndarray]:
        """Return the probability of each outcome from features [n, F]."""
        return {
            name: open_trees(text)(features) if text else np.full(len(features), self.rates[name])
            for name, text in self.trees.items()
        }


def write_skip_model(directory: Path, model: SkipModel) -> None:
    """Write the model as one JSON file."""
    order = {
        "mean": model.order.mean.tolist(),
        "weights": model.order.weights.tolist(),
        "intercept": model.order.intercept,
    }
    about = {"report": dict(model.report), "rates": dict(model.rates), "order": order, "trees": dict(model.trees)}
    (directory / _FILE).write_text(json.dumps(about, indent=1, allow_nan=False))


@functools.lru_cache(maxsize=4)
def read_skip_model(path: str) -> SkipModel:
    """Open the artifact (FileNotFoundError: there is none)."""
    about = json.loads((local_copy(path) / _FILE).read_text())
    order = about["order"]
    found = OrderModel(np.array(order["mean"]), np.array(order["weights"]), float(order["intercept"]))
    return SkipModel(about["trees"], about["rates"], found, about["report"])
