"""The tables of an evaluation of the next track, and its report as JSON, Markdown and one HTML page."""

from collections.abc import Sequence

from pipelines.next_track.report_data import NextTrackReport, NextTrackValue, next_track_report_to_json
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html, render_markdown
from pipelines.rendering.table_cells import Cell, KeyFigure, Table, number
from transforms.evaluation.next_track.measure_next_tracks import (
    EVERY_PLAY,
    FIRST,
    IN_SESSION,
    NEXT_TRACK_METRICS,
    NO_HISTORY,
)
from transforms.tables.files import write_atomically

_SHOWN_METRICS = {"ndcg@10": "NDCG@10", "recall@20": "recall@20", "recall@100": "recall@100", "mrr": "MRR"}
_KINDS = {"repeats": "Repeats", "discoveries": "Discoveries"}


def write_next_track_report(report: NextTrackReport, folder: str) -> None:
    """Write report.json, report.md and report.html to a local or remote folder."""
    tables = next_track_tables(report)
    page = Report(
        title=f"Next track {report.cutoffs[0][:10]}",
        heading="Next track",
        headline=next_track_headline(report),
        figures=_figures(report),
        verdicts=_verdicts(report),
        tables=tables,
        command=report.command,
        homeshelf=report.homeshelf,
        num_on_top=len(tables) - 1,
    )
    below = folder.rstrip("/")
    write_atomically(f"{below}/report.json", next_track_report_to_json(report).encode())
    write_atomically(f"{below}/report.md", render_markdown(page).encode())
    write_page(f"{below}/report.html", render_html(page))


def next_track_headline(report: NextTrackReport) -> str:
    """Say in one sentence what was evaluated."""
    counts = report.counts
    tuned = f"tuned on the week of {report.tuning_cutoff[:10]}" if report.tuning_cutoff else "not tuned"
    return (
        f"{counts['cases']:,} plays of {counts['users']:,} users in {report.horizon_days:g} days after"
        f" {', '.join(cutoff[:10] for cutoff in report.cutoffs)}, each predicted from what its user had played before"
        f" it; full catalogue; 95% intervals from {report.num_replicates} bootstrap replicates of users; systems are"
        f" {tuned}"
    )


def next_track_tables(report: NextTrackReport) -> list[Table]:
    """Return all tables that have values, in order."""
    made = [_segment_table(report, segment) for segment in (IN_SESSION, FIRST, NO_HISTORY, EVERY_PLAY)]
    made += [_kind_table(report, targets) for targets in _KINDS]
    return [*(table for table in made if table.rows), _systems_table(report)]


def _segment_table(report: NextTrackReport, segment: str) -> Table:
    """Return all metrics of the plays of a segment, and the difference in NDCG@10 from the last system."""
    chosen = [one for one in report.values if one.segment == segment and one.targets == "all"]
    rows = []
    for system in report.systems:
        values = {one.metric: one for one in chosen if one.system == system.name}
        if values:
            cells = [_cell(values[metric], chosen) for metric in NEXT_TRACK_METRICS]
            rows.append((system.name, "baseline", [*cells, _difference(values["ndcg@10"])]))
    last = report.systems[-1].name
    heads = [*(("", _SHOWN_METRICS[metric]) for metric in NEXT_TRACK_METRICS), ("NDCG@10", f"minus {last}")]
    count = next((n for targets, name, n in report.cases if (targets, name) == ("all", segment)), 0)
    return Table(f"{segment.capitalize()}: {count:,} plays", heads, rows)


def _kind_table(report: NextTrackReport, targets: str) -> Table:
    """Return repeats or discoveries, in sessions and first of them."""
    segments = [name for kind, name, _ in report.cases if kind == targets and name in (IN_SESSION, FIRST)]
    rows = []
    for system in report.systems:
        cells = []
        for segment in segments:
            chosen = [one for one in report.values if (one.segment, one.targets) == (segment, targets)]
            of_system = {one.metric: one for one in chosen if one.system == system.name}
            cells += [_cell(of_system[metric], chosen) for metric in ("ndcg@10", "recall@20", "recall@100")]
        if cells:
            rows.append((system.name, "baseline", cells))
    counts = {name: n for kind, name, n in report.cases if kind == targets}
    heads = [(segment, head) for segment in segments for head in ("NDCG@10", "recall@20", "recall@100")]
    plays = ", ".join(f"{counts[segment]:,} {segment}" for segment in segments)
    return Table(f"{_KINDS[targets]}: {plays}", heads, rows)


def _systems_table(report: NextTrackReport) -> Table:
    rows = [
        (
            one.name,
            "",
            [
                Cell(one.sentence),
                Cell(", ".join(f"{name} {value:g}" for name, value in one.parameters.items())),
                Cell(one.source),
            ],
        )
        for one in report.systems
    ]
    return Table("Systems", [("", "what"), ("", "parameters"), ("", "source")], rows)


def _figures(report: NextTrackReport) -> list[KeyFigure]:
    """Return NDCG@10 of the last system in each segment, with that of the best other one below."""
    last, figures = report.systems[-1].name, []
    for segment in (IN_SESSION, FIRST, NO_HISTORY, EVERY_PLAY):
        chosen = {
            one.system: one
            for one in report.values
            if (one.metric, one.targets, one.segment) == ("ndcg@10", "all", segment)
        }
        others = [one for name, one in chosen.items() if name != last]
        if last in chosen:
            best = max(others, key=lambda one: one.value, default=None)
            note = f"{best.system}: {number(best.value)}" if best else ""
            mark = {"worse": "better", "better": "worse"}.get(best.verdict if best else "", "none")
            figures.append(KeyFigure(f"NDCG@10 of {last}, {segment}", number(chosen[last].value), note, mark))
    return figures


def _cell(one: NextTrackValue, others: Sequence[NextTrackValue]) -> Cell:
    best = max(other.value for other in others if other.metric == one.metric)
    return Cell(number(one.value), f"{one.low:.4f}–{one.high:.4f}", one.value == best)


def _difference(one: NextTrackValue) -> Cell:
    if one.difference == one.difference_low == one.difference_high == 0:
        return Cell("")
    note = f"{one.difference_low:+.4f} to {one.difference_high:+.4f}"
    return Cell(f"{one.difference:+.4f}", note, is_bad=one.verdict == "worse", is_best=one.verdict == "better")


def _verdicts(report: NextTrackReport) -> list[tuple[str, str]]:
    """Return marks and sentences: the last system against the best other one, in each segment."""
    last, found = report.systems[-1].name, []
    for segment in (IN_SESSION, FIRST):
        chosen = [
            one
            for one in report.values
            if (one.metric, one.targets, one.segment) == ("ndcg@10", "all", segment) and one.system != last
        ]
        if chosen:
            best = max(chosen, key=lambda one: one.value)
            mark = {"worse": "better", "better": "worse"}.get(best.verdict, "none")
            said = {"better": "better than", "worse": "worse than", "none": "no different from"}[mark]
            text = f"NDCG@10 {-best.difference:+.4f}, {-best.difference_high:+.4f} to {-best.difference_low:+.4f}"
            found.append((mark, f"{segment.capitalize()}: {last} is {said} {best.system} ({text})."))
    return found
