"""Numbers, sentences and tables of a loop's report, as the terminal, Markdown and HTML show them."""

from collections.abc import Iterator

from pipelines.loop.day_counts import CHURN, CURVES, WINDOW_DAYS, Curve
from pipelines.loop.report_data import COMPARED, ArmDifference, LoopReport
from pipelines.rendering.table_cells import Cell, KeyFigure, Table

ALL_CURVES = (*CURVES, CHURN)
DAYS_TABLE, CURVES_TABLE = "Days", "Curves"
# A change of coverage below this share is no finding: days differ by as much.
_NARROWING = 0.1


def loop_headline(report: LoopReport) -> str:
    """Return size and kind of the loop in one line."""
    world = "one world that they share" if report.is_shared else "a world each"
    return (
        f"{report.days} days of {report.users:,} listeners and {report.tracks:,} tracks; {', '.join(report.arms)} in"
        f" {world}"
    )


def loop_figures(report: LoopReport) -> list[KeyFigure]:
    """Return the differences of each arm from the first, and the runs that the gate stopped."""
    control = next(iter(report.arms))
    figures = [
        KeyFigure(f"{one.metric.replace('_', ' ')}, {one.arm} against {control}", _relative(one), _interval(one), mark)
        for one in report.differences
        for mark in ("better" if one.low > 0 else "worse" if one.high < 0 else "none",)
    ]
    stopped = KeyFigure("runs stopped by the gate", f"{len(report.stops)}", f"{len(report.faults)} faults planted")
    return [*figures, stopped]


def loop_verdicts(report: LoopReport) -> list[tuple[str, str]]:
    """Return the sentences that a reader takes away, with their marks."""
    return [*_difference_verdicts(report), *_coverage_verdicts(report), *_gate_verdicts(report)]


def _difference_verdicts(report: LoopReport) -> Iterator[tuple[str, str]]:
    control = next(iter(report.arms))
    for one in report.differences:
        if one.low > 0 or one.high < 0:
            mark = "better" if one.difference > 0 else "worse"
            yield mark, f"{one.arm}: {one.metric} {_relative(one)} against {control} ({_interval(one)})."
    undecided = [f"{one.arm} {one.metric}" for one in report.differences if one.low <= 0 <= one.high]
    if undecided:
        yield "", f"No difference from {control} that chance does not explain: {', '.join(undecided)}."


def _coverage_verdicts(report: LoopReport) -> Iterator[tuple[str, str]]:
    for arm, flags in report.arms.items():
        first, last = report.ends(arm, "page_coverage")
        if flags is None or not first or last is None:
            continue
        change = last / first - 1
        kind = "narrows" if change <= -_NARROWING else "does not narrow"
        mark = "worse" if change <= -_NARROWING else ""
        yield (
            mark,
            (
                f"{arm} {kind}: {last:.1%} of the catalog on its pages in the last week, {first:.1%} in the first"
                f" ({change:+.1%})."
            ),
        )


def _gate_verdicts(report: LoopReport) -> Iterator[tuple[str, str]]:
    for stop in report.stops:
        yield "worse", f"{stop.arm}, run before day {stop.day}: stopped by the gate: {'; '.join(stop.violated)}."
    for day, kind, share in report.faults:
        caught = {stop.arm for stop in report.stops if stop.day == day + 1}
        running = [arm for arm, flags in report.arms.items() if flags is not None]
        if missed := [arm for arm in running if arm not in caught]:
            yield "worse", f"{kind} of {share:.0%} on day {day}: not stopped in {', '.join(missed)}."


def loop_tables(report: LoopReport) -> list[Table]:
    """Return all tables."""
    tables = [_last_week(report), _differences(report)]
    if report.stops:
        tables.append(_stops(report))
    return [*(table for table in tables if table.rows), _days(report), _meanings(), _arms(report)]


def _last_week(report: LoopReport) -> Table:
    """Return the last value of each curve by arm, with its first below."""
    rows = []
    for curve in ALL_CURVES:
        ends = [report.ends(arm, curve.name) for arm in report.arms]
        cells = [Cell(_figure(curve, last), f"from {_figure(curve, first)}") for first, last in ends]
        if any(last is not None for _, last in ends):
            rows.append((curve.name, "", cells))
    heads = [("", arm) for arm in report.arms]
    note = f"Beside each, the first week. Curves are of the {WINDOW_DAYS} days up to each day."
    return Table("Last week", heads, rows, note, name_of_rows="curve")


def _figure(curve: Curve, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if curve.is_share else f"{value:.2f}"


def _differences(report: LoopReport) -> Table:
    control = next(iter(report.arms))
    arms = list(dict.fromkeys(one.arm for one in report.differences))
    rows = []
    for metric in COMPARED:
        of_metric = {one.arm: one for one in report.differences if one.metric == metric}
        cells = [Cell(_relative(of_metric[arm]), _interval(of_metric[arm])) for arm in arms if arm in of_metric]
        if cells:
            rows.append((metric, "", cells))
    kind = "its own listeners" if report.is_shared else "the same listeners in both worlds"
    note = f"Means of all days by listener, with 95 % intervals by listener; {kind}."
    return Table(f"Against {control}", [("", arm) for arm in arms], rows, note, name_of_rows="metric")


def _relative(one: ArmDifference) -> str:
    return f"{one.difference / one.control:+.1%}" if one.control else f"{one.difference:+.3f}"


def _interval(one: ArmDifference) -> str:
    if one.control:
        return f"{one.low / one.control:+.1%} to {one.high / one.control:+.1%}"
    return f"{one.low:+.3f} to {one.high:+.3f}"


def _stops(report: LoopReport) -> Table:
    rows = [(f"day {stop.day}", "", [Cell(stop.arm), Cell("; ".join(stop.violated))]) for stop in report.stops]
    note = "Such a run is not published: the pages of the day before are served again."
    return Table("Stopped by the gate", [("", "arm"), ("", "limits")], rows, note, name_of_rows="run before")


def _meanings() -> Table:
    rows = [(curve.name, "", [Cell(curve.sentence)]) for curve in ALL_CURVES]
    return Table(CURVES_TABLE, [("", "meaning")], rows, name_of_rows="curve")


def _days(report: LoopReport) -> Table:
    """Return every value of every curve."""
    rows = [
        (
            f"{arm}, day {day + 1}",
            "",
            [Cell(_figure(curve, report.curves[arm][curve.name][day])) for curve in ALL_CURVES],
        )
        for arm in report.arms
        for day in range(report.days)
    ]
    note = f"Of the {WINDOW_DAYS} days up to each."
    return Table(DAYS_TABLE, [("", curve.name) for curve in ALL_CURVES], rows, note, name_of_rows="arm and day")


def _arms(report: LoopReport) -> Table:
    rows = [
        (arm, "", [Cell("no recommendations" if flags is None else " ".join(flags))])
        for arm, flags in report.arms.items()
    ]
    return Table("Arms", [("", "flags of homeshelf run")], rows, name_of_rows="arm")
