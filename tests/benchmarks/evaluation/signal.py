"""signal: the rate of right verdicts of homeshelf signal on planted columns, and the power of other learners.

python -m tests.benchmarks.evaluation.signal out/sample out/home 20 250     on an existing run: seeds, users of each
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from models.ranker.contract import Examples
from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from pipelines.learning import ranker_options
from pipelines.options.options import RunOptions
from pipelines.signals.ablation import NUM_TREES, FeatureAblation
from pipelines.signals.dataset import LabelledCandidates, SignalDataset, load_dataset
from pipelines.signals.findings import ColumnValues, SignalStudy
from pipelines.signals.gains import GainEvaluator
from pipelines.signals.leaks import key_codes, measure_discontinuity
from pipelines.signals.verdict import LEAKS, MAX_DISCONTINUITY, NO_EVIDENCE, SHIP, decide_verdict
from tests.benchmarks.child_process import in_child
from tests.benchmarks.ranker.variants import train_once
from tests.benchmarks.report import Figure, Section, Table, show
from tests.benchmarks.worlds import World
from tests.planted_signals import PAIR, PLANTED_VERDICTS, TRACK, USER, column_of, first_reward_only, sample_dataset
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import open_vocabulary
from transforms.ranking.rankers import load_ranker

THREADS, EVERYONE, ANEW_TREES = 1, 1_000_000, 150
MIN_SHARES = {SHIP: 0.8, NO_EVIDENCE: 0.95, LEAKS: 1.0}
WEAK = "loyalty under twice its noise"
DEFAULTS = RunOptions(events="", output="")
Found = dict[str, Any]
Studies = dict[tuple[str, ...], SignalStudy]


@dataclass(frozen=True)
class SignalBench:
    """Planted columns on one run over a sample world; each seed draws its users and its noise."""

    world: World
    num_seeds: int
    num_users: int

    def __call__(self) -> Section:
        """Run the job, plant the columns and measure them."""
        sizes = {"num_seeds": self.num_seeds, "num_users": self.num_users}
        return section(in_child(run_and_measure, folder=str(self.world.folder), **sizes).result, **sizes)


def section(found: Found, num_seeds: int, num_users: int) -> Section:
    """Return the figures and tables of the findings."""
    counts = {kind: Counter(verdicts) for kind, verdicts in found["verdicts"].items()}
    return Section(
        "signal: planted columns in the sample world",
        f"One run; {num_seeds} seeds, each with its own noise and its own sample of about {num_users} of the users who"
        " gave examples; evaluated on listens alone, most of the reward. No model is trained on a leak that the"
        " leak test flags.",
        [_figure(verdict, counts) for verdict in (SHIP, NO_EVIDENCE, LEAKS)],
        [
            Table(
                "Verdicts",
                ("column", "truth", SHIP, NO_EVIDENCE, LEAKS, "lowest discontinuity", "highest"),
                [_row(kind, count, found["discontinuities"][kind]) for kind, count in counts.items()],
            ),
            Table(
                f"Learners: {WEAK}, all users",
                ("learner", "likelihood gained", "standard errors", "seconds", "errors per root second"),
                [_learner(name, *one) for name, one in found["learners"].items()],
            ),
        ],
    )


def _figure(verdict: str, counts: dict[str, Counter[str]]) -> Figure:
    of = [count for kind, count in counts.items() if PLANTED_VERDICTS[kind] == verdict]
    total = sum(count.total() for count in of)
    # what is rejected may be so for either reason
    good = sum(count[verdict] + (count[LEAKS] if verdict == NO_EVIDENCE else 0) for count in of)
    low, high = wilson(good, total)
    names = {SHIP: "useful columns that ship", NO_EVIDENCE: "noise that is rejected", LEAKS: "leaks that are flagged"}
    measured = f"{good} of {total}: {good / total:.0%} ({low:.0%} to {high:.0%})"
    limits = (
        "the number of users" if verdict == SHIP else "the width of the intervals, and the margin of the discontinuity"
    )
    return Figure(
        names[verdict], measured, f"at least {MIN_SHARES[verdict]:.0%}", good / total >= MIN_SHARES[verdict], limits
    )


def wilson(good: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, JASA 1927)."""
    z, share = 1.96, good / total
    middle, spread = share + z**2 / (2 * total), z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return (middle - spread) / (1 + z**2 / total), (middle + spread) / (1 + z**2 / total)


def _row(kind: str, count: Counter[str], discontinuities: list[float]) -> tuple[str, ...]:
    numbers = (f"{count[verdict]}" for verdict in (SHIP, NO_EVIDENCE, LEAKS))
    return kind, PLANTED_VERDICTS[kind], *numbers, f"{min(discontinuities):+.3f}", f"{max(discontinuities):+.3f}"


def _learner(name: str, value: float, low: float, high: float, seconds: float) -> tuple[str, ...]:
    errors = value / ((high - low) / (2 * 1.96))
    gain = f"{value:+.1%} ({100 * low:+.1f} to {100 * high:+.1f})"
    return name, gain, f"{errors:.1f}", f"{seconds:.0f}", f"{errors / np.sqrt(seconds):.2f}"


def run_and_measure(folder: str, num_seeds: int, num_users: int) -> Found:
    """Run measure() on a run over a world."""
    flags = [f"--{flag}={folder}/{flag.removesuffix('_table')}" for flag in ("events", "tracks", "users_table")]
    with tempfile.TemporaryDirectory() as output:
        assert main(["run", *flags, f"--output={output}", "--as_of=2026-01-01"]) == 0
        return measure(folder, PublishedRun(output), num_seeds, num_users)


def measure(folder: str, published: PublishedRun, num_seeds: int, num_users: int) -> Found:
    """Return verdicts and discontinuities by kind, and the power and the seconds of each learner on one weak column."""
    verdicts: dict[str, list[str]] = {kind: [] for kind in PLANTED_VERDICTS}
    discontinuities: dict[str, list[float]] = {kind: [] for kind in PLANTED_VERDICTS}
    everyone = first_reward_only(load_dataset(published, EVERYONE, 1))
    for seed in range(num_seeds):
        dataset = sample_dataset(everyone, num_users, seed)
        studies: Studies = {
            key: SignalStudy(FeatureAblation(dataset, key, THREADS), is_timed=True) for key in (PAIR, USER, TRACK)
        }
        for kind in PLANTED_VERDICTS:
            verdict, discontinuity = _verdict(studies, kind, folder, seed)
            verdicts[kind].append(verdict)
            discontinuities[kind].append(discontinuity)
        print(seed, {kind: given[-1] for kind, given in verdicts.items()}, file=sys.stderr, flush=True)
    return {"verdicts": verdicts, "discontinuities": discontinuities, "learners": learners(published, folder)}


def _verdict(studies: Studies, kind: str, folder: str, seed: int) -> tuple[str, float]:
    dataset = studies[PAIR].dataset
    key, train, validation = column_of(dataset, kind, folder, seed)
    parts = ((train, dataset.train), (validation, dataset.validation))
    low = max(measure_discontinuity(values, rows, key_codes(rows, key)).low for values, rows in parts)
    if PLANTED_VERDICTS[kind] == LEAKS and low > MAX_DISCONTINUITY:
        return LEAKS, low
    return decide_verdict(studies[key].measure(kind, ColumnValues(train, validation, np.empty(0)))), low


def learners(published: PublishedRun, folder: str) -> dict[str, tuple[float, ...]]:
    """Return the gain of each learner by the weak column, its interval, and the seconds of both trainings."""
    dataset = load_dataset(published, EVERYONE, 1)
    _, train, validation = column_of(dataset, WEAK, folder, 1)
    rows = dataset.validation
    constant = replace(dataset, train=_by_rate(dataset.train, dataset.train), validation=_by_rate(rows, dataset.train))
    evaluator = GainEvaluator(rows, by_tracks=False)
    half = rows.select(rows.user % 2 == 1)

    def boosting(on: SignalDataset, trees: int) -> Callable[[bool], np.ndarray]:
        ablation = FeatureAblation(on, PAIR, THREADS, trees)
        return lambda is_with: ablation.fit(*((train, validation) if is_with else ())).log_odds

    ranker = partial(retrained, published, train, validation, rows.user)
    return {
        "boosting from the ranker": _power(evaluator, boosting(dataset, NUM_TREES)),
        f"boosting anew, {ANEW_TREES} trees": _power(evaluator, boosting(constant, ANEW_TREES)),
        "the ranker": _power(GainEvaluator(half, by_tracks=False), ranker),
    }


def _by_rate(rows: LabelledCandidates, train: LabelledCandidates) -> LabelledCandidates:
    """Return rows whose only prediction is the mean rate of each reward."""
    rate = np.nanmean(train.labels, axis=0, dtype=float)
    return replace(rows, log_odds=np.tile(np.log(rate) - np.log1p(-rate), (len(rows), 1)))


def _power(evaluator: GainEvaluator, fit: Callable[[bool], np.ndarray]) -> tuple[float, ...]:
    start = time.perf_counter()
    without, with_column = (fit(is_with) for is_with in (False, True))
    seconds = time.perf_counter() - start
    ours, theirs = (evaluator.likelihoods(log_odds) @ evaluator.weights for log_odds in (with_column, without))
    gain = evaluator.likelihood_gain(ours, theirs, float(evaluator.explained(without) @ evaluator.weights))
    return gain.value, gain.low, gain.high, seconds


def retrained(
    published: PublishedRun, train: np.ndarray, validation: np.ndarray, users: np.ndarray, is_with: bool
) -> np.ndarray:
    """Return log-odds of half of the validation users by the ranker trained again, with or without the column.

    The other half decides when to stop, as in a run.
    """
    path = published.artifact("ranker")
    spec, codes = load_ranker(path).spec, open_vocabulary(path).rows_of(published.catalog)
    parts = {}
    for name, values in (("features", train), ("holdout", validation)):
        chunks = list(stream_examples(published.paths(name), codes, spec.heads))
        whole = {key: np.concatenate([one.features[key] for one in chunks]) for key in chunks[0].features}
        label, group = (np.concatenate([getattr(one, key) for one in chunks]) for key in ("label", "group"))
        if is_with:
            whole["dense"] = np.column_stack([whole["dense"], values.astype(np.float32)])
        parts[name] = Examples(whole, label, group)
    if is_with:
        spec = replace(spec, dense=(*spec.dense, "signal"))
    stopping, judging = (_of(parts["holdout"], users % 2 == rest) for rest in (0, 1))
    options = ranker_options(DEFAULTS, DEFAULTS.num_epochs)
    examples = parts["features"]
    ranker = train_once(lambda: iter([examples]), lambda: iter([stopping]), spec, options)
    probability = np.clip(ranker.score(judging.features).astype(float), 1e-6, 1 - 1e-6)
    return np.log(probability) - np.log1p(-probability)


def _of(examples: Examples, rows: np.ndarray) -> Examples:
    features = {name: array[rows] for name, array in examples.features.items()}
    return Examples(features, examples.label[rows], examples.group[rows])


if __name__ == "__main__":
    world, run = sys.argv[1:3]
    seeds, users = map(int, sys.argv[3:])
    show(Console(width=150), section(measure(world, PublishedRun(run), seeds, users), seeds, users))
