"""The findings on new columns: as tables on a terminal or as plain text, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.rendering.plain_text import printable
from pipelines.signals.gains import Gain
from pipelines.signals.verdict import (
    LEAKS,
    NO_EVIDENCE,
    SHIP,
    ColumnFindings,
    decide_verdict,
    explain_verdict,
    list_cautions,
)

STYLES = {SHIP: "bold green", NO_EVIDENCE: "yellow", LEAKS: "bold red"}
NONE = "–"


def print_findings(console: Console, about: Mapping[str, Any], found: Sequence[ColumnFindings]) -> None:
    """Print what the columns were judged on, all verdicts, and then each with its figures."""
    key, when = ", ".join(about["key"]), f", known at {about['known_at']}" if about["known_at"] else ""
    text = f"{about['table']} by {key}{when}, on {about['users']:,} users and {about['candidates']:,} candidates of"
    _line(console, f"{text} {about['run']}")
    _line(console, f"joined {about['joined_per_s']:,.0f} candidates/s", "dim")
    if len(found) > 1:
        _titled(console, _all(found))
    for one in found:
        verdict = decide_verdict(one)
        console.print(f"\n[bold]{escape(printable(one.column))}[/]: [{STYLES[verdict]}]{verdict}[/]", highlight=False)
        for reason in explain_verdict(one):
            _line(console, f"  {reason}")
        for caution in list_cautions(one):
            _line(console, f"  beware: {caution}", "yellow")
        for table in (_facts(one), _rewards(one), _segments(one), _importance(one)):
            _titled(console, table)


def _titled(console: Console, table: Table) -> None:
    """Print a table below its title, which would be broken where the table ends."""
    console.print()
    _line(console, str(table.title), "bold")
    table.title = None
    console.print(table)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(escape(printable(text)), style=style or None, highlight=False, soft_wrap=True)


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=not place)
    return table


def _all(found: Sequence[ColumnFindings]) -> Table:
    """One row a column: the lower ends that the verdicts go by."""
    heads = ("column", "verdict", "coverage", "likelihood", "over its placebo", "NDCG@10", "jump")
    table = _table("all columns, by the lower ends of their intervals", heads)
    for one in found:
        verdict, order = decide_verdict(one), one.order
        table.add_row(
            escape(printable(one.column)),
            verdict,
            f"{one.coverage['one window later']:.0%}",
            *(f"{one.total[other].low:+.1%}" for other in ("without", "placebo")),
            f"{order['without'].low:+.4f}" if order else NONE,
            f"{max(jump.low for jump in one.jumps.values()):+.2f}",
            style=STYLES[verdict],
        )
    return table


def _facts(one: ColumnFindings) -> Table:
    """Coverage and jump by moment, drift, and what the column tells alone."""
    table = _table("at which moment", ("", *one.coverage))
    table.add_row("candidates with a value", *(f"{share:.1%}" for share in one.coverage.values()))
    table.add_row("goes with the days after the cutoff", *_by_moment(one, "future_rise"))
    table.add_row("goes with the days before it", *_by_moment(one, "hindsight"))
    jumps = [f"{jump.value:+.3f} ({jump.low:+.3f} to {jump.high:+.3f})" for jump in one.jumps.values()]
    table.add_row("jump at the cutoff", *jumps)
    name, best = one.best_alone
    table.add_row("AUC of listens by it alone", "", f"{one.auc_alone:.3f}")
    table.add_row(f"by {name}, the best feature alone", "", f"{best:.3f}")
    if one.drift is not None:
        table.add_row("stability index from training on", "", "", f"{one.drift:.3f}")
    return table


def _by_moment(one: ColumnFindings, name: str) -> Iterator[str]:
    return (f"{getattr(jump, name):+.3f}" for jump in one.jumps.values())


def _rewards(one: ColumnFindings) -> Table:
    title = "likelihood gained, in shares of what the run explains (95 % intervals, paired by user)"
    table = _table(title, ("reward", "AUC without", "AUC with", "against without", "against its placebo"))
    for row in one.rewards:
        aucs = (NONE if np.isnan(row[arm]) else f"{row[arm]:.4f}" for arm in ("auc_without", "auc_with"))
        table.add_row(row["reward"], *aucs, _percent(row["without"]), _percent(row["placebo"]))
    return table


def _segments(one: ColumnFindings) -> Table:
    title = "NDCG@10 of worth gained (95 % intervals, paired by user)"
    table = _table(title, ("candidates", "users", "without", "against without", "against its placebo"))
    for row in one.segments:
        gains = (_points(row[other]) for other in ("without", "placebo"))
        table.add_row(row["segment"], f"{row['users']:,}", f"{row['ndcg']:.4f}", *gains)
    return table


def _importance(one: ColumnFindings) -> Table:
    title = (
        "what exchanging a feature's values costs in likelihood of listens: the column, and what counts most beside it"
    )
    table = _table(title, ("feature", "cost"))
    for name, cost in one.importance:
        label = escape(printable(name or one.column))
        table.add_row(label, _percent(cost), style=None if name else "bold")
    return table


def _percent(gain: Gain) -> str:
    if np.isnan(gain.value):
        return NONE
    return f"{gain.value:+.1%} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _points(gain: Gain) -> str:
    return NONE if np.isnan(gain.value) else f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"


def findings_as_json(about: Mapping[str, Any], found: Sequence[ColumnFindings]) -> dict[str, Any]:
    """All figures; null where there is no value."""
    return {**about, "columns": [_written(_column(one)) for one in found]}


def _column(one: ColumnFindings) -> dict[str, Any]:
    return {
        "column": one.column,
        "verdict": decide_verdict(one),
        "reasons": explain_verdict(one),
        "cautions": list_cautions(one),
        "coverage": one.coverage,
        "drift": one.drift,
        "auc_alone": one.auc_alone,
        "best_alone": dict(zip(("feature", "auc"), one.best_alone, strict=True)),
        "jumps": {at: jump._asdict() for at, jump in one.jumps.items()},
        "rewards": one.rewards,
        "ndcg": one.segments,
        "importance": [{"feature": name or one.column, **asdict(cost)} for name, cost in one.importance],
    }


def _written(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, Gain):
        return _written(asdict(value))
    if isinstance(value, Mapping):
        return {name: _written(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_written(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
