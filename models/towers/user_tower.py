"""The user tower without TensorFlow: pools of what was played, a linear map and a small correction.

latest plays  -> input vectors -> means of recency half-lives 2, 10, infinity --+
most frequent -> input vectors -> mean by 1 / sqrt(place) ----------------------+-> x
shares of the quarters of the day ----------------------------------------------+
x -> x W + relu(x A + a) B -> unit vector
"""

from dataclasses import dataclass

import numpy as np

from models.towers.contract import FREQUENT_LENGTH, SEQUENCE_LENGTH, Sequences, Weights

_HALF_LIVES = (2.0, 10.0, np.inf)
NUM_POOLS = len(_HALF_LIVES) + 1
_BLOCK_USERS = 256
SMALL = 1e-6


def recency_weights() -> np.ndarray:
    """Weight of each place of a sequence in each of its pools: float32 [SEQUENCE_LENGTH, 3]."""
    place = np.arange(SEQUENCE_LENGTH)[:, None]
    return (2.0 ** (-place / np.array(_HALF_LIVES)[None])).astype(np.float32)


def frequency_weights() -> np.ndarray:
    """Weight of each place among the most frequent tracks: float32 [FREQUENT_LENGTH, 1]."""
    return ((1.0 + np.arange(FREQUENT_LENGTH)) ** -0.5).astype(np.float32)[:, None]


@dataclass(frozen=True)
class UserTower:
    """The weights of the user tower, and what each track brings into the pools.

    inputs: float32 [N, D] by track code.
    weights: those of two_tower.py that belong to users.
    """

    inputs: np.ndarray
    weights: Weights

    def vectors(self, users: Sequences) -> np.ndarray:
        """Unit vectors float32 [S, D]; zeros for a user of whom no track is known."""
        starts = range(0, len(users), _BLOCK_USERS)
        blocks = [self._block(users.take(slice(at, at + _BLOCK_USERS))) for at in starts]
        return np.concatenate([np.empty((0, self.inputs.shape[1]), np.float32), *blocks])

    def _block(self, users: Sequences) -> np.ndarray:
        pools = np.concatenate(
            [self._pooled(users.tracks, recency_weights()), self._pooled(users.frequent, frequency_weights())], axis=1
        ).reshape(len(users), -1)
        # products of single precision would round otherwise at another place in the block
        flat = np.concatenate([pools, users.daypart_histogram], axis=1).astype(np.float64)
        hidden = np.maximum(flat @ self.weights["user_in"].astype(np.float64) + self.weights["user_bias"], 0)
        vectors = flat @ self.weights["user_linear"].astype(np.float64) + hidden @ self.weights["user_out"]
        is_known = np.abs(pools).sum(axis=1, keepdims=True) > 0
        length = np.sqrt(np.maximum(np.square(vectors).sum(axis=1, keepdims=True), SMALL))
        return np.where(is_known, vectors / length, 0).astype(np.float32)

    def _pooled(self, tracks: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted means [S, P, D] of the input vectors of tracks [S, L], by weights [L, P]."""
        rows = np.where(tracks[..., None] >= 0, self.inputs[tracks], np.float32(0))
        share = (tracks >= 0)[..., None] * weights[None]
        share = share / np.maximum(share.sum(axis=1, keepdims=True), SMALL)
        return np.asarray(np.matmul(share.transpose(0, 2, 1).astype(np.float32), rows))
