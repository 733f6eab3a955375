"""What the report's tables and plots take from it: figures by what they are of, cells, and the best of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.rendering.table_cells import Cell, number

Report = Mapping[str, Any]
TARGETS_SHOWN = ("all", "repeats", "discoveries")
EVERYONE = "everyone"
MARKS = {"better": "▲", "worse": "▼", "no difference": "="}


@dataclass(frozen=True)
class ReportValues:
    """The figures of a report by what they are of."""

    report: Report
    _found: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index them once."""
        keys = ("system", "metric", "targets", "segment", "cutoff")
        self._found.update({tuple(row[key] for key in keys): row for row in self.report["values"]})

    def row(
        self, system: str, metric: str, targets: str = "all", segment: str = EVERYONE, cutoff: str = ""
    ) -> Mapping[str, Any] | None:
        """One figure with its interval; None where there is none."""
        return self._found.get((system, metric, targets, segment, cutoff))


def format_interval(row: Mapping[str, Any], digits: int = 4) -> str:
    """Print an interval; nothing where there is none."""
    return "" if row["low"] is None else f"{row['low']:.{digits}f}–{row['high']:.{digits}f}"


def cells_of(
    values: ReportValues, systems: Sequence[str], columns: Sequence[tuple[str, str]], metrics: Report, digits: int = 4
) -> list[tuple[str, Sequence[Cell]]]:
    """One row per system; a column is a metric and a kind of targets."""
    found = {column: {name: values.row(name, *column) for name in systems} for column in columns}
    best = {column: _best(found[column], metrics, column[0]) for column in columns}
    return [
        (name, [cell_of(found[column][name], name == best[column], digits) for column in columns]) for name in systems
    ]


def cell_of(row: Mapping[str, Any] | None, is_best: bool, digits: int) -> Cell:
    """Print one figure with its interval."""
    return Cell("–") if row is None else Cell(number(row["value"], digits), format_interval(row, digits), is_best)


def _best(rows: Mapping[str, Mapping[str, Any] | None], metrics: Report, metric: str) -> str | None:
    """The system with the best value; none where more is not better, or all are equal."""
    higher = metrics.get(metric, {}).get("higher_is_better")
    known = {name: row["value"] for name, row in rows.items() if row}
    if higher is None or len(set(known.values())) < 2:
        return None
    return (max if higher else min)(known, key=lambda name: known[name])


def whole_lists(report: Report) -> list[str]:
    """The systems that make a list of a page's kind: sources are parts of one."""
    return [name for name, entry in report["systems"].items() if entry["kind"] != "source"]


def headline_systems(report: Report) -> list[str]:
    """Ours, and the best baseline for each kind of targets."""
    ours = [name for name in ("page", "ranker") if name in report["systems"]]
    return list(dict.fromkeys([*ours, *(name for name in best_baselines(report).values())]))


def best_baselines(report: Report) -> dict[str, str]:
    """The baseline of highest NDCG@10 for each kind of targets."""
    values = ReportValues(report)
    best = {}
    for kind in TARGETS_SHOWN:
        found = {
            name: row["value"]
            for name, entry in report["systems"].items()
            if entry["kind"] == "baseline" and (row := values.row(name, "ndcg@10", kind))
        }
        if found:
            best[kind] = max(found, key=lambda name: found[name])
    return best


def verdicts_of(report: Report) -> list[str]:
    """Say in a sentence each how ours compare with the best baseline for each kind of targets."""
    found = {(row["system"], row["against"], row["metric"], row["targets"]): row for row in report["differences"]}
    lines = []
    for kind, best in best_baselines(report).items():
        for system in ("ranker", "page"):
            if row := found.get((system, best, "ndcg@10", kind)):
                ratio = f"{row['ratio']:.2f}x " if row["ratio"] is not None else ""
                verdict = "no different from" if row["verdict"] == "no difference" else f"{row['verdict']} than"
                lines.append(
                    f"{kind}: {system} is {verdict} the best baseline, {best}: {ratio}NDCG@10,"
                    f" difference {row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
                )
    return lines


def headline_of(report: Report) -> str:
    """Say what was judged, and how."""
    protocol, data = report["protocol"], report["data"]
    users, targets = (sum(one[name] for one in data) for name in ("users", "targets"))
    cutoffs = ", ".join(cutoff[:16].replace("T", " ").removesuffix(" 00:00") for cutoff in protocol["cutoffs"])
    tuned = protocol["tuning_cutoff"]
    return (
        f"{len(data)} cutoff{'s' * (len(data) != 1)} ({cutoffs}), {users:,} users and {targets:,} targets; horizon"
        f" {protocol['horizon_days']:g} days after a gap of {protocol['gap_minutes']:g} minutes; full catalogue;"
        f" {protocol['confidence']:.0%} intervals from {protocol['num_replicates']} bootstrap replicates; baselines"
        + (f" tuned on the cutoff {tuned[:10]}" if tuned else " not tuned")
    )
