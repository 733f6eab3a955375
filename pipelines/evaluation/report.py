"""Build the report of an evaluation from the results of its cutoffs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import combinations
from typing import NamedTuple

import polars as pl

from pipelines.evaluation.calibration import calibration_groups, calibration_values
from pipelines.evaluation.estimates import EstimateKey, Estimates
from pipelines.evaluation.leak_checks import LeakInputs, find_leaks
from pipelines.evaluation.report_data import (
    CutoffData,
    EvaluationReport,
    MetricDescription,
    MetricValue,
    OracleShare,
    OracleShares,
    Protocol,
    SystemDifference,
    TrainingCurve,
)
from pipelines.options.evaluation_options import EvaluateOptions
from transforms.candidates.sources import SOURCES
from transforms.evaluation.list_baselines import TunedBaselines
from transforms.evaluation.matched_lists import EVERYONE, SHELF_SEGMENT
from transforms.evaluation.metrics.metric import SHOWN_TARGETS, Metric
from transforms.evaluation.metrics.metrics import METRICS, metrics_in_table, metrics_over
from transforms.evaluation.metrics.system import FIRST_STAGE, PAGE, RANKER, System
from transforms.evaluation.write_metrics import CutoffSummary

CONFIDENCE = 0.95
_REPORTED_TARGETS = (*SHOWN_TARGETS, "tail")
_OWN_SYSTEMS = (
    System(PAGE, "ours", "the page as it is read: shelf by shelf, track by track"),
    System(RANKER, "ours", "the candidates as the ranker orders them"),
    System(FIRST_STAGE, "ours", "the candidates of all sources, blended by a fitted logistic regression"),
)


class CutoffResult(NamedTuple):
    """Everything that was measured at one cutoff."""

    summary: CutoffSummary
    sums: pl.DataFrame


@dataclass(frozen=True)
class EvaluationRun:
    """An evaluation after its last cutoff: what it was asked for, and what it measured.

    tuned_at: None if nothing was tuned. lists: names of the lists of others. command: as it was typed.
    """

    options: EvaluateOptions
    command: str
    tuned: TunedBaselines
    tuned_at: datetime | None
    lists: Sequence[str]
    results: Sequence[CutoffResult]

    @property
    def summaries(self) -> list[CutoffSummary]:
        """Return the summary of every cutoff."""
        return [result.summary for result in self.results]


def make_report(run: EvaluationRun) -> EvaluationReport:
    """Return the report of all cutoffs."""
    pooled = Estimates.from_cutoffs([result.sums for result in run.results], CONFIDENCE)
    listed = set().union(*(summary.catalogue["system"] for summary in run.summaries))
    systems = [system for system in _systems(run) if system.name in listed]
    checked = [system.name for system in systems if system.name != run.options.oracle]
    return EvaluationReport(
        homeshelf=version("homeshelf"),
        protocol=_protocol(run),
        data=[_data(summary) for summary in run.summaries],
        systems={system.name: system for system in systems},
        metrics=describe_metrics(),
        values=list(_all_values(run, pooled, systems)),
        differences=list(_differences(pooled, systems)),
        calibration=calibration_groups(run.summaries),
        training=[TrainingCurve(one.cutoff, one.epochs) for one in run.summaries if one.epochs is not None],
        oracle_shares=_oracle_shares(pooled, systems, run.options.oracle),
        leaks=find_leaks(LeakInputs(run.summaries, pooled, checked)),
    )


def cutoff_folder(cutoff: str) -> str:
    """Name the folder of a cutoff, given as ISO text, below that of the evaluation."""
    return f"cutoff={datetime.fromisoformat(cutoff):%Y%m%dT%H%M%S}"


def describe_metrics() -> dict[str, MetricDescription]:
    """Return group, sentence, source and direction of every metric."""
    return {
        metric.name: MetricDescription(metric.group, metric.sentence, metric.source, metric.higher_is_better)
        for metric in METRICS
    }


def _protocol(run: EvaluationRun) -> Protocol:
    return Protocol(
        cutoffs=[summary.cutoff for summary in run.summaries],
        tuning_cutoff=run.tuned_at.isoformat() if run.tuned_at else None,
        gap_minutes=run.options.gap_minutes,
        horizon_days=run.options.horizon_days,
        seed=run.options.seed,
        num_replicates=run.options.num_replicates,
        confidence=CONFIDENCE,
        command=run.command,
    )


def _data(summary: CutoffSummary) -> CutoffData:
    names = ("events", "tracks", "users", "newcomers", "targets", "repeats", "discoveries", "unknown_track_plays")
    counts = summary.counts
    without = counts["users_before"] - counts["users"]
    return CutoffData(summary.cutoff, **{name: counts[name] for name in names}, users_without_target=without)


def _systems(run: EvaluationRun) -> Iterator[System]:
    """Yield all systems in the order of the report's tables."""
    yield from _OWN_SYSTEMS
    yield from (System(source.name, "source", source.sentence) for source in SOURCES)
    for name, (baseline, parameters) in run.tuned.items():
        tuned = dict(parameters)
        yield System(name, "baseline", baseline.sentence, baseline.source, tuned, run.options.list_depth)
    yield from (System(name, "given", "a list that was given") for name in run.lists)


def _all_values(run: EvaluationRun, pooled: Estimates, systems: Sequence[System]) -> Iterator[MetricValue]:
    """Yield the values of all cutoffs together, then those of every cutoff, without segments."""
    yield from report_values(pooled, systems, "")
    yield from _catalogue_values(run.summaries, systems)
    yield from calibration_values(run.summaries)
    for result in run.results:
        yield from report_values(Estimates.from_cutoffs([result.sums], CONFIDENCE), systems, result.summary.cutoff)


def report_values(estimates: Estimates, systems: Sequence[System], cutoff: str) -> Iterator[MetricValue]:
    """Yield the means over users of all metrics; of a single cutoff without segments."""
    for key in _keys(estimates, systems):
        if cutoff and key.segment != EVERYONE:
            continue
        if estimate := estimates.estimate(key):
            users, value, low, high = estimate
            targets = key.targets or "all"
            yield MetricValue(key.system, key.metric, targets, key.segment, cutoff, round(users), value, low, high)


def _keys(estimates: Estimates, systems: Sequence[System]) -> Iterator[EstimateKey]:
    """Yield keys by system, metric, kind of targets and segment, also of lists without any hit."""
    segments = sorted({key.segment for key in estimates.keys()})
    for system in systems:
        for metric in METRICS:
            if metric.is_by_user and metric.is_meaningful_for(system):
                yield from _keys_of(system.name, metric, segments)


def _keys_of(system: str, metric: Metric, segments: Sequence[str]) -> Iterator[EstimateKey]:
    if not metric.has_targets:
        yield EstimateKey(system, metric.name, "")
        return
    shelves = [segment for segment in segments if segment.startswith(SHELF_SEGMENT)]
    of_users = [segment for segment in segments if segment not in (EVERYONE, *shelves)]
    for targets in _REPORTED_TARGETS:
        yield EstimateKey(system, metric.name, targets)
        if metric.is_by_segment and targets in SHOWN_TARGETS:
            yield from (EstimateKey(system, metric.name, targets, segment) for segment in of_users)
    if metric.is_by_shelf:
        yield from (EstimateKey(system, metric.name, targets, shelf) for targets in SHOWN_TARGETS for shelf in shelves)


def _catalogue_values(summaries: Sequence[CutoffSummary], systems: Sequence[System]) -> Iterator[MetricValue]:
    """Yield metrics of list exposure, which have no interval; of several cutoffs the mean."""
    users = {one.cutoff: one.counts["users"] + one.counts["newcomers"] for one in summaries}
    for system in systems:
        for metric in metrics_over("list exposure"):
            values = {one.cutoff: one.catalogue_value(system.name, metric.name) for one in summaries}
            found = {cutoff: value for cutoff, value in values.items() if value is not None}
            for cutoff, value in found.items():
                yield MetricValue(system.name, metric.name, "all", EVERYONE, cutoff, users[cutoff], value, None, None)
            if found:
                mean = sum(found.values()) / len(found)
                yield MetricValue(system.name, metric.name, "all", EVERYONE, "", sum(users.values()), mean, None, None)


def _differences(estimates: Estimates, systems: Sequence[System]) -> Iterator[SystemDifference]:
    compared = [metric for metric in METRICS if metric.is_compared]
    for one, other in combinations(systems, 2):
        for metric in compared:
            if not (metric.is_meaningful_for(one) and metric.is_meaningful_for(other)):
                continue
            for targets in SHOWN_TARGETS:
                keys = (EstimateKey(system.name, metric.name, targets) for system in (one, other))
                if difference := estimates.difference(*keys):
                    yield SystemDifference(one.name, other.name, metric.name, targets, EVERYONE, **asdict(difference))


def _oracle_shares(estimates: Estimates, systems: Sequence[System], oracle: str) -> OracleShares | None:
    """Divide the metrics of every system by those of the oracle's lists, if there are any."""
    if not oracle:
        return None
    shares = []
    for system in systems:
        for metric in (one.name for one in metrics_in_table("accuracy") if one.has_targets):
            for targets in SHOWN_TARGETS:
                keys = [EstimateKey(name, metric, targets) for name in (system.name, oracle)]
                found, most = map(estimates.estimate, keys)
                if found and most and most.value:
                    shares.append(OracleShare(system.name, metric, targets, found.value / most.value))
    return OracleShares(oracle, shares)
