"""SequenceData: what the sequence model is trained on. Loads no TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass

from scipy.sparse import csr_matrix

from models.sequence.contract import Checkpoints, WindowStream
from models.sequence.successors import SuccessorTable
from models.towers.contract import TrackContent


@dataclass(frozen=True)
class SequenceData:
    """Training data. pairs: counts of successors [N, N] by the listeners of each fold; successors: their best."""

    windows: WindowStream
    pairs: list[csr_matrix]
    successors: SuccessorTable
    content: TrackContent
    on_epoch: Callable[[dict[str, float]], None]
    checkpoints: Checkpoints
