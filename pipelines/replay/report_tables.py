"""The tables of a replay's report as plain cells, and its sentences."""

from collections.abc import Sequence

from pipelines.rendering.table_cells import Cell, KeyFigure, Table, number
from pipelines.replay.report_data import ReplayReport, ValueEstimate
from transforms.experiments.off_policy.refusals import EXAMINED_SHARE, MIN_EFFECTIVE_SHARE, place_name
from transforms.experiments.off_policy.statistics import CLIPS


def replay_tables(report: ReplayReport) -> list[Table]:
    """Return all tables that have rows, in order."""
    made = [_value_table(report), _checks_table(report), _clipping_table(report), support_table(report)]
    return [table for table in made if table.rows]


def _value_table(report: ReplayReport) -> Table:
    """Return the value of the log and, where it can be told, that of the target by every estimator."""
    rows = [("the log", "", [*_value_cells(report.logged), Cell("")])] if report.logged else []
    rows += [(one.name, "ours", [*_value_cells(one), _difference_cell(one)]) for one in report.estimates]
    rows += [(one.name, "source", [*_value_cells(one), _difference_cell(one)]) for one in report.diagnostics]
    note = (
        "Mean outcome of a request, with 95 % intervals from a bootstrap of users. Estimators of whole pages are only"
        " diagnostics: their weights are products of all choices."
    )
    heads = [("", "mean outcome"), ("", "target minus log")]
    return Table("Value of the target", heads, rows, note, name_of_rows="estimator")


def _value_cells(one: ValueEstimate) -> list[Cell]:
    return [Cell(number(one.value), f"{one.low:.4f}–{one.high:.4f}")]


def _difference_cell(one: ValueEstimate) -> Cell:
    text, note = f"{one.difference:+.4f}", f"{one.difference_low:+.4f} to {one.difference_high:+.4f}"
    return Cell(text, note, one.verdict == "better", one.verdict == "worse")


def _checks_table(report: ReplayReport) -> Table:
    """Return what was asked of the log."""
    rows = [(one.name, "", [Cell(one.found, is_bad=bool(one.reason)), Cell(one.limit)]) for one in report.checks]
    return Table("Checks of the log", [("", "found"), ("", "limit")], rows, name_of_rows="check")


def _clipping_table(report: ReplayReport) -> Table:
    """Return how the estimates change where large weights are cut."""
    rows = []
    for name in dict.fromkeys(one.name for one in report.clipped):
        of_name = [one for one in report.clipped if one.name == name]
        plain = of_name[0].value - of_name[0].change
        cells = [Cell(number(one.value), f"{round(one.change, 4) + 0.0:+.4f}") for one in of_name]
        rows.append((name, "", [*cells, Cell(number(plain))]))
    heads = [*(("", f"at most {most:g}") for most in CLIPS), ("", "as they are")]
    note = "A change says how much of the estimate comes from few requests with large weights."
    return Table("Sensitivity to clipping the weights", heads, rows, note, name_of_rows="estimator")


def support_table(report: ReplayReport) -> Table:
    """Return the effective number of requests at every place."""
    rows = [
        (
            place_name(one.place),
            "",
            [
                Cell(f"{one.choices:,}"),
                Cell(f"{one.effective:,.0f}"),
                Cell(
                    f"{one.effective_share:.0%}", is_bad=bool(one.choices) and one.effective_share < MIN_EFFECTIVE_SHARE
                ),
                Cell(f"{one.largest:.2%}"),
                Cell(f"{one.clipped:.2%}"),
                Cell(f"{one.reward:.1%}"),
            ],
        )
        for one in report.examined
    ]
    names = ("cards", "effective", "share", "largest weight", f"above {CLIPS[0]:g}", "of all outcomes")
    note = (
        f"The places that hold {EXAMINED_SHARE:.0%} of all outcomes; replay.json has the others. Effective: as many"
        " requests of the target would tell as much about the place (Kish)."
    )
    return Table("Support by place", [("", name) for name in names], rows, note, name_of_rows="place")


def replay_headline(report: ReplayReport) -> str:
    """Say in one sentence what was replayed."""
    return (
        f"{report.target} on {report.requests:,} logged requests of {report.users:,} users; outcome: {report.outcome};"
        f" choices of the target: {report.choices}; {report.num_replicates} bootstrap replicates of users"
    )


def replay_figures(report: ReplayReport) -> list[KeyFigure]:
    """Return the value of the log, what each estimator says of the target, and how much of the log speaks of it."""
    figures = [KeyFigure("mean outcome of the log", number(report.logged.value))] if report.logged else []
    for one in report.estimates:
        note = f"target minus log: {one.difference:+.4f}"
        figures.append(KeyFigure(f"of the target, {one.name}", number(one.value), note, one.verdict))
    return [*figures, KeyFigure("logged requests", f"{report.requests:,}", f"of {report.users:,} users")]


def replay_verdicts(report: ReplayReport) -> Sequence[tuple[str, str]]:
    """Return marks and sentences: of the estimates together, and of their disagreements."""
    if report.reasons:
        return [("worse", f"The log cannot tell: {reason}") for reason in report.reasons]
    verdicts = {one.verdict for one in report.estimates}
    mark = next(iter(verdicts)) if len(verdicts) == 1 else "none"
    said = {
        "better": "All estimators agree: the target is better than the log",
        "worse": "All estimators agree: the target is worse than the log",
        "none": "The estimators do not all tell a difference between target and log",
    }[mark]
    ranges = ", ".join(f"{one.name} {one.difference:+.4f}" for one in report.estimates)
    return [(mark, f"{said} ({ranges}).")] + [("none", text) for text in report.disagreements]
