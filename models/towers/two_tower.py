"""The TFRS two-tower retrieval model: Yi et al., Sampling-Bias-Corrected Neural Modeling, RecSys 2019.

track: id (or none) + artist + genres + words + vector + facts -> b -> b + relu(bA + a)B -> unit vector
user:  see user_tower.py; what a play brings into the pools is the b of its track

No user has an id: who was not there in training is served like everyone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from models._tensorflow import tf  # isort: split

import tensorflow_recommenders as tfrs
from tensorflow_recommenders.layers.loss import MIN_FLOAT

from models.towers.contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH, TowerOptions
from models.towers.user_tower import NUM_POOLS, SMALL, frequency_weights, recency_weights
from models.towers.weights import DENSE_NAMES

_Tensors = Mapping[str, Any]
# Of each place of both kinds, in each pool.
_POOL_WEIGHTS = block_diag(recency_weights(), frequency_weights())


class TwoTower(tfrs.Model):
    """Cosine of user and track; the softmax over the tracks of a batch predicts what was hidden."""

    def __init__(self, options: TowerOptions, weights: Mapping[str, np.ndarray]) -> None:
        """Start from `weights` (see tower_weights.py); what their tables give is read and moved elsewhere."""
        super().__init__()
        self.options = options
        self.parts = {name: tf.Variable(weights[name], name=name) for name in DENSE_NAMES}

    def described(self, inputs: _Tensors) -> Any:
        """What content says of the tracks that are present: [M, D]."""
        return inputs["named"] + inputs["vector"] @ self.parts["vector"] + inputs["facts"] @ self.parts["facts"]

    def embed_tracks(self, base: Any) -> Any:
        """Unit vectors of what is known of tracks [B, D]."""
        hidden = tf.nn.relu(base @ self.parts["track_in"] + self.parts["track_bias"])
        return _unit(base + hidden @ self.parts["track_out"])

    def embed_users(self, base: Any, tracks: Any, frequent: Any, daypart_histogram: Any) -> Any:
        """Unit vectors [S, D] of Sequences whose codes are rows of `base`, -1: none."""
        of_tracks, of_frequent = tf.split(_POOL_WEIGHTS, [SEQUENCE_LENGTH, FREQUENT_LENGTH])
        weights = tf.concat([of_tracks[: tf.shape(tracks)[1]], of_frequent[: tf.shape(frequent)[1]]], axis=0)
        # a last row of zeros answers -1
        pools = _pooled(tf.pad(base, [[0, 1], [0, 0]]), tf.concat([tracks, frequent], axis=1), weights)
        flat = tf.concat([tf.reshape(pools, [-1, NUM_POOLS * self.options.size]), daypart_histogram], axis=1)
        hidden = tf.nn.relu(flat @ self.parts["user_in"] + self.parts["user_bias"])
        return _unit(flat @ self.parts["user_linear"] + hidden @ self.parts["user_out"])

    def compute_loss(self, inputs: _Tensors, training: bool = False) -> Any:
        """Mean softmax loss of one batch, see tower_batches.py and read_tables()."""
        described, own = self.described(inputs), inputs["own"]
        users = self.embed_users(described + own, inputs["tracks"], inputs["frequent"], inputs["daypart_histogram"])
        shown = tf.gather(own, inputs["code"]) * inputs["shown"][:, tf.newaxis]
        task = tfrs.tasks.Retrieval(loss=_softmax_of(inputs), temperature=self.options.temperature)
        total = task(
            users,
            self.embed_tracks(tf.gather(described, inputs["code"]) + shown),
            candidate_sampling_probability=inputs["probability"] if self.options.is_logq else None,
            compute_metrics=False,
        )
        return total / tf.cast(tf.shape(inputs["row"])[0], tf.float32)

    def train_step(self, inputs: _Tensors) -> dict[str, Any]:
        """Move the variables; return the loss, and the gradients of what was read from tables, to move these."""
        read = {name: tf.convert_to_tensor(inputs[name]) for name in ("own", "named")}
        with tf.GradientTape() as tape:
            tape.watch(read)
            loss = self.compute_loss({**inputs, **read}, training=True)
        of_read, of_parts = tape.gradient(loss, (read, self.parts))
        self.optimizer.apply_gradients((of_parts[name], self.parts[name]) for name in DENSE_NAMES)
        return {"loss": loss, **of_read}


def _softmax_of(inputs: _Tensors) -> Callable[..., Any]:
    """Sum of the pairs' softmax losses, by the scores [S, C] of users and candidates.

    A pair is its user's, its track is compared with those that its user did not play in the batch. So all pairs of a
    user share the sum over the others, and the scores of users will do: there are a few times fewer of them than pairs.
    """

    def loss(y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        others = tf.reduce_logsumexp(tf.where(inputs["is_other"], y_pred, MIN_FLOAT), axis=1)
        hidden = tf.gather_nd(y_pred, tf.stack([inputs["row"], tf.range(tf.shape(inputs["row"])[0])], axis=1))
        # -log(exp(hidden) / (exp(hidden) + exp(others)))
        return tf.reduce_sum(tf.nn.softplus(tf.gather(others, inputs["row"]) - hidden))

    return loss


def _pooled(rows: Any, places: Any, weights: Any) -> Any:
    """Weighted means [S, P, D] of the rows at places [S, L], by weights [L, P]."""
    share = tf.cast(places >= 0, tf.float32)[..., tf.newaxis] * weights
    share /= tf.maximum(tf.reduce_sum(share, axis=1, keepdims=True), SMALL)
    found = tf.gather(rows, tf.where(places >= 0, places, tf.shape(rows)[0] - 1))
    return tf.matmul(share, found, transpose_a=True)


def tower_signature() -> dict[str, Any]:
    """Return the tensors of a batch of any size."""
    places, numbers = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)
    rows_of_places, rows_of_numbers = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
    return {
        "own": rows_of_numbers,
        "named": rows_of_numbers,
        "vector": rows_of_numbers,
        "facts": rows_of_numbers,
        "tracks": rows_of_places,
        "frequent": rows_of_places,
        "daypart_histogram": tf.TensorSpec([None, DAY_PARTS], tf.float32),
        "row": places,
        "code": places,
        "is_other": tf.TensorSpec([None, None], tf.bool),
        "shown": numbers,
        "probability": numbers,
    }


def _unit(vectors: Any) -> Any:
    return tf.math.l2_normalize(vectors, axis=1, epsilon=SMALL)
