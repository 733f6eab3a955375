"""Score with a DCN-v2 ranker, fresh from training or saved; a SavedModel is opened without Keras and TFRS."""

from pathlib import Path

import numpy as np

from models._tensorflow import tf
from models.ranker.contract import INPUTS, SPEC_FILE, FeatureBatch, FeatureSpec, check_batch

# Fewer rows do not fill the cores, many more leave the caches. Every block is filled up to this size: another number of
# rows may take other instructions and end in other bits. It is a multiple of 48 for up to 16 threads because matrix
# kernels take rows in groups of 4, 6, 8, 16, 24 or 48, by processor, and compute the rows left over in another way: the
# last two rows of a block of 8,192 had other bits than the same rows elsewhere.
SCORING_BLOCK_ROWS = 7680


class TensorFlowRanker:
    """Ranker around a tf.Module whose `probability` takes the arrays of a FeatureBatch."""

    def __init__(self, spec: FeatureSpec, module: tf.Module) -> None:
        """Wrap the module of RankingModel.exported() or tf.saved_model.load()."""
        self.spec = spec
        self.module = module

    def score(self, batch: FeatureBatch) -> np.ndarray:
        """Return the probability of each reward, float32 [B, H]; computed in blocks, so B may be any number."""
        check_batch(batch, self.spec)
        starts = range(0, len(batch["track"]), SCORING_BLOCK_ROWS)
        blocks = [
            self._score_block({name: batch[name][at : at + SCORING_BLOCK_ROWS] for name in INPUTS}) for at in starts
        ]
        return np.concatenate([np.empty((0, len(self.spec.heads)), np.float32), *blocks])

    def _score_block(self, block: FeatureBatch) -> np.ndarray:
        rows = len(block["track"])
        full = {name: tf.constant(_padded(block[name])) for name in INPUTS}
        return np.asarray(self.module.probability(**full)["probability"])[:rows]

    def save(self, path: str) -> None:
        """Write a SavedModel of one signature, (dense, track, artist, recent) -> probability, and the spec."""
        tf.saved_model.save(self.module, path, signatures=self.module.probability)
        Path(path, SPEC_FILE).write_text(self.spec.to_json())


def _padded(rows: np.ndarray) -> np.ndarray:
    missing = SCORING_BLOCK_ROWS - len(rows)
    return np.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1)) if missing else rows


def load_saved_model(path: str, spec: FeatureSpec) -> TensorFlowRanker:
    """Open the SavedModel that TensorFlowRanker.save() wrote (ValueError: the folder holds none)."""
    if not tf.saved_model.contains_saved_model(path):
        raise ValueError(f"no ranker at {path}: there is no SavedModel")
    return TensorFlowRanker(spec, tf.saved_model.load(path))
