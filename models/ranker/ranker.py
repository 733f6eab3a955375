"""The TFRS ranking model: a correction of the merged ranking's log-odds, one head per reward on a shared bottom.

dense  -> squash -> standardise ------------------------+
artist -> embedding ------------------------------------+
track  -> embedding ----------+                         +-> Cross -> ... -> MLP -> correction of each head
                              +-> product, and its sum -+                               |
recent -> same table -> mean -+                                                         +-> logits -> Platt
base   -> log-odds -> times slope, plus intercept of each head -------------------------+
                                                                                        |
place and surface at which it was shown -> a number of each head, in training alone ----+
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models._tensorflow import tf  # isort: split

import tensorflow_recommenders as tfrs

from models.ranker.contract import IMPRESSION_INPUTS, PROPENSITY, FeatureSpec

_Tensors = Mapping[str, Any]
_DENSE_LIMIT = 8.0  # in standard deviations: what no example came near must not carry a score away
_MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class RankerOptions:
    """The hyper-parameters."""

    base: str  # the dense feature that is a chance already: every head starts from its log-odds
    embedding_size: int
    cross_layers: int
    hidden: tuple[int, ...]  # units of each layer of the MLP
    learning_rate: float  # of Adagrad
    batch_size: int
    num_epochs: int  # at most; the best by the loss of later examples is kept
    id_dropout: float  # share of examples whose track (and artist, and exposure) is shown as unknown
    min_propensity: float  # what was shown counts by the inverse of its propensity, taken to be at least this; 1: as 1
    seed: int


@dataclass(frozen=True)
class Scales:
    """What is learned of the examples before the weights.

    mean, deviation: of every squashed dense feature, float32 [F]. intercept: of each head, float32 [H], with which its
    mean log-odds are those of its label. inverse_propensity: mean of what has one, by which weights are divided.
    """

    mean: np.ndarray
    deviation: np.ndarray
    intercept: np.ndarray
    inverse_propensity: float


class RankingModel(tfrs.Model):
    """P(reward | candidate, user). DCN-v2: Wang et al. 2020, https://arxiv.org/abs/2008.13535.

    The last layer starts at 0: an untrained model ranks as its base does, and there is nothing to unlearn where
    examples are few. The embeddings of the candidate and of the recent tracks enter as their product only: given to the
    cross layers as they are, they let it learn single users by heart (30Music, three epochs: AUC .83, as they are .72,
    neither .81).
    """

    def __init__(self, spec: FeatureSpec, options: RankerOptions, scales: Scales) -> None:
        """Lay out the layers; every initial weight follows from `options.seed`."""
        super().__init__()
        count = 2 + options.cross_layers + len(options.hidden)
        seeds = iter(np.random.SeedSequence(options.seed).generate_state(count).tolist())
        self.mean, self.deviation = tf.constant(scales.mean), tf.constant(scales.deviation)
        self.base = spec.dense.index(options.base)
        # All have names of their own: TensorFlow adds up in their order, and Keras numbers its own through a process.
        self.tracks = _embedding("tracks", spec.num_tracks, options.embedding_size, next(seeds))
        self.artists = _embedding("artists", spec.num_artists, options.embedding_size, next(seeds))
        self.crosses = [
            tfrs.layers.dcn.Cross(kernel_initializer=_glorot(next(seeds)), name=f"cross{place:03}")
            for place in range(options.cross_layers)
        ]
        self.hidden = [
            tf.keras.layers.Dense(units, "relu", kernel_initializer=_glorot(next(seeds)), name=f"hidden{place:03}")
            for place, units in enumerate(options.hidden)
        ]
        self.correction = tf.keras.layers.Dense(len(spec.heads), kernel_initializer="zeros", name="correction")
        self.slope = tf.Variable(tf.ones(len(spec.heads)), name="slope")
        self.intercept = tf.Variable(scales.intercept, name="intercept")
        # Zhao et al., RecSys 2019, https://doi.org/10.1145/3298689.3346997: added to the logits, left out of scores
        self.exposure = [
            tf.Variable(tf.zeros([rows, len(spec.heads)]), name=name) for name, rows in IMPRESSION_INPUTS.items()
        ]
        self.min_propensity, self.inverse_propensity = options.min_propensity, scales.inverse_propensity
        self.platt = tf.Variable(tf.stack([tf.ones(len(spec.heads)), tf.zeros(len(spec.heads))]), False, name="platt")
        loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        self.tasks = [tfrs.tasks.Ranking(loss=loss, name=f"task{place:03}") for place in range(len(spec.heads))]

    def call(self, features: _Tensors) -> Any:
        """Return the logit of each reward, float32 [B, H]."""
        match = self.tracks(features["track"]) * self._taste(features["recent"])
        affinity = tf.reduce_sum(match, axis=1, keepdims=True)
        artist = self.artists(features["artist"])
        inputs = tf.concat([self._standardised(features["dense"]), artist, match, affinity], axis=1)
        crossed = inputs
        for cross in self.crosses:
            crossed = cross(inputs, crossed)
        return self._log_odds(features["dense"]) * self.slope + self.intercept + self.corrections(crossed)

    def corrections(self, crossed: Any) -> Any:
        """Return what is added to the log-odds of the base, float32 [B, H]."""
        for layer in self.hidden:
            crossed = layer(crossed)
        return self.correction(crossed)

    def _log_odds(self, dense: Any) -> Any:
        """Log-odds of the base, float32 [B, 1]."""
        chance = tf.clip_by_value(dense[:, self.base : self.base + 1], _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        return tf.math.log(chance) - tf.math.log1p(-chance)

    def _standardised(self, dense: Any) -> Any:
        squashed = tf.sign(dense) * tf.math.log1p(tf.abs(dense))
        return tf.clip_by_value((squashed - self.mean) / self.deviation, -_DENSE_LIMIT, _DENSE_LIMIT)

    def _taste(self, recent: Any) -> Any:
        """Mean embedding of the recent tracks; zero where there is none."""
        is_known = tf.cast(recent > 0, tf.float32)[:, :, tf.newaxis]
        total = tf.reduce_sum(self.tracks(recent) * is_known, axis=1)
        return total / tf.maximum(tf.reduce_sum(is_known, axis=1), 1.0)

    def _bias(self, exposure: _Tensors) -> Any:
        """What being shown there adds to the logits, float32 [B, H]; 0 where it is not known."""
        tables = zip(self.exposure, IMPRESSION_INPUTS, strict=True)
        rows = [(table, exposure[name]) for table, name in tables]
        return tf.add_n([tf.gather(table, row) * tf.cast(row > 0, tf.float32)[:, tf.newaxis] for table, row in rows])

    def _importance(self, propensity: Any) -> Any:
        """Inverse propensity, clipped and self-normalised: what was shown weighs 1 on average, as does the rest."""
        inverse = 1.0 / tf.maximum(propensity, self.min_propensity)
        return tf.where(tf.math.is_finite(propensity), inverse / self.inverse_propensity, 1.0)

    def compute_loss(self, inputs: tuple[_Tensors, Any], training: bool = False) -> Any:
        """Cross-entropy of one batch of (features, label [B, H]), summed over heads; NaN labels do not count."""
        features, labels = inputs
        logits = self(features) + self._bias(features)
        is_settled = tf.math.is_finite(labels)
        importance = self._importance(features[PROPENSITY])[:, tf.newaxis]
        known, weight = tf.where(is_settled, labels, 0.0), tf.cast(is_settled, tf.float32) * importance
        losses = [
            task(
                labels=known[:, head : head + 1],
                predictions=logits[:, head : head + 1],
                sample_weight=weight[:, head],
                compute_metrics=False,
            )
            for head, task in enumerate(self.tasks)
        ]
        return tf.add_n(losses)

    def exported(self, spec: FeatureSpec) -> Any:
        """Return a tf.Module of weights and a function `probability` on named tensors, free of Keras."""

        def probability(dense: Any, track: Any, artist: Any, recent: Any) -> _Tensors:
            logits = self({"dense": dense, "track": track, "artist": artist, "recent": recent})
            return {"probability": tf.sigmoid(logits * self.platt[0] + self.platt[1])}

        module = tf.Module()
        module.weights = self.variables
        module.probability = tf.function(probability, input_signature=list(batch_signature(spec).values()))
        return module


def batch_signature(spec: FeatureSpec) -> _Tensors:
    """Return the tensors of a Batch of any number of rows, in the order of INPUTS."""
    return {
        "dense": tf.TensorSpec([None, len(spec.dense)], tf.float32, "dense"),
        "track": tf.TensorSpec([None], tf.int32, "track"),
        "artist": tf.TensorSpec([None], tf.int32, "artist"),
        "recent": tf.TensorSpec([None, spec.recent_length], tf.int32, "recent"),
    }


def example_signature(spec: FeatureSpec) -> _Tensors:
    """Return the tensors of the features of any number of Examples."""
    exposure = {name: tf.TensorSpec([None], tf.int32, name) for name in IMPRESSION_INPUTS}
    return {**batch_signature(spec), **exposure, PROPENSITY: tf.TensorSpec([None], tf.float32, PROPENSITY)}


def _embedding(name: str, num_ids: int, size: int, seed: int) -> Any:
    spread = tf.keras.initializers.RandomNormal(stddev=size**-0.5, seed=seed)
    return tf.keras.layers.Embedding(num_ids + 1, size, embeddings_initializer=spread, name=name)


def _glorot(seed: int) -> Any:
    return tf.keras.initializers.GlorotUniform(seed=seed)
