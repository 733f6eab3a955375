"""The baseline ranker: a logistic regression on popularity alone. Loads no TensorFlow."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.logistic import fit_logistic, sigmoid
from models.ranker.batches import signed_log1p
from models.ranker.contract import SPEC_FILE, ExampleStream, FeatureBatch, FeatureSpec, check_batch, check_examples
from models.ranker.entry import RankerOptions

_POPULARITY_FILE = "popularity.json"
# A prior worth about one example: without examples, or with one label only, popular is still better.
POPULARITY_PRIOR = np.array([1.0, 0.0])  # slope, intercept
POPULARITY_PRIOR_WEIGHT = 1.0


@dataclass(frozen=True)
class PopularityRanker:
    """Ranker of one reward: sigmoid(intercept + slope x), x the standardised signed_log1p of the feature `feature`."""

    spec: FeatureSpec
    feature: str
    mean: float
    deviation: float
    intercept: float
    slope: float

    def score(self, batch: FeatureBatch) -> np.ndarray:
        """Return the probability of the one reward, float32 [B, 1]."""
        check_batch(batch, self.spec)
        x = (signed_log1p(batch["dense"][:, self.spec.dense.index(self.feature)]) - self.mean) / self.deviation
        return sigmoid(self.intercept + self.slope * x).astype(np.float32)[:, None]

    def save(self, path: str) -> None:
        """Write the numbers and the spec as JSON."""
        Path(path).mkdir(parents=True, exist_ok=True)
        fields = {name: value for name, value in vars(self).items() if name != "spec"}
        Path(path, _POPULARITY_FILE).write_text(json.dumps(fields, indent=1))
        Path(path, SPEC_FILE).write_text(self.spec.to_json())

    @staticmethod
    def load(path: str, spec: FeatureSpec) -> "PopularityRanker":
        """Read the files that save() wrote."""
        return PopularityRanker(spec=spec, **json.loads(Path(path, _POPULARITY_FILE).read_text()))


def fit_popularity_ranker(examples: ExampleStream, spec: FeatureSpec, options: RankerOptions) -> PopularityRanker:
    """Fit the main head on one pass of examples; any number of rows will do, even none.

    Raises:
        ValueError: the spec has no such dense feature.
    """
    if options.popularity not in spec.dense:
        raise ValueError(f"no dense feature {options.popularity!r} among {', '.join(spec.dense)}")
    column, head = spec.dense.index(options.popularity), spec.heads.index(options.main_head)
    x, label = [np.empty(0)], [np.empty(0)]
    for chunk in examples():
        check_examples(chunk, spec)
        x.append(signed_log1p(chunk.features["dense"][:, column]))
        label.append(chunk.label[:, head])
    one_head = dataclasses.replace(spec, heads=(options.main_head,))
    return _fit(np.concatenate(x), np.concatenate(label), one_head, options.popularity)


def _fit(x: np.ndarray, label: np.ndarray, spec: FeatureSpec, feature: str) -> PopularityRanker:
    mean, deviation = (float(x.mean()), float(x.std())) if len(x) else (0.0, 1.0)
    deviation = deviation if deviation > 1e-4 else 1.0
    slope, intercept = fit_logistic(((x - mean) / deviation)[:, None], label, POPULARITY_PRIOR, POPULARITY_PRIOR_WEIGHT)
    return PopularityRanker(spec, feature, mean, deviation, float(intercept), float(slope))
