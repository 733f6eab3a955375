"""A ranker model: a logistic regression of each reward on all features. Needs no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.logistic import fit_logistic, log_odds, sigmoid
from models.ranker.batches import concatenate_examples, signed_log1p
from models.ranker.contract import SPEC_FILE, FeatureBatch, FeatureSpec, NothingToLearnError, check_batch
from models.ranker.entry import RankerModel, RankerOptions, TrainingData

RIDGE = 1.0
_WEIGHTS_FILE = "weights.npz"


@dataclass(frozen=True)
class LogisticRanker:
    """Weights of the standardised features, mean and deviation [F]: float64 [H, F] and intercepts [H]."""

    spec: FeatureSpec
    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray

    def score(self, batch: FeatureBatch) -> np.ndarray:
        """Return the probability of each reward, float32 [B, H]."""
        check_batch(batch, self.spec)
        inputs = standardize(batch["dense"], self.mean, self.deviation)
        # sums by row, not a matrix product, whose last bits may depend on the number of rows
        logits = np.stack([(inputs * weights).sum(axis=1) for weights in self.weights], axis=1)
        return sigmoid(logits + self.intercepts).astype(np.float32)

    def save(self, path: str) -> None:
        """Write the arrays and the spec."""
        Path(path).mkdir(parents=True, exist_ok=True)
        arrays = {name: value for name, value in vars(self).items() if name != "spec"}
        np.savez(Path(path, _WEIGHTS_FILE), **arrays)
        Path(path, SPEC_FILE).write_text(self.spec.to_json())


def standardize(dense: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the logarithms of the features, with mean 0 and deviation 1 on the training examples: float64 [B, F]."""
    return np.asarray((signed_log1p(dense.astype(np.float64)) - mean) / deviation)


def train_logistic(given: TrainingData, options: RankerOptions) -> LogisticRanker:
    """Fit one regression for each head to all training examples, which must fit into memory.

    Raises:
        NothingToLearnError: there are no examples, or all have the same label of the main head.
    """
    chunks = list(given.training())
    label = np.concatenate([np.empty((0, len(given.spec.heads))), *(chunk.label for chunk in chunks)])
    main = label[:, given.spec.heads.index(options.main_head)]
    if not 0 < main.sum() < len(main):
        raise NothingToLearnError(f"{main.sum():,.0f} of {len(main):,} examples have the reward {options.main_head}")
    dense = concatenate_examples(chunks).features["dense"]
    logs = signed_log1p(dense.astype(np.float64))
    mean, deviation = logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-6)
    inputs = standardize(dense, mean, deviation)
    fitted = np.stack([_fit_head(inputs, one) for one in label.T])
    return LogisticRanker(given.spec, mean, deviation, fitted[:, :-1], fitted[:, -1])


def _fit_head(inputs: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Fit weights and intercept [F + 1] to the rows whose label is settled."""
    settled = np.isfinite(label)
    share = label[settled].mean() if settled.any() else np.array(0.5)
    prior = np.append(np.zeros(inputs.shape[1]), log_odds(np.asarray(share)))
    return fit_logistic(inputs[settled], label[settled], prior, RIDGE)


def load_logistic(path: str, spec: FeatureSpec) -> LogisticRanker:
    """Read what save() wrote."""
    with np.load(Path(path, _WEIGHTS_FILE)) as arrays:
        return LogisticRanker(spec, **arrays)


RANKERS = (
    RankerModel("logistic", "logistic regression of each reward on all features", train_logistic, load_logistic),
)
