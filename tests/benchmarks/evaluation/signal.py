"""signal: how often homeshelf signal finds what was planted in the sample world, and which learner sees most.

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
from pipelines.learning import load_ranker, ranker_options
from pipelines.options.options import RunOptions
from pipelines.signals.ablation import NUM_TREES, FeatureAblation
from pipelines.signals.command import measure_column
from pipelines.signals.dataset import SignalDataset, load_dataset
from pipelines.signals.gains import GainEvaluator
from pipelines.signals.leaks import key_codes, measure_discontinuity
from pipelines.signals.verdict import LEAKS, MAX_DISCONTINUITY, NO_EVIDENCE, SHIP, decide_verdict
from tests.benchmarks.child_process import in_child
from tests.benchmarks.ranker.variants import train_once
from tests.benchmarks.report import Figure, Section, Table, show
from tests.benchmarks.worlds import World
from tests.planted_signals import KINDS, PAIR, column_of, sampled
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import open_vocabulary

THREADS, EVERYONE, ANEW_TREES = 1, 1_000_000, 150
FEWEST = {SHIP: 0.8, NO_EVIDENCE: 0.95, LEAKS: 1.0}
WEAK = "loyalty under twice its noise"
DEFAULTS = RunOptions(events="", output="")
Found = dict[str, Any]


@dataclass(frozen=True)
class SignalBench:
    """Planted columns on one run over a sample world; each seed draws its users and its noise."""

    world: World
    num_seeds: int
    num_users: int

    def __call__(self) -> Section:
        """Run the job, plant, judge."""
        sizes = {"num_seeds": self.num_seeds, "num_users": self.num_users}
        return section(in_child(run_and_measure, folder=str(self.world.folder), **sizes).result, **sizes)


def section(found: Found, num_seeds: int, num_users: int) -> Section:
    """Say what was found."""
    counts = {kind: Counter(verdicts) for kind, verdicts in found["verdicts"].items()}
    return Section(
        "signal: planted columns in the sample world",
        f"One run; {num_seeds} seeds, each with its own noise and its own sample of about {num_users} of the users who"
        " gave examples; judged by listens alone, which are most of the worth. A leak that jumps is not learned from.",
        [_figure(verdict, counts) for verdict in (SHIP, NO_EVIDENCE, LEAKS)],
        [
            Table(
                "Verdicts",
                ("column", "truth", SHIP, NO_EVIDENCE, LEAKS, "lowest jump", "highest"),
                [_row(kind, count, found["jumps"][kind]) for kind, count in counts.items()],
            ),
            Table(
                f"Learners: {WEAK}, all users",
                ("learner", "likelihood gained", "standard errors", "seconds", "errors per root second"),
                [_learner(name, *one) for name, one in found["learners"].items()],
            ),
        ],
    )


def _figure(verdict: str, counts: dict[str, Counter[str]]) -> Figure:
    of = [count for kind, count in counts.items() if KINDS[kind] == verdict]
    total = sum(count.total() for count in of)
    # what is rejected may be so for either reason
    good = sum(count[verdict] + (count[LEAKS] if verdict == NO_EVIDENCE else 0) for count in of)
    low, high = wilson(good, total)
    names = {SHIP: "useful columns that ship", NO_EVIDENCE: "noise that is rejected", LEAKS: "leaks that are flagged"}
    measured = f"{good} of {total}: {good / total:.0%} ({low:.0%} to {high:.0%})"
    limits = "how many users judge" if verdict == SHIP else "the width of the intervals, and the margin of the jump"
    return Figure(names[verdict], measured, f"at least {FEWEST[verdict]:.0%}", good / total >= FEWEST[verdict], limits)


def wilson(good: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 1927)."""
    z, share = 1.96, good / total
    middle, spread = share + z**2 / (2 * total), z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return (middle - spread) / (1 + z**2 / total), (middle + spread) / (1 + z**2 / total)


def _row(kind: str, count: Counter[str], jumps: list[float]) -> tuple[str, ...]:
    numbers = (f"{count[verdict]}" for verdict in (SHIP, NO_EVIDENCE, LEAKS))
    return kind, KINDS[kind], *numbers, f"{min(jumps):+.3f}", f"{max(jumps):+.3f}"


def _learner(name: str, value: float, low: float, high: float, seconds: float) -> tuple[str, ...]:
    errors = value / ((high - low) / (2 * 1.96))
    gain = f"{value:+.1%} ({100 * low:+.1f} to {100 * high:+.1f})"
    return name, gain, f"{errors:.1f}", f"{seconds:.0f}", f"{errors / np.sqrt(seconds):.2f}"


def run_and_measure(folder: str, num_seeds: int, num_users: int) -> Found:
    """measure() on a run over a world."""
    flags = [f"--{flag}={folder}/{flag.removesuffix('_table')}" for flag in ("events", "tracks", "users_table")]
    with tempfile.TemporaryDirectory() as output:
        assert main(["run", *flags, f"--output={output}", "--as_of=2026-01-01"]) == 0
        return measure(folder, PublishedRun(output), num_seeds, num_users)


def measure(folder: str, published: PublishedRun, num_seeds: int, num_users: int) -> Found:
    """Verdicts and jumps by kind, and what each learner sees of one weak column in how many seconds."""
    verdicts: dict[str, list[str]] = {kind: [] for kind in KINDS}
    jumps: dict[str, list[float]] = {kind: [] for kind in KINDS}
    everyone = load_dataset(published, EVERYONE, 1).of_first()
    for seed in range(num_seeds):
        material = sampled(everyone, num_users, seed)
        without: dict[tuple[str, ...], Any] = {}
        for kind in KINDS:
            verdict, jump = _verdict(material, kind, folder, seed, without)
            verdicts[kind].append(verdict)
            jumps[kind].append(jump)
        print(seed, {kind: said[-1] for kind, said in verdicts.items()}, file=sys.stderr, flush=True)
    return {"verdicts": verdicts, "jumps": jumps, "learners": learners(published, folder)}


def _verdict(material: SignalDataset, kind: str, folder: str, seed: int, without: dict[Any, Any]) -> tuple[str, float]:
    key, known, later = column_of(material, kind, folder, seed)
    parts = ((known, material.known), (later, material.later))
    jump = max(measure_discontinuity(values, rows, key_codes(rows, key)).low for values, rows in parts)
    if KINDS[kind] == LEAKS and jump > MAX_DISCONTINUITY:
        return LEAKS, jump
    trial = FeatureAblation(material, key, THREADS, NUM_TREES)
    judge = GainEvaluator(material.later, material.heads, by_tracks="user_id" not in key)
    if key not in without:
        without[key] = trial.learn()
    values = (known, later, np.empty(0))
    return decide_verdict(measure_column(kind, values, trial, judge, without[key], is_timed=True)), jump


def learners(published: PublishedRun, folder: str) -> dict[str, tuple[float, ...]]:
    """What a learner gains by the weak column, its interval, and the seconds of both trainings."""
    material = load_dataset(published, EVERYONE, 1)
    _, known, later = column_of(material, WEAK, folder, 1)
    constant = replace(
        material, **{name: _by_rate(getattr(material, name), material.known) for name in ("known", "later")}
    )
    ours = GainEvaluator(material.later, material.heads, by_tracks=False)
    half = material.later.of(material.later.user % 2 == 1)

    def boosting(on: SignalDataset, trees: int) -> Callable[[bool], np.ndarray]:
        trial = FeatureAblation(on, PAIR, THREADS, trees)
        return lambda is_with: trial.learn(*((known, later) if is_with else ())).log_odds

    ranker = partial(retrained, published, known, later, material.later.user)
    return {
        "boosting from the ranker": _power(ours, boosting(material, NUM_TREES)),
        f"boosting anew, {ANEW_TREES} trees": _power(ours, boosting(constant, ANEW_TREES)),
        "the ranker": _power(GainEvaluator(half, material.heads, by_tracks=False), ranker),
    }


def _by_rate(rows: Any, known: Any) -> Any:
    """Rows of which nothing is said but how often each reward came true."""
    rate = np.nanmean(known.labels, axis=0, dtype=float)
    return replace(rows, log_odds=np.tile(np.log(rate) - np.log1p(-rate), (len(rows), 1)))


def _power(judge: GainEvaluator, learn: Callable[[bool], np.ndarray]) -> tuple[float, ...]:
    start = time.perf_counter()
    without, with_it = (learn(is_with) for is_with in (False, True))
    seconds = time.perf_counter() - start
    ours, theirs = (judge.likelihoods(log_odds) @ judge.weights for log_odds in (with_it, without))
    gain = judge.likelihood_gain(ours, theirs, float(judge.explained(without) @ judge.weights))
    return gain.value, gain.low, gain.high, seconds


def retrained(
    published: PublishedRun, known: np.ndarray, later: np.ndarray, users: np.ndarray, is_with: bool
) -> np.ndarray:
    """Log-odds of every other later user, of the ranker trained again, with or without the column.

    The others say when it stops, as in a run.
    """
    path = published.artifact("ranker")
    spec, codes = load_ranker(path).spec, open_vocabulary(path).rows_of(published.catalog)
    parts = {}
    for name, values in (("features", known), ("holdout", later)):
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
    chance = np.clip(ranker.score(judging.features).astype(float), 1e-6, 1 - 1e-6)
    return np.log(chance) - np.log1p(-chance)


def _of(examples: Examples, rows: np.ndarray) -> Examples:
    features = {name: array[rows] for name, array in examples.features.items()}
    return Examples(features, examples.label[rows], examples.group[rows])


if __name__ == "__main__":
    world, run = sys.argv[1:3]
    seeds, users = map(int, sys.argv[3:])
    show(Console(width=150), section(measure(world, PublishedRun(run), seeds, users), seeds, users))
