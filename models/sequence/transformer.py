"""The layers of the sequence model in TensorFlow."""

from collections.abc import Mapping

import numpy as np

from models._tensorflow import Tensor, tf
from models.sequence.contract import NUM_ACTIONS, NUM_GAPS, NUM_QUERIES, WINDOW_DAYPARTS, WINDOW_PLAYS

Tensors = Mapping[str, Tensor]
# Added to what must not count before a softmax: its exponential is 0 in float32, and differences stay finite.
NEVER = -1e9


def initial_layers(size: int, num_layers: int, num_heads: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the first weights of embeddings of the context and of all layers, whose branches begin at zero."""

    def drawn(rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns)) / np.sqrt(rows)

    weights = {
        "action": drawn(NUM_ACTIONS, size) * 0.05,
        "gap": drawn(NUM_GAPS, size) * 0.05,
        "daypart": drawn(WINDOW_DAYPARTS, size) * 0.05,
        "query": drawn(NUM_QUERIES, size) * 0.05,
        "final_norm": np.ones(size),
    }
    for layer in range(num_layers):
        named = {
            "attention_norm": np.ones(size),
            "attention_in": drawn(size, 3 * size),
            "attention_out": np.zeros((size, size)),
            "attention_gate": np.zeros((size, size)),
            "position": np.zeros((WINDOW_PLAYS, num_heads)),
            "age": np.zeros((2, num_heads)),
            "hidden_norm": np.ones(size),
            "hidden_in": drawn(size, 4 * size),
            "hidden_out": np.zeros((4 * size, size)),
            "hidden_gate": np.zeros((size, size)),
        }
        weights |= {f"layer{layer}_{name}": value for name, value in named.items()}
    return weights


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """Divide the last axis by its root mean square (Zhang and Sennrich, NeurIPS 2019)."""
    return x * tf.math.rsqrt(tf.reduce_mean(x * x, axis=-1, keepdims=True) + 1e-6) * gain


def dropped(x: Tensor, rate: float, seed: Tensor | None, number: int) -> Tensor:
    """Drop a share of the numbers of a training step; its seed decides which ones. seed None: no training."""
    if seed is None or not rate:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate, seed=seed + [0, number])


def age_features(inputs: Tensors) -> Tensor:
    """Return what is known of the time from each play to each question: float32 [S, L, L, 2], asked by played."""
    age = tf.nn.relu(inputs["asked"][:, :, tf.newaxis] - inputs["minutes"][:, tf.newaxis, :])
    return tf.stack([tf.math.log1p(age), tf.math.log1p(age / 1440.0)], axis=-1)


def encode_plays(
    x: Tensor, ages: Tensor, weights: Tensors, num_heads: int, seed: Tensor | None, dropout: float
) -> Tensor:
    """Pass [S, L, D] through all causal layers: a play sees itself and those before it; padding comes after them."""
    num_layers = sum(name.endswith("attention_in") for name in weights)
    for layer in range(num_layers):
        one = {name.split("_", 1)[1]: value for name, value in weights.items() if name.startswith(f"layer{layer}_")}
        normed = rms_norm(x, one["attention_norm"])
        branch = _attend(normed, ages, one, num_heads)
        x += dropped(branch * tf.sigmoid(normed @ one["attention_gate"]), dropout, seed, 2 * layer)
        normed = rms_norm(x, one["hidden_norm"])
        branch = tf.nn.gelu(normed @ one["hidden_in"], approximate=True) @ one["hidden_out"]
        x += dropped(branch * tf.sigmoid(normed @ one["hidden_gate"]), dropout, seed, 2 * layer + 1)
    return x


def _attend(x: Tensor, ages: Tensor, weights: Tensors, num_heads: int) -> Tensor:
    """Attend causally, with a bias of each head for the distance in plays and for the time in between."""
    length, size = tf.shape(x)[1], x.shape[2]
    heads = tf.reshape(x @ weights["attention_in"], [-1, length, 3, num_heads, size // num_heads])
    query, key, value = tf.unstack(tf.transpose(heads, [2, 0, 3, 1, 4]))
    scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(size // num_heads)
    distance = tf.range(length)[:, tf.newaxis] - tf.range(length)[tf.newaxis, :]
    near = tf.transpose(tf.gather(weights["position"], tf.maximum(distance, 0)), [2, 0, 1])
    since = tf.einsum("slmf,fh->shlm", ages, weights["age"])
    masked = tf.where(distance >= 0, near, NEVER)
    shares = tf.nn.softmax(scores + since + masked)
    together = tf.transpose(tf.matmul(shares, value), [0, 2, 1, 3])
    return tf.reshape(together, [-1, length, size]) @ weights["attention_out"]
