"""The tables of a report as plain cells: terminal, Markdown and HTML print the same."""

from collections.abc import Sequence
from functools import partial

from pipelines.evaluation.report_data import EvaluationReport, Leak, SystemDifference
from pipelines.evaluation.report_values import (
    HEADLINE_METRIC,
    VERDICT_MARKS,
    ReportValues,
    headline_systems,
    index_differences,
    system_cells,
    value_cell,
    whole_lists,
)
from pipelines.rendering.table_cells import Cell, Table
from transforms.evaluation.matched_lists import EVERYONE, SHELF_SEGMENT, history_segments
from transforms.evaluation.metrics.metric import SHOWN_TARGETS, Metric
from transforms.evaluation.metrics.metrics import metrics_in_table
from transforms.evaluation.metrics.system import CANDIDATE_DEPTH, PAGE, RANKER, is_source

_Rows = Sequence[tuple[str, Sequence[Cell]]]


def tables_of(report: EvaluationReport) -> list[Table]:
    """Return all tables that have rows, in order."""
    values = ReportValues(report)
    made = [
        accuracy_table(report, values),
        *oracle_tables(report),
        _differences_table(report),
        _candidates_table(report, values),
        ranker_table(values),
        _page_table(report, values),
        _beyond_accuracy_table(report, values),
        _segments_table(report, values),
        _cutoffs_table(report, values),
        _leaks_table(report),
        _data_table(report),
        _systems_table(report),
        _metrics_table(report),
    ]
    return [table for table in made if table.rows]


def _with_kinds(report: EvaluationReport, rows: _Rows) -> list[tuple[str, str, Sequence[Cell]]]:
    return [(name, report.systems[name].kind, cells) for name, cells in rows]


def _columns_of(metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Return metric and kind of targets of each column; a metric without targets has one column."""
    return [(m.name, targets) for m in metrics for targets in (SHOWN_TARGETS if m.has_targets else ("all",))]


def _heads_of(metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Return the two rows of heads above these columns; the first is empty in tables without kinds of targets."""
    is_grouped = any(metric.has_targets for metric in metrics)
    heads = []
    for metric in metrics:
        if metric.has_targets:
            heads += [(metric.title, targets) for targets in SHOWN_TARGETS]
        else:
            heads.append((metric.group if is_grouped else "", metric.title))
    return heads


def accuracy_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return accuracy on all targets, on repeats and on discoveries for every system."""
    metrics = metrics_in_table("accuracy")
    rows = system_cells(values, whole_lists(report), _columns_of(metrics), report.metrics)
    note = (
        "Full catalogue, all cutoffs together. Repeats are targets that the user had played before the cutoff, looked"
        " for among the played tracks of the list; discoveries are the others, looked for among the rest."
    )
    return Table("Accuracy", _heads_of(metrics), _with_kinds(report, rows), note)


def oracle_tables(report: EvaluationReport) -> list[Table]:
    """Return each system's share of what the oracle's lists reach; no table without an oracle."""
    oracle = report.oracle_shares
    if oracle is None:
        return []
    shares = {(one.system, one.metric, one.targets): one.share for one in oracle.shares}
    metrics = [metric for metric in metrics_in_table("accuracy") if metric.has_targets]
    rows = [
        (name, [_share_cell(shares.get((name, *column))) for column in _columns_of(metrics)])
        for name in whole_lists(report)
    ]
    return [Table(f"Share of the value of the oracle ({oracle.system})", _heads_of(metrics), _with_kinds(report, rows))]


def _share_cell(share: float | None) -> Cell:
    return Cell("–" if share is None else f"{share:.0%}")


def _differences_table(report: EvaluationReport) -> Table:
    """Return the paired differences of ranker and page from every baseline and every list of others."""
    found = index_differences(report)
    ours = [name for name in (RANKER, PAGE) if name in report.systems]
    others = [name for name, system in report.systems.items() if system.kind in ("baseline", "given")]
    columns = [(system, targets) for system in ours for targets in SHOWN_TARGETS]
    rows = [
        (other, [_difference_cell(found.get((system, other, HEADLINE_METRIC, targets))) for system, targets in columns])
        for other in others
    ]
    note = "NDCG@10 of ours minus that of the other, on the same users; an interval that holds 0 is no difference."
    heads = [(f"{system} minus it", targets) for system, targets in columns]
    return Table("Paired differences", heads, _with_kinds(report, rows), note)


def _difference_cell(one: SystemDifference | None) -> Cell:
    if one is None:
        return Cell("–")
    text = f"{VERDICT_MARKS[one.verdict]} {one.difference:+.4f}"
    return Cell(text, f"{one.low:+.4f} to {one.high:+.4f}", one.verdict == "better", one.verdict == "worse")


def _candidates_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return recall of the first stage and of every source, and the targets that only one source finds."""
    metrics = metrics_in_table("candidates")
    sources = [name for name, system in report.systems.items() if is_source(system)]
    longest = f"recall@{CANDIDATE_DEPTH}"
    others = [name for name in report.systems if name not in sources and values.find(name, longest)]
    note = "Marginal recall: the share of the targets that no other source proposed."
    rows = system_cells(values, [*others, *sources], _columns_of(metrics), {})
    return Table("Candidates", _heads_of(metrics), _with_kinds(report, rows), note)


def ranker_table(values: ReportValues) -> Table:
    """Return how well the ranker orders its candidates and predicts listens."""
    rows = [
        (metric.title, "", [value_cell(value)])
        for metric in metrics_in_table("ranker")
        if (value := values.find(RANKER, metric.name))
    ]
    return Table("Ranker on its candidates", [("", "value")], rows, name_of_rows="metric")


def _page_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return the metrics of the page, and what each of its shelves adds."""
    metrics = metrics_in_table("page")
    heads = _heads_of(metrics)
    whole = [value_cell(values.find(PAGE, *column)) for column in _columns_of(metrics)]
    if all(cell.text == "–" for cell in whole):
        return Table("Page", heads, [])
    rows = [("whole page", "", whole)]
    for shelf in sorted({one.segment for one in report.values if one.segment.startswith(SHELF_SEGMENT)}):
        cells = [
            value_cell(values.find(PAGE, metric.name, targets, shelf)) if metric.is_by_shelf else Cell("")
            for metric in metrics
            for targets in SHOWN_TARGETS
        ]
        rows.append((shelf.removeprefix(SHELF_SEGMENT), "", cells))
    return Table("Page", heads, rows, name_of_rows="shelf")


def _beyond_accuracy_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return novelty, diversity and coverage of the lists."""
    systems = whole_lists(report)
    shown = metrics_in_table("beyond accuracy")
    metrics = [metric for metric in shown if any(values.find(name, metric.name) for name in systems)]
    rows = system_cells(values, systems, _columns_of(metrics), report.metrics, digits=3)
    plain = [(name, [Cell(cell.text, "", cell.is_best) for cell in cells]) for name, cells in rows]
    note = "Of the first 10 tracks of each list, but coverage and Gini, which are of all lists together."
    return Table("Beyond accuracy", _heads_of(metrics), _with_kinds(report, plain), note)


def _segments_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return the headline metric by length of history and by main genre."""
    found = {one.segment for one in report.values if not one.segment.startswith((SHELF_SEGMENT, EVERYONE))}
    by_history = [segment for segment in history_segments() if segment in found]
    systems = headline_systems(report)
    find = partial(values.find, metric=HEADLINE_METRIC, targets="all")
    rows = []
    for segment in by_history + sorted(found - set(by_history)):
        of_segment = [find(name, segment=segment) for name in systems]
        users = max((value.users for value in of_segment if value), default=0)
        rows.append((segment, f"{users:,} users", [value_cell(value) for value in of_segment]))
    note = "A user counts once per cutoff. history: 0 are users without any play before the cutoff; they are in no"
    note += " other segment."
    return Table("NDCG@10 by segment", [("", name) for name in systems], rows, note, name_of_rows="segment")


def _cutoffs_table(report: EvaluationReport, values: ReportValues) -> Table:
    """Return the headline metric at each cutoff; no rows if there is only one."""
    cutoffs = report.protocol.cutoffs
    if len(cutoffs) < 2:
        return Table("By cutoff", [], [])
    columns = [(targets, cutoff) for cutoff in cutoffs for targets in SHOWN_TARGETS]
    rows = [
        (
            name,
            [
                Cell(value_cell(values.find(name, HEADLINE_METRIC, targets, EVERYONE, cutoff)).text)
                for targets, cutoff in columns
            ],
        )
        for name in whole_lists(report)
    ]
    heads = [(cutoff[:10], targets) for targets, cutoff in columns]
    return Table("NDCG@10 by cutoff", heads, _with_kinds(report, rows))


def _leaks_table(report: EvaluationReport) -> Table:
    """Return the leak checks, system by system."""
    checks = {leak.check: leak for leak in report.leaks}
    found = {(leak.system, leak.check): leak for leak in report.leaks}
    systems = dict.fromkeys(leak.system for leak in report.leaks)
    rows = [(name, [_leak_cell(found.get((name, check))) for check in checks]) for name in systems]
    note = " ".join(f"{check}: {leak.sentence}." for check, leak in checks.items())
    heads = [(check, f"at most {leak.limit:g}") for check, leak in checks.items()]
    return Table("Leak checks", heads, _with_kinds(report, rows), note)


def _leak_cell(leak: Leak | None) -> Cell:
    if leak is None:
        return Cell("–")
    return Cell(f"{leak.value:.2f}" + (" suspect" if leak.is_suspect else ""), is_bad=leak.is_suspect)


def _data_table(report: EvaluationReport) -> Table:
    """Return the sizes of the data at each cutoff."""
    names = {
        "events": "plays before", "tracks": "tracks", "users": "evaluated users", "newcomers": "newcomers",
        "users_without_target": "users without a target", "targets": "targets", "repeats": "repeats",
        "discoveries": "discoveries", "unknown_track_plays": "plays of unknown tracks",
    }  # fmt: skip
    rows = [
        (data.cutoff[:16].replace("T", " "), "", [Cell(f"{getattr(data, name):,}") for name in names])
        for data in report.data
    ]
    return Table("Data", [("", title) for title in names.values()], rows, name_of_rows="cutoff")


def _systems_table(report: EvaluationReport) -> Table:
    """Return the meaning of every system, and the parameters that were tuned."""
    rows = []
    for name, system in report.systems.items():
        parameters = ", ".join(f"{key}={value:g}" for key, value in system.parameters.items())
        rows.append((name, [Cell(system.sentence), Cell(parameters), Cell(system.source)]))
    return Table("Systems", [("", "what"), ("", "parameters"), ("", "source")], _with_kinds(report, rows))


def _metrics_table(report: EvaluationReport) -> Table:
    """Return the meaning of every metric."""
    rows = [(name, one.group, [Cell(one.sentence), Cell(one.source)]) for name, one in report.metrics.items()]
    return Table("Metrics", [("", "what"), ("", "source")], rows, name_of_rows="metric")
