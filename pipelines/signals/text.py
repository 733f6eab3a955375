"""The report on new columns: tables on a terminal, plain text elsewhere, and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipelines.rendering.console import PlainConsole
from pipelines.signals.findings import VALIDATION, ColumnFindings, FeatureImportance
from pipelines.signals.gains import Gain, RewardGain, SegmentGain
from pipelines.signals.verdict import (
    LEAKS,
    NO_EVIDENCE,
    SHIP,
    decide_verdict,
    explain_verdict,
    list_cautions,
)

_VERDICT_STYLES = {SHIP: "bold green", NO_EVIDENCE: "yellow", LEAKS: "bold red"}
_NO_VALUE = "–"
JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True)
class StudySubject:
    """The run and the table of a study, its size, and the speed of the join."""

    run: str
    table: str
    key: tuple[str, ...]
    known_at: str
    users: int
    candidates: int
    joined_per_s: float


def print_study(console: PlainConsole, subject: StudySubject, findings: Sequence[ColumnFindings]) -> None:
    """Print the data of the study, all verdicts, and then the measurements of each column."""
    known = f", known at {subject.known_at}" if subject.known_at else ""
    size = f"{subject.users:,} users and {subject.candidates:,} candidates"
    _print_line(console, f"{subject.table} by {', '.join(subject.key)}{known}, on {size} of {subject.run}")
    _print_line(console, f"joined {subject.joined_per_s:,.0f} candidates/s", "dim")
    if len(findings) > 1:
        _print_titled(console, _overview_table(findings))
    for found in findings:
        _print_column(console, found)


def _print_column(console: PlainConsole, found: ColumnFindings) -> None:
    verdict = decide_verdict(found)
    console.print(Text.assemble("\n", (found.column, "bold"), ": ", (verdict, _VERDICT_STYLES[verdict])))
    for reason in explain_verdict(found):
        _print_line(console, f"  {reason}")
    for caution in list_cautions(found):
        _print_line(console, f"  caution: {caution}", "yellow")
    for table in (
        _facts_table(found),
        _rewards_table(found.rewards),
        _segments_table(found.segments),
        _importance_table(found.column, found.importance),
    ):
        _print_titled(console, table)


def _print_titled(console: PlainConsole, table: Table) -> None:
    """Print a table below its title; rich would break a title at the table's width."""
    console.print()
    _print_line(console, str(table.title), "bold")
    table.title = None
    console.print(table)


def _print_line(console: PlainConsole, text: str, style: str = "") -> None:
    console.print(text, style=style or None, highlight=False, soft_wrap=True)


def _new_table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left", no_wrap=not index)
    return table


def _overview_table(findings: Sequence[ColumnFindings]) -> Table:
    """Return a row a column with the lower ends that decide the verdicts."""
    heads = ("column", "verdict", "coverage", "likelihood", "over its placebo", "NDCG@10", "discontinuity")
    table = _new_table("all columns, by the lower ends of their intervals", heads)
    for found in findings:
        verdict = decide_verdict(found)
        table.add_row(
            found.column,
            verdict,
            f"{found.coverage[VALIDATION]:.0%}",
            *(f"{gain.low:+.1%}" for gain in (found.total.without, found.total.placebo)),
            f"{found.ndcg.without.low:+.4f}" if found.ndcg else _NO_VALUE,
            f"{max(one.low for one in found.discontinuities.values()):+.2f}",
            style=_VERDICT_STYLES[verdict],
        )
    return table


def _facts_table(found: ColumnFindings) -> Table:
    """Return coverage, the leak test, drift, and the AUC of the column alone."""
    table = _new_table("by moment", ("", *found.coverage))
    table.add_row("candidates with a value", *(f"{share:.1%}" for share in found.coverage.values()))
    jumps = found.discontinuities.values()
    table.add_row("correlation with the days after the cutoff", *(f"{one.future_correlation:+.3f}" for one in jumps))
    table.add_row("correlation with the days before it", *(f"{one.past_correlation:+.3f}" for one in jumps))
    differences = (f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})" for one in jumps)
    table.add_row("discontinuity at the cutoff", *differences)
    table.add_row("AUC of listens by it alone", "", f"{found.auc_alone:.3f}")
    table.add_row(f"by {found.best_alone.feature}, the best feature alone", "", f"{found.best_alone.auc:.3f}")
    if found.drift is not None:
        table.add_row("stability index from training on", "", "", f"{found.drift:.3f}")
    return table


def _rewards_table(rewards: Sequence[RewardGain]) -> Table:
    title = "likelihood gained, in shares of what the run explains (95 % intervals, paired by user)"
    table = _new_table(title, ("reward", "AUC without", "AUC with", "against without", "against its placebo"))
    for one in rewards:
        aucs = (_NO_VALUE if np.isnan(auc) else f"{auc:.4f}" for auc in (one.auc_without, one.auc_with))
        table.add_row(one.reward, *aucs, _as_percent(one.without), _as_percent(one.placebo))
    return table


def _segments_table(segments: Sequence[SegmentGain]) -> Table:
    title = "NDCG@10 of rewards gained (95 % intervals, paired by user)"
    table = _new_table(title, ("candidates", "users", "without", "against without", "against its placebo"))
    for one in segments:
        gains = (_as_points(gain) for gain in (one.without, one.placebo))
        table.add_row(one.segment, f"{one.users:,}", f"{one.ndcg:.4f}", *gains)
    return table


def _importance_table(column: str, importance: Sequence[FeatureImportance]) -> Table:
    title = (
        "likelihood of listens lost when a feature's values are permuted: the column, and the most important features"
    )
    table = _new_table(title, ("feature", "loss"))
    for one in importance:
        label = column if one.feature is None else one.feature
        table.add_row(label, _as_percent(one.cost), style="bold" if one.feature is None else None)
    return table


def _as_percent(gain: Gain) -> str:
    if np.isnan(gain.value):
        return _NO_VALUE
    return f"{gain.value:+.1%} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _as_points(gain: Gain) -> str:
    return _NO_VALUE if np.isnan(gain.value) else f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"


def study_as_json(subject: StudySubject, findings: Sequence[ColumnFindings]) -> JsonValue:
    """Return all measurements; null where there is no value."""
    return _without_nan({**asdict(subject), "columns": [dict(_column_items(found)) for found in findings]})


def _column_items(found: ColumnFindings) -> Iterator[tuple[str, JsonValue]]:
    yield "column", found.column
    yield "verdict", decide_verdict(found)
    yield "reasons", explain_verdict(found)
    yield "cautions", list_cautions(found)
    yield "coverage", dict(found.coverage)
    yield "drift", found.drift
    yield "auc_alone", found.auc_alone
    yield "best_alone", found.best_alone._asdict()
    yield "discontinuities", {moment: one._asdict() for moment, one in found.discontinuities.items()}
    yield "rewards", [asdict(one) for one in found.rewards]
    yield "ndcg", [asdict(one) for one in found.segments]
    yield "importance", [{"feature": one.feature or found.column, **asdict(one.cost)} for one in found.importance]


def _without_nan(value: JsonValue) -> JsonValue:
    """Return the value with null for each NaN, and lists for tuples."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
