"""How far a training has come, to and from the arrays of a checkpoint. Loads no TensorFlow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

_SCALARS = ("about", "epoch", "num_batches", "total", "num_rows", "best", "best_epoch", "log")


@dataclass
class TrainingProgress:
    """What there is to a training beside the weights of its model and optimizer.

    about: what is trained; a checkpoint of anything else is none. num_batches, num_rows, total: of the epoch that is
        under way, with the sum of its losses. best, best_epoch, kept: the least loss on later examples, after which
        epoch (-1: before the first), and the weights of then. log: the figures of each epoch that is over.
    """

    about: str
    best: float
    kept: list[np.ndarray]
    epoch: int = 0
    num_batches: int = 0
    total: float = 0.0
    num_rows: int = 0
    best_epoch: int = -1
    log: list[dict[str, float]] = field(default_factory=list)

    def state(self, weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return everything as named arrays."""
        plain = json.dumps({name: getattr(self, name) for name in _SCALARS})
        kept = {f"kept/{place}": value for place, value in enumerate(self.kept)}
        return {"plain": np.array(plain), **kept, **{f"weight/{place}": value for place, value in enumerate(weights)}}


def read_progress(state: Mapping[str, np.ndarray], about: str) -> tuple[TrainingProgress, list[np.ndarray]] | None:
    """Read what Progress.state() made, and its weights; None: it is of another training."""
    plain = json.loads(str(state["plain"]))
    if plain["about"] != about:
        return None
    return TrainingProgress(**plain, kept=_numbered(state, "kept")), _numbered(state, "weight")


def _numbered(state: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    count = sum(key.startswith(f"{name}/") for key in state)
    return [state[f"{name}/{place}"] for place in range(count)]
