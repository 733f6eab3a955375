"""The TFRS ranking model: embeddings and dense features, crossed by DCN-v2, to one probability.

dense  -> squash -> standardise -------------------------+
track  -> embedding ------------+------------------------+
recent -> same table -> mean ---+-- product, and its sum -+-> Cross ... -> MLP -> sigmoid
artist -> embedding -------------------------------------+
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.contract import FeatureSpec

Tensors = dict[str, Any]
INPUTS = ("dense", "track", "artist", "recent")
DENSE_LIMIT = 8.0  # in standard deviations: what no example came near must not carry a score away


@dataclass(frozen=True)
class RankerOptions:
    """The hyper-parameters."""

    embedding_size: int
    cross_layers: int
    hidden: tuple[int, ...]  # units of each layer of the MLP
    learning_rate: float
    batch_size: int
    num_epochs: int
    id_dropout: float  # share of examples whose track (and artist) is shown as unknown, so that row 0 learns
    seed: int


@dataclass(frozen=True)
class DenseScale:
    """Mean and standard deviation of every squashed dense feature, float32 [F]."""

    mean: np.ndarray
    deviation: np.ndarray


class RankingModel(tfrs.Model):
    """P(played | candidate, user). DCN-v2: Wang et al. 2020, https://arxiv.org/abs/2008.13535."""

    def __init__(self, spec: FeatureSpec, options: RankerOptions, scale: DenseScale) -> None:
        """Lay out the layers; every initial weight follows from `options.seed`."""
        super().__init__()
        seeds = iter(
            np.random.SeedSequence(options.seed).generate_state(8 + options.cross_layers + len(options.hidden))
        )
        self.mean, self.deviation = tf.constant(scale.mean), tf.constant(scale.deviation)
        self.tracks = _embedding(spec.num_tracks, options, next(seeds))
        self.artists = _embedding(spec.num_artists, options, next(seeds))
        self.crosses = [
            tfrs.layers.dcn.Cross(kernel_initializer=_glorot(next(seeds))) for _ in range(options.cross_layers)
        ]
        self.hidden = [
            tf.keras.layers.Dense(units, activation="relu", kernel_initializer=_glorot(next(seeds)))
            for units in options.hidden
        ]
        self.logit = tf.keras.layers.Dense(1, kernel_initializer=_glorot(next(seeds)))
        self.task = tfrs.tasks.Ranking(loss=tf.keras.losses.BinaryCrossentropy(from_logits=True))

    def call(self, features: Tensors) -> Any:
        """Return the logit of a play, float32 [B]."""
        track = self.tracks(features["track"])
        taste = self._taste(features["recent"])
        match = track * taste
        dense = tf.clip_by_value((squash(features["dense"]) - self.mean) / self.deviation, -DENSE_LIMIT, DENSE_LIMIT)
        artist = self.artists(features["artist"])
        inputs = tf.concat([dense, track, artist, taste, match, tf.reduce_sum(match, axis=1, keepdims=True)], axis=1)
        crossed = inputs
        for cross in self.crosses:
            crossed = cross(inputs, crossed)
        for layer in self.hidden:
            crossed = layer(crossed)
        return tf.squeeze(self.logit(crossed), axis=1)

    def _taste(self, recent: Any) -> Any:
        """Mean embedding of the recent tracks; zero where there is none."""
        is_known = tf.cast(recent > 0, tf.float32)[:, :, tf.newaxis]
        total = tf.reduce_sum(self.tracks(recent) * is_known, axis=1)
        return total / tf.maximum(tf.reduce_sum(is_known, axis=1), 1.0)

    def compute_loss(self, inputs: tuple[Tensors, Any], training: bool = False) -> Any:
        """Mean binary cross-entropy of one batch of (features, label)."""
        features, label = inputs
        return self.task(labels=label[:, tf.newaxis], predictions=self(features)[:, tf.newaxis], compute_metrics=False)


def squash(dense: Any) -> Any:
    """Compress heavy tails on both sides: sign(x) log(1 + |x|)."""
    return tf.sign(dense) * tf.math.log1p(tf.abs(dense))


def _embedding(num_ids: int, options: RankerOptions, seed: int) -> Any:
    spread = tf.keras.initializers.RandomNormal(stddev=options.embedding_size**-0.5, seed=int(seed))
    return tf.keras.layers.Embedding(num_ids + 1, options.embedding_size, embeddings_initializer=spread)


def _glorot(seed: int) -> Any:
    return tf.keras.initializers.GlorotUniform(seed=int(seed))


def input_signature(spec: FeatureSpec) -> Tensors:
    """The tensors of a Batch, any number of rows."""
    return {
        "dense": tf.TensorSpec([None, len(spec.dense)], tf.float32, "dense"),
        "track": tf.TensorSpec([None], tf.int32, "track"),
        "artist": tf.TensorSpec([None], tf.int32, "artist"),
        "recent": tf.TensorSpec([None, spec.recent_length], tf.int32, "recent"),
    }
