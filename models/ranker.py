"""The TFRS ranking model: dense features and how well the candidate matches the recent tracks, crossed by DCN-v2.

dense  -> squash -> standardise ------------------------+
artist -> embedding ------------------------------------+
track  -> embedding ----------+                         +-> Cross -> ... -> MLP -> logit
                              +-> product, and its sum -+
recent -> same table -> mean -+
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models._tensorflow import tf  # isort: split

import tensorflow_recommenders as tfrs

from models.contract import FeatureSpec

Tensors = Mapping[str, Any]
DENSE_LIMIT = 8.0  # in standard deviations: what no example came near must not carry a score away


@dataclass(frozen=True)
class RankerOptions:
    """The hyper-parameters."""

    embedding_size: int
    cross_layers: int
    hidden: tuple[int, ...]  # units of each layer of the MLP
    learning_rate: float  # of Adagrad
    batch_size: int
    num_epochs: int
    id_dropout: float  # share of examples whose track (and artist) is shown as unknown
    seed: int


@dataclass(frozen=True)
class DenseScale:
    """Mean and standard deviation of every squashed dense feature, float32 [F]."""

    mean: np.ndarray
    deviation: np.ndarray


class RankingModel(tfrs.Model):
    """P(played | candidate, user). DCN-v2: Wang et al. 2020, https://arxiv.org/abs/2008.13535.

    The embeddings of the candidate and of the recent tracks enter as their product only: given to the cross layers
    as they are, they let it learn single users by heart (30Music, three epochs: AUC .83, as they are .72, neither .81).
    """

    def __init__(self, spec: FeatureSpec, options: RankerOptions, scale: DenseScale) -> None:
        """Lay out the layers; every initial weight follows from `options.seed`."""
        super().__init__()
        count = 3 + options.cross_layers + len(options.hidden)
        seeds = iter(np.random.SeedSequence(options.seed).generate_state(count).tolist())
        self.mean, self.deviation = tf.constant(scale.mean), tf.constant(scale.deviation)
        self.tracks = _embedding(spec.num_tracks, options.embedding_size, next(seeds))
        self.artists = _embedding(spec.num_artists, options.embedding_size, next(seeds))
        self.crosses = [
            tfrs.layers.dcn.Cross(kernel_initializer=_glorot(next(seeds))) for _ in range(options.cross_layers)
        ]
        self.hidden = [_dense(units, "relu", next(seeds)) for units in options.hidden]
        self.logit = _dense(1, None, next(seeds))
        self.task = tfrs.tasks.Ranking(loss=tf.keras.losses.BinaryCrossentropy(from_logits=True))

    def call(self, features: Tensors) -> Any:
        """Return the logit of a play, float32 [B, 1]."""
        match = self.tracks(features["track"]) * self._taste(features["recent"])
        affinity = tf.reduce_sum(match, axis=1, keepdims=True)
        artist = self.artists(features["artist"])
        inputs = tf.concat([self._standardised(features["dense"]), artist, match, affinity], axis=1)
        crossed = inputs
        for cross in self.crosses:
            crossed = cross(inputs, crossed)
        for layer in self.hidden:
            crossed = layer(crossed)
        return self.logit(crossed)

    def _standardised(self, dense: Any) -> Any:
        squashed = tf.sign(dense) * tf.math.log1p(tf.abs(dense))
        return tf.clip_by_value((squashed - self.mean) / self.deviation, -DENSE_LIMIT, DENSE_LIMIT)

    def _taste(self, recent: Any) -> Any:
        """Mean embedding of the recent tracks; zero where there is none."""
        is_known = tf.cast(recent > 0, tf.float32)[:, :, tf.newaxis]
        total = tf.reduce_sum(self.tracks(recent) * is_known, axis=1)
        return total / tf.maximum(tf.reduce_sum(is_known, axis=1), 1.0)

    def compute_loss(self, inputs: tuple[Tensors, Any], training: bool = False) -> Any:
        """Mean binary cross-entropy of one batch of (features, label)."""
        features, label = inputs
        return self.task(labels=label[:, tf.newaxis], predictions=self(features), compute_metrics=False)

    def exported(self, spec: FeatureSpec) -> Any:
        """Return a tf.Module of weights and a function `probability` on named tensors, free of Keras."""

        def probability(dense: Any, track: Any, artist: Any, recent: Any) -> Tensors:
            logit = self({"dense": dense, "track": track, "artist": artist, "recent": recent})
            return {"probability": tf.squeeze(tf.sigmoid(logit), axis=1)}

        module = tf.Module()
        module.weights = self.variables
        module.probability = tf.function(probability, input_signature=list(signature(spec).values()))
        return module


def signature(spec: FeatureSpec) -> Tensors:
    """Return the tensors of a Batch of any number of rows, in the order of INPUTS."""
    return {
        "dense": tf.TensorSpec([None, len(spec.dense)], tf.float32, "dense"),
        "track": tf.TensorSpec([None], tf.int32, "track"),
        "artist": tf.TensorSpec([None], tf.int32, "artist"),
        "recent": tf.TensorSpec([None, spec.recent_length], tf.int32, "recent"),
    }


def _embedding(num_ids: int, size: int, seed: int) -> Any:
    spread = tf.keras.initializers.RandomNormal(stddev=size**-0.5, seed=seed)
    return tf.keras.layers.Embedding(num_ids + 1, size, embeddings_initializer=spread)


def _dense(units: int, activation: str | None, seed: int) -> Any:
    return tf.keras.layers.Dense(units, activation=activation, kernel_initializer=_glorot(seed))


def _glorot(seed: int) -> Any:
    return tf.keras.initializers.GlorotUniform(seed=seed)
