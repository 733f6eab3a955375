"""Read a report: values by system and metric, cells of tables, the best baselines and the verdicts on ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipelines.evaluation.report_data import EvaluationReport, MetricDescription, MetricValue, SystemDifference
from pipelines.rendering.table_cells import Cell, KeyFigure, number
from transforms.evaluation.matched_lists import EVERYONE
from transforms.evaluation.metrics.metric import SHOWN_TARGETS
from transforms.evaluation.metrics.system import CANDIDATE_DEPTH, FIRST_STAGE, PAGE, RANKER

HEADLINE_METRIC = "ndcg@10"
VERDICT_MARKS = {"better": "▲", "worse": "▼", "no difference": "="}


@dataclass(frozen=True)
class ReportValues:
    """The values of a report, by system, metric, kind of targets, segment and cutoff."""

    report: EvaluationReport

    @cached_property
    def _index(self) -> dict[tuple[str, ...], MetricValue]:
        return {(one.system, one.metric, one.targets, one.segment, one.cutoff): one for one in self.report.values}

    def find(
        self, system: str, metric: str, targets: str = "all", segment: str = EVERYONE, cutoff: str = ""
    ) -> MetricValue | None:
        """Return one value with its interval; None if the report has none."""
        return self._index.get((system, metric, targets, segment, cutoff))


def format_interval(value: MetricValue, digits: int = 4) -> str:
    """Print an interval; empty if the value has none."""
    if value.low is None or value.high is None:
        return ""
    return f"{value.low:.{digits}f}–{value.high:.{digits}f}"


def value_cell(value: MetricValue | None, is_best: bool = False, digits: int = 4) -> Cell:
    """Print one value with its interval."""
    return Cell("–") if value is None else Cell(number(value.value, digits), format_interval(value, digits), is_best)


def system_cells(
    values: ReportValues,
    systems: Sequence[str],
    columns: Sequence[tuple[str, str]],
    metrics: Mapping[str, MetricDescription],
    digits: int = 4,
) -> list[tuple[str, Sequence[Cell]]]:
    """Return one row per system; a column is a metric and a kind of targets. The best of each column is marked."""
    found = {column: {name: values.find(name, *column) for name in systems} for column in columns}
    best = {column: _best_system(found[column], metrics.get(column[0])) for column in columns}
    return [
        (name, [value_cell(found[column][name], name == best[column], digits) for column in columns])
        for name in systems
    ]


def _best_system(values: Mapping[str, MetricValue | None], metric: MetricDescription | None) -> str | None:
    """Return the system with the best value; None if no direction is better, or all values are equal."""
    known = {name: found.value for name, found in values.items() if found}
    if metric is None or metric.higher_is_better is None or len(set(known.values())) < 2:
        return None
    return (max if metric.higher_is_better else min)(known, key=lambda name: known[name])


def whole_lists(report: EvaluationReport) -> list[str]:
    """Return the systems whose lists could be served; those of single sources are only parts of a list."""
    return [name for name, system in report.systems.items() if system.kind != "source"]


def headline_systems(report: EvaluationReport) -> list[str]:
    """Return page and ranker, and the best baseline for each kind of targets."""
    ours = [name for name in (PAGE, RANKER) if name in report.systems]
    return list(dict.fromkeys([*ours, *best_baselines(report).values()]))


def best_baselines(report: EvaluationReport) -> dict[str, str]:
    """Return the baseline with the highest headline metric for each kind of targets."""
    values = ReportValues(report)
    best = {}
    for targets in SHOWN_TARGETS:
        found = {
            name: value.value
            for name, system in report.systems.items()
            if system.kind == "baseline" and (value := values.find(name, HEADLINE_METRIC, targets))
        }
        if found:
            best[targets] = max(found, key=lambda name: found[name])
    return best


def index_differences(report: EvaluationReport) -> dict[tuple[str, str, str, str], SystemDifference]:
    """Return the differences by system, other system, metric and kind of targets."""
    return {(one.system, one.against, one.metric, one.targets): one for one in report.differences}


@dataclass(frozen=True)
class Verdict:
    """One sentence that compares a system with the best baseline, and its verdict."""

    verdict: str
    sentence: str


def verdicts_of(report: EvaluationReport) -> list[Verdict]:
    """Compare ranker and page with the best baseline for each kind of targets."""
    differences = index_differences(report)
    return [
        _verdict_of(difference)
        for targets, best in best_baselines(report).items()
        for system in (RANKER, PAGE)
        if (difference := differences.get((system, best, HEADLINE_METRIC, targets)))
    ]


def _verdict_of(one: SystemDifference) -> Verdict:
    ratio = f"{one.ratio:.2f}x " if one.ratio is not None else ""
    comparison = "no different from" if one.verdict == "no difference" else f"{one.verdict} than"
    sentence = (
        f"{one.targets}: {one.system} is {comparison} the best baseline, {one.against}: {ratio}NDCG@10,"
        f" difference {one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})"
    )
    return Verdict(one.verdict, sentence)


def headline_of(report: EvaluationReport) -> str:
    """Say in one sentence what was evaluated, and how."""
    protocol, data = report.protocol, report.data
    users, targets = sum(one.users for one in data), sum(one.targets for one in data)
    cutoffs = ", ".join(cutoff[:16].replace("T", " ").removesuffix(" 00:00") for cutoff in protocol.cutoffs)
    tuned = protocol.tuning_cutoff
    return (
        f"{len(data)} cutoff{'s' * (len(data) != 1)} ({cutoffs}), {users:,} users and {targets:,} targets; horizon"
        f" {protocol.horizon_days:g} days after a gap of {protocol.gap_minutes:g} minutes; full catalogue;"
        f" {protocol.confidence:.0%} intervals from {protocol.num_replicates} bootstrap replicates; baselines"
        + (f" tuned on the cutoff {tuned[:10]}" if tuned else " not tuned")
    )


def key_figures(report: EvaluationReport) -> list[KeyFigure]:
    """Return accuracy of page and ranker beside the best baseline's, reach and calibration of the stages, and leaks."""
    values = ReportValues(report)
    compared = [(system, targets) for targets in ("all", "discoveries") for system in (PAGE, RANKER)]
    figures = [_against_the_best(values, *one) for one in compared]
    for label, system, metric in (
        (f"recall@{CANDIDATE_DEPTH}, candidates", FIRST_STAGE, f"recall@{CANDIDATE_DEPTH}"),
        ("AUC, ranker", RANKER, "auc"),
        ("coverage@100, page", PAGE, "coverage@100"),
    ):
        if value := values.find(system, metric):
            figures.append(KeyFigure(label, f"{value.value:.3f}", format_interval(value, 3)))
    suspects = sum(leak.is_suspect for leak in report.leaks)
    if report.leaks:
        mark = "worse" if suspects else "better"
        figures.append(KeyFigure("suspected leaks", f"{suspects}", f"of {len(report.leaks)} checks", mark))
    return [figure for figure in figures if figure]


def _against_the_best(values: ReportValues, system: str, targets: str) -> KeyFigure | None:
    """Return the headline metric of a system, with the best baseline below it."""
    value, best = values.find(system, HEADLINE_METRIC, targets), best_baselines(values.report).get(targets)
    if value is None:
        return None
    other = values.find(best, HEADLINE_METRIC, targets) if best else None
    difference = index_differences(values.report).get((system, best or "", HEADLINE_METRIC, targets))
    name = "NDCG@10" if targets == "all" else targets
    note = f"{best}: {other.value:.3f}" if other else format_interval(value, 3)
    mark = difference.verdict if difference and difference.verdict in ("better", "worse") else "none"
    return KeyFigure(f"{name}, {system}", f"{value.value:.3f}", note, mark)
