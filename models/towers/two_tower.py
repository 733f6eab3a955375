"""The TFRS two-tower retrieval model: Yi et al., Sampling-Bias-Corrected Neural Modeling, RecSys 2019.

track: id (or nothing) + artist + genres + words + vector + facts -> b -> b + relu(bA + a)B -> unit vector
user:  see user_tower.py; a play adds the b of its track to the pools

Users have no id: users who were not in the training are embedded like all others.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.linalg import block_diag

from models._tensorflow import Tensor, tf  # isort: split

import tensorflow_recommenders as tfrs
from tensorflow_recommenders.layers.loss import MIN_FLOAT

from models.towers.contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH, TowerOptions
from models.towers.user_tower import EPSILON, NUM_POOLS, frequency_weights, recency_weights
from models.towers.weights import DENSE_NAMES

_Tensors = Mapping[str, Tensor]
# Weight of each play and of each most played track in each pool.
_POOL_WEIGHTS = block_diag(recency_weights(), frequency_weights())


class TwoTower(tfrs.Model):
    """Cosine of user and track, trained by a softmax over the candidates of a batch that predicts hidden tracks."""

    def __init__(self, options: TowerOptions, weights: Mapping[str, np.ndarray]) -> None:
        """Start from `weights` (see weights.py); their embedding tables are kept outside the model (see tables.py)."""
        super().__init__()
        self.options = options
        self.parts = {name: tf.Variable(weights[name], name=name) for name in DENSE_NAMES}

    def embed_content(self, inputs: _Tensors) -> Tensor:
        """Sum the content embeddings of the tracks of a batch: [M, D]."""
        return inputs["named"] + inputs["vector"] @ self.parts["vector"] + inputs["facts"] @ self.parts["facts"]

    def embed_tracks(self, base: Tensor) -> Tensor:
        """Compute unit vectors [B, D] from the sums of the tracks' embeddings [B, D]."""
        hidden = tf.nn.relu(base @ self.parts["track_in"] + self.parts["track_bias"])
        return _unit(base + hidden @ self.parts["track_out"])

    def embed_users(self, base: Tensor, tracks: Tensor, frequent: Tensor, daypart_histogram: Tensor) -> Tensor:
        """Compute unit vectors [S, D] of users; tracks and frequent are rows of `base` [M, D], -1 is padding."""
        of_tracks, of_frequent = tf.split(_POOL_WEIGHTS, [SEQUENCE_LENGTH, FREQUENT_LENGTH])
        weights = tf.concat([of_tracks[: tf.shape(tracks)[1]], of_frequent[: tf.shape(frequent)[1]]], axis=0)
        # the last row, of zeros, stands for the padding
        pools = _pooled(tf.pad(base, [[0, 1], [0, 0]]), tf.concat([tracks, frequent], axis=1), weights)
        flat = tf.concat([tf.reshape(pools, [-1, NUM_POOLS * self.options.size]), daypart_histogram], axis=1)
        hidden = tf.nn.relu(flat @ self.parts["user_in"] + self.parts["user_bias"])
        return _unit(flat @ self.parts["user_linear"] + hidden @ self.parts["user_out"])

    def compute_loss(self, inputs: _Tensors, training: bool = False) -> Tensor:
        """Compute the mean softmax loss of one batch (see batches.py and read_tables())."""
        described, own = self.embed_content(inputs), inputs["own"]
        users = self.embed_users(described + own, inputs["tracks"], inputs["frequent"], inputs["daypart_histogram"])
        own_of_candidate = tf.gather(own, inputs["code"]) * inputs["has_id"][:, tf.newaxis]
        task = tfrs.tasks.Retrieval(loss=_softmax_of(inputs), temperature=self.options.temperature)
        total = task(
            users,
            self.embed_tracks(tf.gather(described, inputs["code"]) + own_of_candidate),
            candidate_sampling_probability=inputs["probability"],
            compute_metrics=False,
        )
        return total / tf.cast(tf.shape(inputs["row"])[0], tf.float32)

    def train_step(self, inputs: _Tensors) -> dict[str, Tensor]:
        """Update the variables; return the loss and the gradients of the embeddings that were read from tables."""
        read = {name: tf.convert_to_tensor(inputs[name]) for name in ("own", "named")}
        with tf.GradientTape() as tape:
            tape.watch(read)
            loss = self.compute_loss({**inputs, **read}, training=True)
        of_read, of_parts = tape.gradient(loss, (read, self.parts))
        self.optimizer.apply_gradients((of_parts[name], self.parts[name]) for name in DENSE_NAMES)
        return {"loss": loss, **of_read}


def _softmax_of(inputs: _Tensors) -> Callable[..., Tensor]:
    """Return a loss: the sum of the softmax losses of all pairs, from the scores [S, C] of users and candidates.

    The hidden track of a pair competes with the candidates that are none of its user's hidden tracks. So all pairs of a
    user share one sum over these, and scores per user suffice: there are a few times fewer users than pairs.
    """

    def loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Tensor:
        others = tf.reduce_logsumexp(tf.where(inputs["is_other"], y_pred, MIN_FLOAT), axis=1)
        hidden = tf.gather_nd(y_pred, tf.stack([inputs["row"], tf.range(tf.shape(inputs["row"])[0])], axis=1))
        # -log(exp(hidden) / (exp(hidden) + exp(others)))
        return tf.reduce_sum(tf.nn.softplus(tf.gather(others, inputs["row"]) - hidden))

    return loss


def _pooled(rows: Tensor, indexes: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted means [S, P, D] of the rows at indexes [S, L], by weights [L, P]."""
    share = tf.cast(indexes >= 0, tf.float32)[..., tf.newaxis] * weights
    share /= tf.maximum(tf.reduce_sum(share, axis=1, keepdims=True), EPSILON)
    found = tf.gather(rows, tf.where(indexes >= 0, indexes, tf.shape(rows)[0] - 1))
    return tf.matmul(share, found, transpose_a=True)


def tower_signature() -> dict[str, Tensor]:
    """Return the types of the inputs of a training step, for batches of any size."""
    integers, numbers = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)
    rows_of_integers, rows_of_numbers = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
    return {
        "own": rows_of_numbers,
        "named": rows_of_numbers,
        "vector": rows_of_numbers,
        "facts": rows_of_numbers,
        "tracks": rows_of_integers,
        "frequent": rows_of_integers,
        "daypart_histogram": tf.TensorSpec([None, DAY_PARTS], tf.float32),
        "row": integers,
        "code": integers,
        "is_other": tf.TensorSpec([None, None], tf.bool),
        "has_id": numbers,
        "probability": numbers,
    }


def _unit(vectors: Tensor) -> Tensor:
    return tf.math.l2_normalize(vectors, axis=1, epsilon=EPSILON)
