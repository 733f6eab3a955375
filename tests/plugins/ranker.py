"""A ranker model: every reward is as probable as the blend says."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.ranker.contract import SPEC_FILE, FeatureBatch, FeatureSpec
from models.ranker.entry import RankerModel, RankerOptions, TrainingData


@dataclass(frozen=True)
class BlendRanker:
    spec: FeatureSpec

    def score(self, batch: FeatureBatch) -> np.ndarray:
        blend = batch["dense"][:, self.spec.dense.index("blend_score")]
        return np.repeat(blend[:, None], len(self.spec.heads), axis=1).astype(np.float32)

    def save(self, path: str) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)
        Path(path, SPEC_FILE).write_text(self.spec.to_json())


def train(given: TrainingData, options: RankerOptions) -> BlendRanker:
    return BlendRanker(given.spec)


def load(path: str, spec: FeatureSpec) -> BlendRanker:
    return BlendRanker(spec)


RANKERS = (RankerModel("toy_blend", "the blend, unchanged", train, load),)
