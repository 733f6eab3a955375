"""The user tower for serving, without TensorFlow: pools of played tracks, a linear map and a small correction.

latest plays  -> input vectors -> means of recency half-lives 2, 10, infinity --+
most frequent -> input vectors -> mean by 1 / sqrt(rank + 1) -------------------+-> x
daypart histogram --------------------------------------------------------------+
x -> x W + relu(x A + a) B -> unit vector
"""

from dataclasses import dataclass

import numpy as np

from models.towers.contract import FREQUENT_LENGTH, SEQUENCE_LENGTH, Sequences, Weights

_HALF_LIVES = (2.0, 10.0, np.inf)
NUM_POOLS = len(_HALF_LIVES) + 1
_USERS_PER_BLOCK = 256
# Lower bound of lengths and of sums of weights.
EPSILON = 1e-6


def recency_weights() -> np.ndarray:
    """Return the weight of each play of a sequence in each recency pool: float32 [SEQUENCE_LENGTH, 3]."""
    rank = np.arange(SEQUENCE_LENGTH)[:, None]
    return (2.0 ** (-rank / np.array(_HALF_LIVES)[None])).astype(np.float32)


def frequency_weights() -> np.ndarray:
    """Return the weight of each of the most played tracks: float32 [FREQUENT_LENGTH, 1]."""
    return ((1.0 + np.arange(FREQUENT_LENGTH)) ** -0.5).astype(np.float32)[:, None]


@dataclass(frozen=True)
class UserTower:
    """The user tower.

    inputs: float32 [N, D], what a play of each track adds to the pools. weights: the user_* weights of weights.py.
    """

    inputs: np.ndarray
    weights: Weights

    def embed(self, users: Sequences) -> np.ndarray:
        """Compute unit vectors float32 [S, D]; zeros for a user without any known track."""
        starts = range(0, len(users), _USERS_PER_BLOCK)
        blocks = [self._embed_block(users.take(slice(start, start + _USERS_PER_BLOCK))) for start in starts]
        return np.concatenate([np.empty((0, self.inputs.shape[1]), np.float32), *blocks])

    def _embed_block(self, users: Sequences) -> np.ndarray:
        pools = np.concatenate(
            [self._pooled(users.tracks, recency_weights()), self._pooled(users.frequent, frequency_weights())], axis=1
        ).reshape(len(users), -1)
        # products of single precision would be rounded differently at different positions of the block
        flat = np.concatenate([pools, users.daypart_histogram], axis=1).astype(np.float64)
        hidden = np.maximum(flat @ self.weights["user_in"].astype(np.float64) + self.weights["user_bias"], 0)
        vectors = flat @ self.weights["user_linear"].astype(np.float64) + hidden @ self.weights["user_out"]
        is_known = np.abs(pools).sum(axis=1, keepdims=True) > 0
        length = np.sqrt(np.maximum(np.square(vectors).sum(axis=1, keepdims=True), EPSILON))
        return np.where(is_known, vectors / length, 0).astype(np.float32)

    def _pooled(self, tracks: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Compute the weighted means [S, P, D] of the input vectors of tracks [S, L], by weights [L, P]."""
        rows = np.where(tracks[..., None] >= 0, self.inputs[tracks], np.float32(0))
        share = (tracks >= 0)[..., None] * weights[None]
        share = share / np.maximum(share.sum(axis=1, keepdims=True), EPSILON)
        return np.asarray(np.matmul(share.transpose(0, 2, 1).astype(np.float32), rows))
