"""The TFRS two-tower retrieval model: Yi et al., Sampling-Bias-Corrected Neural Modeling, RecSys 2019.

track: id (or none) + artist + genres + words + vector + facts -> b -> b + relu(bA + a)B -> unit vector
user:  see user_tower.py; what a play brings into the pools is the b of its track

No user has an id: who was not there in training is served like everyone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models._tensorflow import tf  # isort: split

import tensorflow_recommenders as tfrs

from models.tower_contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH, TowerOptions, TrackContent
from models.user_tower import SMALL, frequency_weights, recency_weights

Tensors = Mapping[str, Any]


class TwoTower(tfrs.Model):
    """Cosine of user and track; the softmax over the tracks of a batch predicts what was hidden."""

    def __init__(self, content: TrackContent, options: TowerOptions, weights: Mapping[str, np.ndarray]) -> None:
        """Start from `weights` (see tower_weights.py); the content is held beside them and not trained."""
        super().__init__()
        self.options = options
        self.parts = {name: tf.Variable(value, name=name) for name, value in weights.items()}
        held = {"artist": content.artist, "genres": content.genres, "words": content.words}
        held |= {"vector": content.vector, "facts": content.facts}
        self.content = {name: tf.Variable(value, trainable=False) for name, value in held.items()}
        self.has_id = tf.Variable((content.num_plays > 0).astype(np.float32), trainable=False)
        # the mean loss, times the rows that TFRS sums over
        loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True, reduction=tf.keras.losses.Reduction.SUM)
        self.task = tfrs.tasks.Retrieval(loss=loss, temperature=options.temperature)

    def described(self, tracks: Any) -> Any:
        """What content says of track codes [B]: [B, D]."""
        held = {name: tf.gather(value, tracks) for name, value in self.content.items()}
        total = _rows(self.parts["artist"], held["artist"][:, tf.newaxis])
        total += _rows(self.parts["genre"], held["genres"]) + _rows(self.parts["word"], held["words"])
        return total + held["vector"] @ self.parts["vector"] + held["facts"] @ self.parts["facts"]

    def own(self, tracks: Any) -> Any:
        """The embeddings of track codes [B]; zeros for one without a play: [B, D]."""
        return tf.gather(self.parts["id"], tracks) * tf.gather(self.has_id, tracks)[:, tf.newaxis]

    def track_vectors(self, base: Any) -> Any:
        """Unit vectors of what is known of tracks [B, D]."""
        hidden = tf.nn.relu(base @ self.parts["track_in"] + self.parts["track_bias"])
        return _unit(base + hidden @ self.parts["track_out"])

    def user_vectors(self, base: Any, tracks: Any, frequent: Any, rhythm: Any) -> Any:
        """Unit vectors [S, D] of Sequences whose codes are rows of `base`, -1: none."""
        # a last row of zeros answers -1
        full = tf.pad(base, [[0, 1], [0, 0]])
        pools = [_pooled(full, tracks, recency_weights()), _pooled(full, frequent, frequency_weights())]
        flat = tf.concat([*(tf.reshape(p, [-1, p.shape[1] * self.options.size]) for p in pools), rhythm], axis=1)
        hidden = tf.nn.relu(flat @ self.parts["user_in"] + self.parts["user_bias"])
        return _unit(flat @ self.parts["user_linear"] + hidden @ self.parts["user_out"])

    def compute_loss(self, inputs: Tensors, training: bool = False) -> Any:
        """Mean softmax loss of one batch, see tower_batches.py."""
        described, own = self.described(inputs["present"]), self.own(inputs["present"])
        users = self.user_vectors(described + own, inputs["tracks"], inputs["frequent"], inputs["rhythm"])
        shown = tf.gather(own, inputs["code"]) * inputs["shown"][:, tf.newaxis]
        total = self.task(
            tf.gather(users, inputs["row"]),
            self.track_vectors(tf.gather(described, inputs["code"]) + shown),
            candidate_sampling_probability=inputs["probability"] if self.options.is_logq else None,
            score_mask=_is_compared(inputs["row"], inputs["code"]),
            compute_metrics=False,
        )
        return total / tf.cast(tf.shape(inputs["row"])[0], tf.float32)


def _is_compared(row: Any, code: Any) -> Any:
    """Which track [C] counts for which pair [P]: its own, and those that its user did not play in the batch."""
    pairs, others = tf.shape(row)[0], tf.shape(code)[0] - tf.shape(row)[0]
    is_same = code[:pairs, tf.newaxis] == code[tf.newaxis, :]
    is_users = tf.pad(row[:, tf.newaxis] == row[tf.newaxis, :], [[0, 0], [0, others]])
    return tf.eye(pairs, pairs + others, dtype=tf.bool) | ~(is_same | is_users)


def _rows(table: Any, rows: Any) -> Any:
    """Sum of rows [B, L] of a table over L; row 0, the unknown, brings nothing: [B, D]."""
    is_known = tf.cast(rows > 0, tf.float32)[..., tf.newaxis]
    return tf.reduce_sum(tf.gather(table, rows) * is_known, axis=1) / rows.shape[1]


def _pooled(rows: Any, places: Any, weights: np.ndarray) -> Any:
    """Weighted means [S, P, D] of the rows at places [S, L], by weights [L, P]."""
    share = tf.cast(places >= 0, tf.float32)[..., tf.newaxis] * weights
    share /= tf.maximum(tf.reduce_sum(share, axis=1, keepdims=True), SMALL)
    found = tf.gather(rows, tf.where(places >= 0, places, tf.shape(rows)[0] - 1))
    return tf.matmul(share, found, transpose_a=True)


def signature() -> dict[str, Any]:
    """Return the tensors of a batch of any size."""
    return {
        "present": tf.TensorSpec([None], tf.int32),
        "tracks": tf.TensorSpec([None, SEQUENCE_LENGTH], tf.int32),
        "frequent": tf.TensorSpec([None, FREQUENT_LENGTH], tf.int32),
        "rhythm": tf.TensorSpec([None, DAY_PARTS], tf.float32),
        "row": tf.TensorSpec([None], tf.int32),
        "code": tf.TensorSpec([None], tf.int32),
        "shown": tf.TensorSpec([None], tf.float32),
        "probability": tf.TensorSpec([None], tf.float32),
    }


def _unit(vectors: Any) -> Any:
    return tf.math.l2_normalize(vectors, axis=1, epsilon=SMALL)
