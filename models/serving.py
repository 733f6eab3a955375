"""Score with a ranker, fresh from training or saved; a SavedModel is opened without Keras and TFRS."""

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from models.contract import Batch, FeatureSpec, Ranker, check_batch, check_spec
from models.ranker import INPUTS, input_signature

BLOCK_ROWS = 8192  # beyond 16 k rows a block leaves the caches
# Rows that do not fill a vector register go through other instructions and end in other bits.
PADDED_ROWS = 64


class TensorFlowRanker:
    """A Ranker around a tf.Module with the signature (dense, track, artist, recent) -> {"probability": [B]}."""

    def __init__(self, spec, module):
        self.spec, self._module = spec, module

    def score(self, batch: Batch) -> np.ndarray:
        check_batch(batch, self.spec)
        rows = len(batch["track"])
        blocks = [self._score_block(batch, slice(start, start + BLOCK_ROWS)) for start in range(0, rows, BLOCK_ROWS)]
        return np.concatenate([np.empty(0, np.float32), *blocks])

    def _score_block(self, batch, rows):
        block = {name: batch[name][rows] for name in INPUTS}
        n = len(block["track"])
        missing = -n % PADDED_ROWS
        padded = {name: np.pad(a, [(0, missing)] + [(0, 0)] * (a.ndim - 1)) for name, a in block.items()}
        return self._module.probability(**{k: tf.constant(v) for k, v in padded.items()})["probability"].numpy()[:n]

    def save(self, path):
        tf.saved_model.save(self._module, path, signatures=self._module.probability)
        pathlib.Path(path, "spec.json").write_text(self.spec.to_json())


def exported(model, spec):
    module = tf.Module()
    module.weights = model.variables

    def probability(dense, track, artist, recent):
        return {"probability": tf.sigmoid(model(dict(dense=dense, track=track, artist=artist, recent=recent)))}

    module.probability = tf.function(probability, input_signature=[input_signature(spec)[n] for n in INPUTS])
    return module


def load_ranker(path: str, expected: FeatureSpec | None = None) -> Ranker:
    """Open what Ranker.save() wrote (ValueError: no ranker there, or not one for the `expected` spec)."""
    spec = FeatureSpec.from_json(pathlib.Path(path, "spec.json").read_text())
    return TensorFlowRanker(spec, tf.saved_model.load(path))
