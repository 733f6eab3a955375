"""Progress of a training, to and from the arrays of a checkpoint. Loads no TensorFlow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

_SCALARS = ("about", "epoch", "num_batches", "total", "num_rows", "best", "best_epoch", "log")


@dataclass
class TrainingProgress:
    """State of a training, apart from the weights of its model and optimizer.

    about: identity of the training; a checkpoint of any other is ignored.
    num_batches, num_rows, total: of the current epoch, with the sum of its losses.
    best, best_epoch, best_weights: the least loss on validation examples, the epoch after which it was reached (-1:
        before the first), and the weights of that moment.
    log: the figures of each completed epoch.
    """

    about: str
    best: float
    best_weights: list[np.ndarray]
    epoch: int = 0
    num_batches: int = 0
    total: float = 0.0
    num_rows: int = 0
    best_epoch: int = -1
    log: list[dict[str, float]] = field(default_factory=list)

    def to_arrays(self, weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return this progress and the current weights as named arrays."""
        plain = json.dumps({name: getattr(self, name) for name in _SCALARS})
        best = {f"best/{number}": value for number, value in enumerate(self.best_weights)}
        current = {f"weight/{number}": value for number, value in enumerate(weights)}
        return {"plain": np.array(plain), **best, **current}


def read_progress(state: Mapping[str, np.ndarray], about: str) -> tuple[TrainingProgress, list[np.ndarray]] | None:
    """Read the progress and the weights that to_arrays() wrote; None: they are of another training."""
    plain = json.loads(str(state["plain"]))
    if plain["about"] != about:
        return None
    return TrainingProgress(**plain, best_weights=_numbered(state, "best")), _numbered(state, "weight")


def _numbered(state: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    count = sum(key.startswith(f"{name}/") for key in state)
    return [state[f"{name}/{number}"] for number in range(count)]
