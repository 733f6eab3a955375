"""Train the ranking model on streamed examples; the same rows and seed give the same weights, bit for bit."""

from collections.abc import Callable

import numpy as np

from models._tensorflow import tf
from models.batches import SHUFFLE_ROWS, rechunked, shuffled, squash
from models.contract import FeatureSpec, NothingToLearnError, Passes
from models.ranker import DenseScale, RankerOptions, RankingModel, signature
from models.serving import TensorFlowRanker

# The loss is a mean, so an embedding row sees gradients near 1e-5: under Keras' 0.1 it would hardly move.
ADAGRAD_START = 1e-8


def train_ranker(
    passes: Passes, spec: FeatureSpec, options: RankerOptions, on_epoch: Callable[[dict[str, float]], None]
) -> TensorFlowRanker:
    """Fit a RankingModel; `on_epoch` gets epoch, examples and mean loss after each.

    Reads num_epochs + 1 passes. How the rows are split into chunks does not matter, their order does.

    Raises:
        NothingToLearnError: there are no examples, or all have one label.
    """
    # Gradients of an id that occurs twice in a batch are else summed in the order in which threads arrive.
    tf.config.experimental.enable_op_determinism()
    model = RankingModel(spec, options, learn_scale(passes, spec))
    # Adam would touch every row of the tables in every step.
    model.compile(optimizer=tf.keras.optimizers.Adagrad(options.learning_rate, ADAGRAD_START))
    step = tf.function(model.train_step, input_signature=[(signature(spec), tf.TensorSpec([None], tf.float32))])
    for epoch in range(options.num_epochs):
        num_examples, loss = 0, 0.0
        for batch in shuffled(
            passes(),
            spec,
            batch_size=options.batch_size,
            id_dropout=options.id_dropout,
            seed=options.seed,
            epoch=epoch,
        ):
            loss += len(batch) * float(step((dict(batch.features), batch.label))["loss"])
            num_examples += len(batch)
        on_epoch({"epoch": epoch, "examples": num_examples, "loss": loss / num_examples})
    return TensorFlowRanker(spec, model.exported(spec))


def learn_scale(passes: Passes, spec: FeatureSpec) -> DenseScale:
    """Learn mean and deviation of the squashed dense features in one pass; a constant feature has deviation 1.

    Raises:
        NothingToLearnError: there are no examples, or all have one label.
    """
    rows, positives = 0, 0.0
    total, squares = np.zeros(len(spec.dense)), np.zeros(len(spec.dense))
    for chunk in rechunked(passes(), spec, SHUFFLE_ROWS):
        dense = squash(chunk.features["dense"])
        rows, positives = rows + len(chunk), positives + float(chunk.label.sum(dtype=np.float64))
        total, squares = total + dense.sum(axis=0), squares + np.square(dense).sum(axis=0)
    if not 0 < positives < rows:
        raise NothingToLearnError(f"{rows} training examples, {positives:g} of them positive: both labels are needed")
    mean = total / rows
    deviation = np.sqrt(np.maximum(squares / rows - np.square(mean), 0))
    return DenseScale(mean.astype(np.float32), np.where(deviation > 1e-4, deviation, 1).astype(np.float32))
