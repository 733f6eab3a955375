"""Variants of the ranker that were tried and not adopted: python -m tests.benchmarks.ranker.variants --run=out/home.

Every variant is trained on the examples of a run, stopped and calibrated by the same later users and evaluated on the
other later users. Printed are the differences to the ranker, paired by user, with 95 % intervals, over several seeds.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models._tensorflow import tf
from models.metrics import auc, log_loss, ndcg_of_groups
from models.ranker.contract import Examples, ExampleStream, FeatureSpec, Ranker
from models.ranker.dcn_v2 import RankingModel
from models.ranker.entry import RankerOptions, TrainingData
from models.ranker.training import Build, train_dcn
from pipelines.inputs.published import PublishedRun
from pipelines.learning import ranker_options
from pipelines.options.options import RunOptions
from pipelines.ranker_study import compare
from pipelines.ranker_study.boosting import mean_interval
from transforms.features.rewards import LISTENED, expected_reward
from transforms.ranking.rankers import load_ranker

SMOOTHING, NEGATIVES_KEPT = 0.02, 0.25


class Smoothed(RankingModel):
    """Label smoothing (Szegedy et al., CVPR 2016)."""

    def compute_loss(self, inputs: Any, training: bool = False) -> Any:
        """Compute the loss of labels moved towards one half."""
        features, labels = inputs
        return super().compute_loss((features, labels * (1 - SMOOTHING) + SMOOTHING / 2))


class Weighted(RankingModel):
    """Weights of positives weighted by the root of their rarity; Platt scaling restores the probabilities."""

    def compute_loss(self, inputs: Any, training: bool = False) -> Any:
        """Compute the loss with more weight on positives."""
        features, labels = inputs
        share = tf.reduce_mean(tf.where(tf.math.is_finite(labels), labels, 0.0), axis=0)
        more = tf.sqrt((1 - share) / tf.maximum(share, 1e-3)) - 1
        known = tf.where(tf.math.is_finite(labels), labels, 0.0)
        logits = self(features)
        losses = -tf.math.log_sigmoid(logits) * known * more
        return super().compute_loss(inputs) + tf.reduce_sum(tf.reduce_mean(losses, axis=0))


class Focal(RankingModel):
    """Focal loss with gamma 1 (Lin et al., ICCV 2017)."""

    def compute_loss(self, inputs: Any, training: bool = False) -> Any:
        """Compute the loss with less weight on examples that are predicted well."""
        features, labels = inputs
        is_known = tf.math.is_finite(labels)
        known = tf.where(is_known, labels, 0.0)
        logits = self(features)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(known, logits)
        probability = tf.sigmoid(logits)
        surprise = known * (1 - probability) + (1 - known) * probability
        return tf.reduce_sum(tf.reduce_mean(losses * surprise * tf.cast(is_known, tf.float32), axis=0))


class Mixture(RankingModel):
    """MMoE (Ma et al., KDD 2018): experts for all heads, and a gate of each head that mixes them."""

    shared, own = 4, 0

    def __init__(self, spec: FeatureSpec, options: RankerOptions, scales: Any) -> None:
        """Lay out experts and gates, and a tower for each head."""
        super().__init__(spec, options, scales)
        heads, (units, *_) = len(spec.heads), options.hidden
        count = self.shared + self.own * heads
        seeds = iter(np.random.SeedSequence(options.seed + 1).generate_state(count + heads).tolist())
        glorot = tf.keras.initializers.GlorotUniform
        self.experts = [
            tf.keras.layers.Dense(units, "relu", kernel_initializer=glorot(next(seeds))) for _ in range(count)
        ]
        seen = [self.shared + self.own] * heads
        self.gates = [tf.keras.layers.Dense(n, "softmax", kernel_initializer=glorot(next(seeds))) for n in seen]
        self.towers = [tf.keras.layers.Dense(1, kernel_initializer="zeros") for _ in spec.heads]

    def corrections(self, crossed: Any) -> Any:
        """Return a mixture of experts for each head."""
        experts = [expert(crossed) for expert in self.experts]
        added = []
        for head, (gate, tower) in enumerate(zip(self.gates, self.towers, strict=True)):
            first = self.shared + head * self.own
            seen = tf.stack([*experts[: self.shared], *experts[first : first + self.own]], axis=1)
            added.append(tower(tf.reduce_sum(seen * gate(crossed)[:, :, tf.newaxis], axis=1)))
        return tf.concat(added, axis=1)


class Extraction(Mixture):
    """PLE with one level (Tang et al., RecSys 2020): shared experts, and one of each head's own."""

    shared, own = 3, 1


VARIANTS: dict[str, type[RankingModel]] = {
    "label smoothing .02": Smoothed,
    "positives weighted by the root of their rarity": Weighted,
    "focal loss, gamma 1": Focal,
    "a quarter of the negatives": RankingModel,
    "MMoE, 4 experts": Mixture,
    "PLE, 3 experts and 1 a head": Extraction,
}


class NoCheckpoints:
    """Store that keeps nothing."""

    def save(self, state: Any) -> None:
        """Keep nothing."""

    def latest(self) -> None:
        """Return no state."""
        return None


def train_once(
    training: ExampleStream,
    validation: ExampleStream,
    spec: FeatureSpec,
    options: RankerOptions,
    build: Build = RankingModel,
) -> Ranker:
    """Train a ranker, or a variant of it, without checkpoints."""
    given = TrainingData(training, validation, spec, lambda _: None, NoCheckpoints())
    return train_dcn(given, options, build)


def main() -> None:
    """Train all variants, print the differences."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.ranker.variants", description=__doc__)
    parser.add_argument("--run", required=True, help="a run that trained a ranker with the default options")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    known, stopping, judging, spec = examples_of(chosen.run)
    rows = list(judging())
    labels, group = (np.concatenate([getattr(chunk, name) for chunk in rows]) for name in ("label", "group"))
    found: dict[str, list[np.ndarray]] = {}
    for seed in range(1, chosen.seeds + 1):
        options = dataclasses.replace(ranker_options(DEFAULTS, DEFAULTS.num_epochs), seed=seed)
        builds: dict[str, type[RankingModel]] = {"the ranker": RankingModel, **VARIANTS}
        for name, build in builds.items():
            examples = fewer(known) if name.startswith("a quarter") else known
            ranker = train_once(examples, stopping, spec, options, build)
            found.setdefault(name, []).append(np.concatenate([ranker.score(chunk.features) for chunk in rows]))
    Console(width=150).print(compared(found, labels, group, spec.heads))


DEFAULTS = RunOptions(events="", output="")


def examples_of(path: str) -> tuple[ExampleStream, ExampleStream, ExampleStream, FeatureSpec]:
    """Return the examples of a run: to learn from, to stop by, to evaluate."""
    published = PublishedRun(path, needs_pages=False)
    ranker = load_ranker(published.artifact("ranker"))
    known, later = compare.benchmark_examples(published, ranker)
    return known, half(later, 0), half(later, 1), ranker.spec


def half(passes: ExampleStream, rest: int) -> ExampleStream:
    """Return every other user."""
    return lambda: (chosen(chunk, chunk.group % 2 == rest) for chunk in passes())


def fewer(passes: ExampleStream) -> ExampleStream:
    """Return all examples with any positive label, and a share of the others."""

    def drawn() -> Iterator[Examples]:
        rng = np.random.default_rng(1)
        for chunk in passes():
            is_any = np.nansum(chunk.label, axis=1) > 0
            yield chosen(chunk, is_any | (rng.random(len(chunk)) < NEGATIVES_KEPT))

    return drawn


def chosen(chunk: Examples, rows: np.ndarray) -> Examples:
    """Select rows of a chunk."""
    features = {name: array[rows] for name, array in chunk.features.items()}
    return Examples(features, chunk.label[rows], chunk.group[rows])


def compared(
    found: dict[str, list[np.ndarray]], labels: np.ndarray, group: np.ndarray, heads: tuple[str, ...]
) -> Table:
    """Return a table row for each variant; means over seeds, of the same users for all."""
    reward = expected_reward(dict(zip(heads, np.nan_to_num(labels).T, strict=True)))
    settled, listen = np.isfinite(labels).all(axis=0), heads.index(LISTENED)
    users = {
        name: np.mean(
            [
                ndcg_of_groups(group, reward, expected_reward(dict(zip(heads, one.T, strict=True))), 10)
                for one in scores
            ],
            axis=0,
        )
        for name, scores in found.items()
    }
    table = Table(
        "variant", "NDCG@10 of reward", "minus the ranker's", "AUC, mean of heads", "log loss of listens", box=None
    )
    for name, scores in found.items():
        mean, low, high = mean_interval(users[name] - users["the ranker"])
        aucs = [auc(labels[:, head], one[:, head]) for one in scores for head in np.flatnonzero(settled)]
        losses = [log_loss(labels[:, listen], one[:, listen]) for one in scores]
        difference = "" if name == "the ranker" else f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"
        table.add_row(
            name, f"{np.nanmean(users[name]):.4f}", difference, f"{np.mean(aucs):.4f}", f"{np.mean(losses):.5f}"
        )
    return table


if __name__ == "__main__":
    main()
