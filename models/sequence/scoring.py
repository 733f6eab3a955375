"""Score all tracks for windows of plays with a trained sequence model."""

from collections.abc import Iterator, Mapping

import numpy as np

from models._tensorflow import Tensor, tf
from models.sequence.batches import padded_lengths, scoring_batch
from models.sequence.contract import PlayWindows, SequenceOptions, SequenceWeights
from models.sequence.model import SequenceModel, rows_at, scoring_signature
from models.sequence.successors import SuccessorTable
from models.sequence.transformer import Tensors

# Windows scored at a time: batches are padded to it, as a product may round differently for another number of rows.
_BLOCK_CELLS = 1 << 22
_MAX_BLOCK = 64


class SequenceScorer:
    """A trained model, whose tables hold the whole vectors of tracks, with its successor counts."""

    def __init__(self, options: SequenceOptions, weights: SequenceWeights, successors: SuccessorTable) -> None:
        """Build the model from its weights."""
        self.model, self.successors = SequenceModel(options, weights), successors
        self._parts = tf.function(self._score, input_signature=[scoring_signature()])
        self._block = max(1, min(_MAX_BLOCK, _BLOCK_CELLS // max(1, self.model.num_tracks)))

    def score(self, windows: PlayWindows) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of each track as the last play in use of each window [S, N], and the gates [S, 3].

        Gates: weights of catalogue, pointer (repeats) and successors. The last play itself is not read.
        """
        scores = np.zeros((len(windows), self.model.num_tracks), dtype=np.float32)
        gates = np.zeros((len(windows), 3), dtype=np.float32)
        for rows, found in self._blocks(windows):
            scores[rows], gates[rows] = _mixed(found, len(rows)), np.exp(found["gates"])[: len(rows)]
        return scores, gates

    def _blocks(self, windows: PlayWindows) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
        for width, of_width in padded_lengths(windows):
            for start in range(0, len(of_width), self._block):
                rows = of_width[start : start + self._block]
                padded = np.append(rows, np.repeat(rows[:1], self._block - len(rows)))
                batch = scoring_batch(windows.take(padded).cut(width + 1), self.successors)
                given = {name: tf.convert_to_tensor(value) for name, value in batch.items()}
                yield rows, {name: value.numpy() for name, value in self._parts(given).items()}

    def _score(self, inputs: Tensors) -> dict[str, Tensor]:
        """Return the probabilities of each expert, and ln of their gates."""
        encoded = self.model.encode(inputs)
        states = rows_at(encoded["h"], inputs["position"])
        own, pointer = self.model.pointer_scores(encoded, inputs)
        return {
            "catalogue": tf.nn.softmax(self.model.catalogue_scores(states, inputs)),
            "own": own,
            "pointer": tf.nn.softmax(pointer),
            "successor": inputs["successor"],
            "following": tf.nn.softmax(self.model.successor_scores(states, inputs)),
            "gates": self.model.log_gates(states, pointer, inputs["frequency"]),
        }


def _mixed(found: Mapping[str, np.ndarray], num_windows: int) -> np.ndarray:
    """Sum the experts' probabilities by the gates: float32 [S, N]."""
    gates = np.exp(found["gates"].astype(np.float64))[:num_windows]
    scores = found["catalogue"][:num_windows] * gates[:, :1]
    for column, tracks, shares in ((1, "own", "pointer"), (2, "successor", "following")):
        track = found[tracks][:num_windows]
        row = np.nonzero(track >= 0)[0]
        weight = (found[shares][:num_windows] * gates[:, column : column + 1])[track >= 0]
        np.add.at(scores, (row, track[track >= 0]), weight)
    return scores.astype(np.float32)
