"""Train the ranking model on streamed examples; the same rows and seed give the same weights, bit for bit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from models.contract import Batch, Examples, FeatureSpec, NothingToLearnError, Passes, check_batch
from models.ranker import INPUTS, DenseScale, RankerOptions, RankingModel, input_signature, squash
from models.serving import TensorFlowRanker, exported

# Rows held and permuted at a time, about 200 bytes each.
SHUFFLE_ROWS = 1 << 19


def train_ranker(
    passes: Passes, spec: FeatureSpec, options: RankerOptions, on_epoch: Callable[[dict[str, float]], None]
) -> TensorFlowRanker:
    """Fit a RankingModel; `on_epoch` gets epoch, examples and mean loss after each.

    Rows may be split into chunks in any way: only their order counts. NothingToLearnError: not both labels occur.
    """
    # Gradients of rows that occur twice in a batch would be summed in the order in which threads arrive.
    tf.config.experimental.enable_op_determinism()
    model = RankingModel(spec, options, learn_scale(passes, spec))
    model.optimizer = tf.keras.optimizers.Adagrad(options.learning_rate)
    step = tf.function(model.train_step, input_signature=[(input_signature(spec), tf.TensorSpec([None], tf.float32))])
    for epoch in range(options.num_epochs):
        examples, loss = 0, 0.0
        for batch in shuffled(passes(), spec, options, epoch):
            loss += len(batch) * float(step((dict(batch.features), batch.label))["loss"])
            examples += len(batch)
        on_epoch({"epoch": epoch, "examples": examples, "loss": loss / examples})
    return TensorFlowRanker(spec, exported(model, spec))


def learn_scale(passes: Passes, spec: FeatureSpec) -> DenseScale:
    """Learn mean and deviation of the squashed features in one pass (NothingToLearnError: not both labels occur)."""
    rows, positives = 0, 0
    total, squares = np.zeros(len(spec.dense)), np.zeros(len(spec.dense))
    for chunk in rechunked(passes(), spec, SHUFFLE_ROWS):
        dense = squash(chunk.features["dense"]).numpy().astype(np.float64)
        rows, positives = rows + len(chunk), positives + int(chunk.label.sum())
        total, squares = total + dense.sum(axis=0), squares + np.square(dense).sum(axis=0)
    if not 0 < positives < rows:
        raise NothingToLearnError(f"{rows} training examples, {positives} of them positive: both kinds are needed")
    mean = total / rows
    deviation = np.sqrt(np.maximum(squares / rows - mean**2, 0))
    return DenseScale(mean.astype(np.float32), np.where(deviation > 1e-4, deviation, 1).astype(np.float32))


def shuffled(chunks: Iterator[Examples], spec: FeatureSpec, options: RankerOptions, epoch: int) -> Iterator[Examples]:
    """Yield training batches in an order that follows from (seed, epoch), some ids replaced by 0, unknown."""
    generator = np.random.default_rng((options.seed, epoch))
    for chunk in rechunked(chunks, spec, SHUFFLE_ROWS):
        order = generator.permutation(len(chunk))
        for start in range(0, len(chunk), options.batch_size):
            yield forget_ids(take(chunk, order[start : start + options.batch_size]), options.id_dropout, generator)


def forget_ids(batch: Examples, share: float, generator: np.random.Generator) -> Examples:
    """Replace `share` of the track ids and of the artist ids by 0, each on its own."""
    ids = {
        name: np.where(generator.random(len(batch), dtype=np.float32) < share, np.int32(0), batch.features[name])
        for name in ("track", "artist")
    }
    return Examples({**batch.features, **ids}, batch.label, batch.group)


def rechunked(chunks: Iterator[Examples], spec: FeatureSpec, rows: int) -> Iterator[Examples]:
    """Cut the stream into chunks of `rows` rows, whatever chunks it arrives in; the last one may be shorter."""
    held: list[Examples] = []
    for chunk in chunks:
        check_batch(chunk.features, spec)
        while sum(map(len, held)) + len(chunk) >= rows:
            wanted = rows - sum(map(len, held))
            yield joined([*held, take(chunk, slice(wanted))])
            held, chunk = [], take(chunk, slice(wanted, None))
        held.append(chunk)
    if sum(map(len, held)):
        yield joined(held)


def take(examples: Examples, rows: Any) -> Examples:
    """Return the rows named by a slice or an index array."""
    features: Batch = {name: examples.features[name][rows] for name in INPUTS}
    return Examples(features, examples.label[rows], examples.group[rows])


def joined(parts: list[Examples]) -> Examples:
    """Put examples one behind the other."""
    features: Batch = {name: np.concatenate([part.features[name] for part in parts]) for name in INPUTS}
    return Examples(
        features, np.concatenate([part.label for part in parts]), np.concatenate([part.group for part in parts])
    )
