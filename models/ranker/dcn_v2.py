"""The DCN-v2 ranker: a correction of the blend's log-odds, with one head for each reward on a shared bottom.

dense  -> signed_log1p -> standardise ------------------+
artist -> embedding ------------------------------------+
track  -> embedding ----------+                         +-> Cross -> ... -> MLP -> correction of each head
                              +-> product, and its sum -+                               |
recent -> same table -> mean -+                                                         +-> logits -> Platt
base   -> log-odds -> times slope, plus intercept of each head -------------------------+
                                                                                        |
position and surface of the impression -> a bias of each head, in training only --------+
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models._tensorflow import tf  # isort: split

import tensorflow_recommenders as tfrs

from models.ranker.contract import IMPRESSION_INPUTS, PROPENSITY, FeatureSpec
from models.ranker.entry import RankerOptions

_Tensors = Mapping[str, tf.Tensor]
# In standard deviations: a value far from those of all examples must not carry a score away.
_DENSE_LIMIT = 8.0
_MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Scales:
    """Statistics of the examples that the model is built with.

    mean, deviation: of signed_log1p of every dense feature, float32 [F]. intercept: of each head, float32 [H]; with it
        the head's mean log-odds equal those of its label. inverse_propensity: mean over the impressions with a
        propensity, by which importance weights are divided.
    """

    mean: np.ndarray
    deviation: np.ndarray
    intercept: np.ndarray
    inverse_propensity: float


class RankingModel(tfrs.Model):
    """P(reward | candidate, user). DCN-v2: Wang et al. 2020, https://arxiv.org/abs/2008.13535.

    The last layer starts at 0: an untrained model ranks as its base does, and has nothing to unlearn where examples are
    few. The embeddings of the candidate and of the recent tracks enter only as their product: entered separately, they
    let the cross layers overfit to single users (30Music, three epochs: AUC .83, separately .72, without both .81).
    """

    def __init__(self, spec: FeatureSpec, options: RankerOptions, scales: Scales) -> None:
        """Create the layers; every initial weight follows from `options.seed`."""
        super().__init__()
        count = 2 + options.cross_layers + len(options.hidden)
        seeds = iter(np.random.SeedSequence(options.seed).generate_state(count).tolist())
        self.mean, self.deviation = tf.constant(scales.mean), tf.constant(scales.deviation)
        self.base = spec.dense.index(options.base)
        # Explicit names: TensorFlow sums in the order of names, and Keras numbers unnamed layers by process.
        self.tracks = _embedding("tracks", spec.num_tracks, options.embedding_size, next(seeds))
        self.artists = _embedding("artists", spec.num_artists, options.embedding_size, next(seeds))
        self.crosses = [
            tfrs.layers.dcn.Cross(kernel_initializer=_glorot(next(seeds)), name=f"cross{number:03}")
            for number in range(options.cross_layers)
        ]
        self.hidden = [
            tf.keras.layers.Dense(units, "relu", kernel_initializer=_glorot(next(seeds)), name=f"hidden{number:03}")
            for number, units in enumerate(options.hidden)
        ]
        self.correction = tf.keras.layers.Dense(len(spec.heads), kernel_initializer="zeros", name="correction")
        self.slope = tf.Variable(tf.ones(len(spec.heads)), name="slope")
        self.intercept = tf.Variable(scales.intercept, name="intercept")
        # Zhao et al., RecSys 2019, https://doi.org/10.1145/3298689.3346997: added to the logits, left out of scores
        self.impression_biases = [
            tf.Variable(tf.zeros([rows, len(spec.heads)]), name=name) for name, rows in IMPRESSION_INPUTS.items()
        ]
        self.min_propensity, self.inverse_propensity = options.min_propensity, scales.inverse_propensity
        self.platt = tf.Variable(tf.stack([tf.ones(len(spec.heads)), tf.zeros(len(spec.heads))]), False, name="platt")
        loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        self.tasks = [tfrs.tasks.Ranking(loss=loss, name=f"task{number:03}") for number in range(len(spec.heads))]

    def call(self, features: _Tensors) -> tf.Tensor:
        """Return the logit of each reward, float32 [B, H]."""
        match = self.tracks(features["track"]) * self._taste(features["recent"])
        affinity = tf.reduce_sum(match, axis=1, keepdims=True)
        artist = self.artists(features["artist"])
        inputs = tf.concat([self._standardised(features["dense"]), artist, match, affinity], axis=1)
        crossed = inputs
        for cross in self.crosses:
            crossed = cross(inputs, crossed)
        return self._log_odds(features["dense"]) * self.slope + self.intercept + self.corrections(crossed)

    def corrections(self, crossed: tf.Tensor) -> tf.Tensor:
        """Return the correction of the base's log-odds, float32 [B, H]."""
        for layer in self.hidden:
            crossed = layer(crossed)
        return self.correction(crossed)

    def _log_odds(self, dense: tf.Tensor) -> tf.Tensor:
        """Return the log-odds of the base, float32 [B, 1]."""
        probability = tf.clip_by_value(dense[:, self.base : self.base + 1], _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        return tf.math.log(probability) - tf.math.log1p(-probability)

    def _standardised(self, dense: tf.Tensor) -> tf.Tensor:
        compressed = tf.sign(dense) * tf.math.log1p(tf.abs(dense))
        return tf.clip_by_value((compressed - self.mean) / self.deviation, -_DENSE_LIMIT, _DENSE_LIMIT)

    def _taste(self, recent: tf.Tensor) -> tf.Tensor:
        """Return the mean embedding of the recent tracks; zero without any."""
        is_known = tf.cast(recent > 0, tf.float32)[:, :, tf.newaxis]
        total = tf.reduce_sum(self.tracks(recent) * is_known, axis=1)
        return total / tf.maximum(tf.reduce_sum(is_known, axis=1), 1.0)

    def _bias(self, impression: _Tensors) -> tf.Tensor:
        """Return the bias of position and surface in the logits, float32 [B, H]; 0 where they are unknown."""
        tables = zip(self.impression_biases, IMPRESSION_INPUTS, strict=True)
        rows = [(table, impression[name]) for table, name in tables]
        return tf.add_n([tf.gather(table, row) * tf.cast(row > 0, tf.float32)[:, tf.newaxis] for table, row in rows])

    def _importance(self, propensity: tf.Tensor) -> tf.Tensor:
        """Return inverse propensities, clipped and divided by their mean; 1 for rows without a propensity."""
        inverse = 1.0 / tf.maximum(propensity, self.min_propensity)
        return tf.where(tf.math.is_finite(propensity), inverse / self.inverse_propensity, 1.0)

    def compute_loss(self, inputs: tuple[_Tensors, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return the cross-entropy of (features, label [B, H]), summed over heads; NaN labels do not count."""
        features, labels = inputs
        logits = self(features) + self._bias(features)
        is_settled = tf.math.is_finite(labels)
        importance = self._importance(features[PROPENSITY])[:, tf.newaxis]
        filled, weight = tf.where(is_settled, labels, 0.0), tf.cast(is_settled, tf.float32) * importance
        losses = [
            task(
                labels=filled[:, head : head + 1],
                predictions=logits[:, head : head + 1],
                sample_weight=weight[:, head],
                compute_metrics=False,
            )
            for head, task in enumerate(self.tasks)
        ]
        return tf.add_n(losses)

    def exported(self, spec: FeatureSpec) -> tf.Module:
        """Return a tf.Module of weights and a function `probability` on named tensors, free of Keras."""

        def probability(dense: tf.Tensor, track: tf.Tensor, artist: tf.Tensor, recent: tf.Tensor) -> _Tensors:
            logits = self({"dense": dense, "track": track, "artist": artist, "recent": recent})
            return {"probability": tf.sigmoid(logits * self.platt[0] + self.platt[1])}

        module = tf.Module()
        module.weights = self.variables
        module.probability = tf.function(probability, input_signature=list(batch_signature(spec).values()))
        return module


def batch_signature(spec: FeatureSpec) -> dict[str, tf.TensorSpec]:
    """Return the tensors of a FeatureBatch of any number of rows, in the order of INPUTS."""
    return {
        "dense": tf.TensorSpec([None, len(spec.dense)], tf.float32, "dense"),
        "track": tf.TensorSpec([None], tf.int32, "track"),
        "artist": tf.TensorSpec([None], tf.int32, "artist"),
        "recent": tf.TensorSpec([None, spec.recent_length], tf.int32, "recent"),
    }


def example_signature(spec: FeatureSpec) -> dict[str, tf.TensorSpec]:
    """Return the tensors of the features of any number of Examples."""
    impression = {name: tf.TensorSpec([None], tf.int32, name) for name in IMPRESSION_INPUTS}
    return {**batch_signature(spec), **impression, PROPENSITY: tf.TensorSpec([None], tf.float32, PROPENSITY)}


def _embedding(name: str, num_ids: int, size: int, seed: int) -> tf.keras.layers.Embedding:
    spread = tf.keras.initializers.RandomNormal(stddev=size**-0.5, seed=seed)
    return tf.keras.layers.Embedding(num_ids + 1, size, embeddings_initializer=spread, name=name)


def _glorot(seed: int) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.GlorotUniform(seed=seed)
