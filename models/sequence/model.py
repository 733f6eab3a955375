"""The sequence model: what a listener plays next, mixed of three experts by a gate that is learned.

plays of a window -> item + action + gap + daypart + question -> causal transformer -> h of each play
  catalogue    softmax over all tracks of h . (id + content of the track) + bias
  pointer      softmax over the listener's own plays and memory: repeats, by what was played, how often and how lately
  successors   softmax over the tracks that followed the last five plays, by ln of their counts
  gate         softmax of h and of how much the last two know
The probability of a track is the sum over the experts (a mixture of softmaxes: Yang et al., ICLR 2018; pointers: Merity
et al., ICLR 2017), so no expert needs to learn what another one counts.
"""

from collections.abc import Mapping

import numpy as np

from models._tensorflow import Tensor, tf  # isort: split

import tensorflow_recommenders as tfrs

from models.sequence.contract import SequenceOptions
from models.sequence.successors import SUCCESSORS_LISTED
from models.sequence.track_vectors import ContentVectors
from models.sequence.transformer import NEVER, Tensors, age_features, dropped, encode_plays, rms_norm
from models.towers.contract import TrackContent

# Tables of tracks, with a step size for each number (Adagrad); all other weights are of the layers (Adam).
TRACK_TABLES = ("item_in", "item_out", "item_bias")
_PLACES = np.repeat(np.arange(len(SUCCESSORS_LISTED)), SUCCESSORS_LISTED)
_FEEDBACK_UNITS = 64


def initial_experts(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the first weights of the experts, the gate and the feedback heads.

    They begin as what they generalise: the pointer as base-level activation with decay 1 / 2, the successors as shares
    of their counts.
    """
    places = len(SUCCESSORS_LISTED)
    return {
        "pointer_query": np.zeros((size, size)),
        "pointer_key": rng.standard_normal((size, size)) / np.sqrt(size),
        "pointer_age": np.array([-0.5, 0.0]),
        "pointer_strength": np.array([1.0, 0.0]),
        "successor_out": np.zeros((size, 2 * places)),
        "successor_bias": np.concatenate([np.ones(places), -np.arange(places)]),
        "gate_out": np.zeros((size + 2, 3)),
        "gate_bias": np.array([0.0, -1.0, 1.0]),
        "feedback_in": rng.standard_normal((2 * size, _FEEDBACK_UNITS)) / np.sqrt(2 * size),
        "feedback_out": np.zeros((_FEEDBACK_UNITS, 3)),
        "feedback_bias": np.array([-2.0, 0.0, -4.0]),
    }


class SequenceModel(tfrs.Model):
    """Log-probabilities of the next play."""

    def __init__(
        self, options: SequenceOptions, weights: Mapping[str, np.ndarray], content: TrackContent | None = None
    ) -> None:
        """Start from weights by name, see start.py; without content the tables hold the whole vectors of tracks."""
        super().__init__()
        self.options = options
        self.content = None if content is None else ContentVectors(content)
        # a track without plays has no vector of its own, and is no wrong answer to learn from
        self.plays = None if content is None else tf.constant(content.num_plays.astype(np.float32))
        self.parts = {name: tf.Variable(value, name=name, dtype=tf.float32) for name, value in weights.items()}
        self.next_task = tfrs.tasks.Ranking(loss=_mean_loss)
        self.feedback_task = tfrs.tasks.Ranking(loss=_feedback_loss)

    @property
    def num_tracks(self) -> int:
        """Return the number of tracks."""
        return int(self.parts["item_bias"].shape[0])

    def compute_loss(self, inputs: Tensors, training: bool = False) -> Tensor:
        """Compute the mean loss of a batch of training_batch(), with `seed` [2] for dropout."""
        encoded = self.encode(inputs, inputs["seed"])
        states = rows_at(encoded["h"], inputs["position"])
        likelihood = self._likelihoods(states, encoded, inputs)
        following = self.next_task(
            labels=likelihood, predictions=likelihood, sample_weight=inputs["weight"], compute_metrics=False
        )
        judged = self.judge(states, inputs["target"], inputs)
        feedback = self.feedback_task(labels=inputs["feedback"], predictions=judged, compute_metrics=False)
        return following + self.options.feedback_weight * feedback

    def encode(self, inputs: Tensors, seed: Tensor | None = None) -> Tensors:
        """Return the states `h` of all plays [S, L, D], and the embedded plays and ages that the pointer reads."""
        embedded = self.embed_tracks("item_in", inputs["track"], inputs)
        for name in ("action", "gap", "daypart"):
            embedded += tf.gather(self.parts[name], inputs[name])
        asked = embedded + tf.gather(self.parts["query"], inputs["query"])
        ages = age_features(inputs)
        x = dropped(asked, self.options.dropout, seed, 100)
        layers = {name: value for name, value in self.parts.items() if name.startswith("layer")}
        x = encode_plays(x, ages, layers, self.options.num_heads, seed, self.options.dropout)
        return {"h": rms_norm(x, self.parts["final_norm"]), "embedded": embedded, "ages": ages}

    def catalogue_scores(self, states: Tensor, inputs: Tensors, is_training: bool = False) -> Tensor:
        """Return the scores of all tracks in the softmax over the catalogue [P, N]; in training only of played ones."""
        vectors = self.embed_tracks("item_out", tf.range(self.num_tracks), inputs)
        bias = self.parts["item_bias"]
        if is_training and self.plays is not None:
            bias = bias + tf.where(self.plays > 0, 0.0, NEVER)
        # the bias as a column of its own: adding it would write the matrix once more
        padded = tf.concat([states, tf.ones([tf.shape(states)[0], 1])], axis=1)
        return tf.matmul(padded, tf.concat([vectors, bias[:, tf.newaxis]], axis=1), transpose_b=True)

    def pointer_scores(self, encoded: Tensors, inputs: Tensors) -> tuple[Tensor, Tensor]:
        """Return tracks and scores [P, L + M] of the listener's plays up to each position, and of the memory."""
        length, position = tf.shape(inputs["track"])[1], inputs["position"]
        memory = self.embed_tracks("item_in", inputs["memory"], inputs)
        keys = tf.concat([encoded["embedded"], memory], axis=1) @ self.parts["pointer_key"]
        query = encoded["h"] @ self.parts["pointer_query"] / np.sqrt(self.options.size)
        alike = rows_at(tf.matmul(query, keys, transpose_b=True), position)
        age = tf.tensordot(rows_at(encoded["ages"], position), self.parts["pointer_age"], 1)
        strong, constant = tf.unstack(self.parts["pointer_strength"])
        strength = tf.gather(strong * inputs["strength"] + constant, position // length)
        tracks = tf.gather(tf.concat([inputs["track"], inputs["memory"]], axis=1), position // length)
        is_before = tf.range(length) <= (position % length)[:, tf.newaxis]
        is_known = tf.concat([is_before, tf.ones_like(strength, dtype=tf.bool)], axis=1) & (tracks >= 0)
        return tracks, tf.where(is_known, alike + tf.concat([age, strength], axis=1), NEVER)

    def successor_scores(self, states: Tensor, inputs: Tensors) -> Tensor:
        """Return the scores [P, K] of the successors of the last plays."""
        learned = states @ self.parts["successor_out"] + self.parts["successor_bias"]
        slope, offset = tf.split(tf.gather(learned, np.concatenate([_PLACES, _PLACES + 5]), axis=1), 2, axis=1)
        is_one = inputs["frequency"] > NEVER
        return tf.where(is_one, slope * tf.where(is_one, inputs["frequency"], 0.0) + offset, NEVER)

    def log_gates(self, states: Tensor, pointer: Tensor, frequency: Tensor) -> Tensor:
        """Return ln of the weight of each expert [P, 3]; one that knows nothing has none."""
        plays = tf.reduce_sum(tf.cast(pointer > NEVER / 2, tf.float32), axis=1)
        counted = tf.reduce_sum(tf.exp(tf.maximum(frequency[:, : SUCCESSORS_LISTED[0]], -20.0)), axis=1)
        known = tf.math.log1p(tf.stack([plays, counted], axis=1))
        scores = tf.concat([states, known], axis=1) @ self.parts["gate_out"] + self.parts["gate_bias"]
        knows = tf.stack([tf.ones_like(plays), plays, tf.reduce_max(frequency, axis=1) - NEVER], axis=1) > 0
        return tf.nn.log_softmax(tf.where(knows, scores, NEVER))

    def judge(self, states: Tensor, track: Tensor, inputs: Tensors) -> Tensor:
        """Return the log-odds of skip, completion and save [P, 3] of a track played next."""
        pairs = tf.concat([states, self.embed_tracks("item_out", track, inputs)], axis=1)
        hidden = tf.nn.relu(pairs @ self.parts["feedback_in"])
        return hidden @ self.parts["feedback_out"] + self.parts["feedback_bias"]

    def _likelihoods(self, states: Tensor, encoded: Tensors, inputs: Tensors) -> Tensor:
        """Return ln of the probability of each target: [P]."""
        target = inputs["target"]
        catalogue = self._catalogue_likelihoods(states, target, inputs)
        tracks, pointer = self.pointer_scores(encoded, inputs)
        successors = self.successor_scores(states, inputs)
        experts = [
            catalogue,
            _log_share(pointer, tracks == target[:, tf.newaxis]),
            _log_share(successors, inputs["successor"] == target[:, tf.newaxis]),
        ]
        gates = self.log_gates(states, pointer, inputs["frequency"])
        return tf.reduce_logsumexp(gates + tf.stack(experts, axis=1), axis=1)

    def _catalogue_likelihoods(self, states: Tensor, target: Tensor, inputs: Tensors) -> Tensor:
        """Return ln of the share of each target in the softmax over all tracks, or sampled ones above the limit."""
        if self.num_tracks <= self.options.max_full_tracks:
            # one fused operation: a chain of them would write a matrix [P, N] for each
            scores = self.catalogue_scores(states, inputs, is_training=True)
            return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=scores)
        return self._sampled_likelihoods(states, target, inputs)

    def _sampled_likelihoods(self, states: Tensor, target: Tensor, inputs: Tensors) -> Tensor:
        """Estimate the same from the tracks of the batch and uniformly drawn ones.

        A negative stands for 1 / (the probability that it is among them) others: logQ (Yi et al., RecSys 2019). The
        target itself is never a negative, and its own score is exact.
        """
        sampled = tf.unique(tf.concat([target, inputs["negative"]], axis=0))[0]
        drawn = tf.cast(tf.shape(target)[0], tf.float32) * tf.gather(self.plays / tf.reduce_sum(self.plays), sampled)
        drawn += tf.cast(tf.shape(inputs["negative"])[0], tf.float32) / self.num_tracks
        vectors = self.embed_tracks("item_out", sampled, inputs)
        scores = tf.matmul(states, vectors, transpose_b=True) + tf.gather(self.parts["item_bias"], sampled)
        is_own = sampled[tf.newaxis, :] == target[:, tf.newaxis]
        own = tf.reduce_logsumexp(tf.where(is_own, scores, NEVER), axis=1)
        others = scores - tf.math.log(-tf.math.expm1(-drawn))
        return -tf.nn.softplus(tf.reduce_logsumexp(tf.where(is_own, NEVER, others), axis=1) - own)

    def embed_tracks(self, table: str, track: Tensor, inputs: Tensors) -> Tensor:
        """Return the vectors of tracks [...] in a table: own, and of their content; NO_TRACK has a row of its own."""
        row = tf.where(track >= 0, track, self.num_tracks)
        own = tf.gather(self.parts[table], row)
        if self.content is None or self.content.is_empty:
            return own
        content = self.content.of(tf.maximum(track, 0), self.parts)
        is_track = tf.cast(track >= 0, tf.float32)[..., tf.newaxis]
        return own * tf.gather(inputs["has_id"], row)[..., tf.newaxis] + content * is_track


def rows_at(values: Tensor, position: Tensor) -> Tensor:
    """Return the rows of values [S, L, ...] at flat positions [P]."""
    shape = tf.shape(values)
    return tf.gather(tf.reshape(values, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0)), position)


def _log_share(scores: Tensor, is_target: Tensor) -> Tensor:
    """Return ln of the share of the target's entries in a softmax of scores [P, K]: very low where it has none."""
    own = tf.reduce_logsumexp(tf.where(is_target, scores, NEVER), axis=1)
    return own - tf.reduce_logsumexp(scores, axis=1)


def _mean_loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Tensor:
    """Return the weighted mean of -ln of the probabilities."""
    return -tf.reduce_sum(sample_weight * y_pred) / tf.maximum(tf.reduce_sum(sample_weight), 1.0)


def _feedback_loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Tensor:
    """Return the mean cross-entropy of the labels that are known."""
    is_known = tf.cast(y_true >= 0, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(y_true, 0.0), y_pred) * is_known
    return tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(is_known), 1.0)


def scoring_signature() -> dict[str, Tensor]:
    """Return the types of the inputs of a scoring step, for batches of any size: see scoring_batch()."""
    integers = ("track", "action", "gap", "daypart", "query", "memory", "successor")
    numbers = ("minutes", "asked", "strength", "frequency")
    return {
        **{name: tf.TensorSpec([None, None], tf.int32) for name in integers},
        **{name: tf.TensorSpec([None, None], tf.float32) for name in numbers},
        **{name: tf.TensorSpec([None], tf.int32) for name in ("length", "position")},
    }


def training_signature() -> dict[str, Tensor]:
    """Return the types of the inputs of a training step: see training_batch()."""
    return {
        **scoring_signature(),
        **{name: tf.TensorSpec([None], tf.int32) for name in ("target", "negative")},
        **{name: tf.TensorSpec([None], tf.float32) for name in ("weight", "has_id")},
        "feedback": tf.TensorSpec([None, 3], tf.float32),
        "seed": tf.TensorSpec([2], tf.int32),
    }
