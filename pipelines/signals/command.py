"""homeshelf signal: is a new column worth having as a feature? Joined as it was known, judged, and told ship or not."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError, parse_all_flags
from pipelines.options.published_options import SignalOptions
from pipelines.rendering.console import wide_console
from pipelines.signals.ablation import NUM_TREES, AblationFit, FeatureAblation
from pipelines.signals.dataset import SignalDataset, load_dataset
from pipelines.signals.gains import Gain, GainEvaluator, reward_gains, segment_gains
from pipelines.signals.leaks import key_codes, measure_discontinuity, univariate_auc
from pipelines.signals.table import SignalTable, read_signals
from pipelines.signals.text import findings_as_json, print_findings
from pipelines.signals.verdict import LEAKS, NO_EVIDENCE, SHIP, ColumnFindings, decide_verdict
from transforms.features.features import FEATURE_NAMES
from transforms.tables.histograms import count_values, histogram_mapping, stability_index

SEED = 1
# What the ranker starts from: the best feature of a run as a rule, which boosting from the ranker has no use for.
BASE = "blend_score"
# What the command answers: the worst of its columns' verdicts.
STATUS = {SHIP: 0, LEAKS: 3, NO_EVIDENCE: 4}


def run_signal(argv: Sequence[str]) -> int:
    """Judge every column and print it; 3 where one leaks, 4 where for one there is no evidence (see read_signals())."""
    options = parse_all_flags(SignalOptions, argv)
    if options.output and not Path(options.output).parent.is_dir():
        raise UsageError(f"--output={options.output}: there is no such folder")
    signals = read_signals(options.table, options.key, options.known_at, options.columns)
    published = PublishedRun(options.run, needs_pages=False)
    material = load_dataset(published, options.num_users, SEED)
    start = time.perf_counter()
    known, later, scored = (
        signals.joined(keys) for keys in (material.known.keys, material.later.keys, material.scored)
    )
    rate = (len(known) + len(later) + len(scored)) / (time.perf_counter() - start)
    if not (np.isfinite(known).any() or np.isfinite(later).any() or np.isfinite(scored).any()):
        raise UsageError(_strangers(signals, material))
    trial = FeatureAblation(material, signals.key, options.num_threads, NUM_TREES)
    judge = GainEvaluator(material.later, material.heads, by_tracks="user_id" not in signals.key)
    without = trial.learn()
    found = [
        measure_column(
            name, (known[:, place], later[:, place], scored[:, place]), trial, judge, without, bool(signals.known_at)
        )
        for place, name in enumerate(signals.columns)
    ]
    about: dict[str, Any] = {
        "run": published.folder,
        "table": options.table,
        "key": list(signals.key),
        "known_at": signals.known_at,
    }
    about |= {"users": len(np.unique(material.later.user)), "candidates": len(material.later), "joined_per_s": rate}
    print_findings(wide_console(), about, found)
    if options.output:
        Path(options.output).write_text(json.dumps(findings_as_json(about, found), indent=1))
    verdicts = {decide_verdict(one) for one in found}
    return next(STATUS[verdict] for verdict in (LEAKS, NO_EVIDENCE, SHIP) if verdict in verdicts)


def measure_column(
    name: str,
    values: tuple[np.ndarray, np.ndarray, np.ndarray],
    trial: FeatureAblation,
    judge: GainEvaluator,
    without: AblationFit,
    is_timed: bool,
) -> ColumnFindings:
    """Find all that is to be known of one column; its values beside examples, later ones, and what the run scored."""
    known, later, scored = values
    material = trial.material
    with_it = trial.learn(known, later)
    placebo = (trial.permuted(known, material.known, 1), trial.permuted(later, material.later, 2))
    arms = {
        "without": without.log_odds,
        "with": with_it.log_odds,
        "placebo": trial.learn(*placebo).log_odds,
    }
    code = {"training": (known, material.known), "one window later": (later, material.later)}
    names = ("training", "one window later", "scoring")
    return ColumnFindings(
        column=name,
        coverage={at: float(np.isfinite(one).mean()) for at, one in zip(names, values, strict=True) if len(one)},
        drift=_drift(known, scored),
        auc_alone=univariate_auc(later, material.later),
        best_alone=max(
            (
                (feature, univariate_auc(material.later.feature(feature), material.later))
                for feature in (BASE, *_best(without))
            ),
            key=lambda one: one[1],
        ),
        jumps={at: measure_discontinuity(one, rows, key_codes(rows, trial.key)) for at, (one, rows) in code.items()},
        rewards=reward_gains(judge, arms),
        segments=segment_gains(judge, arms, later),
        importance=_importance(trial, judge, with_it, later, arms["without"]),
        is_timed=is_timed,
    )


def _importance(
    trial: FeatureAblation, judge: GainEvaluator, learned: AblationFit, later: np.ndarray, without: np.ndarray
) -> list[tuple[str, Gain]]:
    """What exchanging a feature's values costs in likelihood of listens; the column ("") and the best others."""
    nats, explained = judge.likelihoods(learned.log_odds)[:, 0], float(judge.explained(without)[0])
    costs = {
        name: judge.likelihood_gain(nats, judge.likelihoods(log_odds)[:, 0], explained)
        for name, log_odds in trial.importance(learned, later).items()
    }
    return sorted(costs.items(), key=lambda one: -one[1].value)


def _best(without: AblationFit) -> list[str]:
    return [FEATURE_NAMES[place] for place in np.argsort(-without.importance)[:4]]


def _drift(known: np.ndarray, scored: np.ndarray) -> float | None:
    """Stability index of the values between training and scoring; None: nothing to compare."""
    if not (np.isfinite(known).any() and np.isfinite(scored).any()):
        return None
    one, other = (
        histogram_mapping(count_values(pl.DataFrame({"value": values[np.isfinite(values)]}), names=["value"]))["value"]
        for values in (known, scored)
    )
    return stability_index(one, other)


def _strangers(signals: SignalTable, material: SignalDataset) -> str:
    """Say that the table is of others, or came too late."""
    key = list(signals.key)
    keys = pl.concat([material.known.keys, material.later.keys, material.scored])
    if len(signals.rows.join(keys, on=key, how="semi")):
        last = keys["cutoff_at"].sort()[-1]
        return f"--table has candidates of the run, but no value of theirs that was known before {last:%Y-%m-%d %H:%M}"
    theirs, ours = (
        str(frame.select(pl.concat_str(*key, separator=", ").min())[0, 0]) for frame in (signals.rows, keys)
    )
    name = ", ".join(key)
    return f"--table and the run have no {name} in common: the first of the table is {theirs!r}, of the run {ours!r}"
