"""The sentences and tables of a run's page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipelines.rendering.table_cells import Cell, Table, number
from pipelines.runs.report_data import RunReportData
from transforms.publishing.gates import LIMITS


def run_headline(data: RunReportData) -> str:
    """Say what ran, when and how long."""
    manifest, figures = data.manifest, data.manifest["figures"]
    started, published = (datetime.fromisoformat(manifest[name]) for name in ("started_at", "published_at"))
    return (
        f"{manifest['run']} as of {manifest['as_of'][:16].replace('T', ' ')}: {manifest['events']['kept']:,} events,"
        f" {figures['tracks']:,} tracks, {figures['users_with_page']:,} users with {figures['pages']:,} pages;"
        f" started {started:%Y-%m-%d %H:%M}, published {(published - started).total_seconds():,.0f} s later"
    )


def run_verdicts(data: RunReportData) -> list[tuple[str, str]]:
    """Say what an operator should know, each with its mark: worse, better or none."""
    manifest = data.manifest
    gate, training = manifest["gate"], manifest["training"] or {}
    limits = f"{len(gate['values'])} limits"
    lines = []
    if gate["failed"]:
        lines.append(("worse", "The gate kept the pointer where it was: consumers read the run before."))
    lines += [("worse", f"Out of its limits: {sentence}") for sentence in gate["broken"]]
    if not gate["broken"]:
        lines.append(("none", "The gate was off.") if gate["mode"] == "off" else ("better", f"Within all {limits}."))
    if training.get("fallback"):
        lines.append(("worse", f"The popularity baseline ranks: {training['fallback']}"))
    lines += [("none", f"Withheld: {what} ({reason})") for what, reason in manifest["withheld"].items()]
    conflicts = manifest["conflicts"].items()
    return lines + [("none", f"Rule {rule!r} could not hold on {n:,} pages.") for rule, n in conflicts]


def limits_table(data: RunReportData) -> Table:
    """Every figure that has a limit."""
    values, sentences = data.manifest["gate"]["values"], {limit.name: limit for limit in LIMITS}
    rows = []
    for name, found in values.items():
        limit = sentences.get(name)
        word = "at least" if limit and limit.is_minimum else "at most"
        is_bad = limit is not None and limit.broken(found["value"], found["bound"])
        cells = [Cell(f"{found['value']:.4g}", is_bad=is_bad), Cell(f"{word} {found['bound']:g}")]
        rows.append((name, "", [*cells, Cell(limit.sentence if limit else "")]))
    heads = [("", "value"), ("", "limit"), ("", "figure")]
    return Table("Limits", heads, rows, name_of_rows="limit")


def holdout_table(data: RunReportData) -> Table | None:
    """The ranker on the held-out examples."""
    names = {"auc": "AUC", "log_loss": "log loss", "ndcg_at_10": "NDCG@10"}
    found: Mapping[str, Any] = (data.manifest["training"] or {}).get("holdout", {})
    if not found:
        return None
    rows = [(model, "", [Cell(number(figures[name])) for name in names]) for model, figures in found.items()]
    heads = [("", title) for title in names.values()]
    note = "Examples of the last label window, which the ranker has not seen."
    return Table("Held-out examples", heads, rows, note, "model")


def tables_table(data: RunReportData) -> Table:
    """What was written."""
    rows = [
        (name, "", [Cell(f"{about['rows']:,}"), Cell(f"{len(about['files']):,}"), Cell(_megabytes(about["files"]))])
        for name, about in data.manifest["tables"].items()
    ]
    return Table("Published tables", [("", "rows"), ("", "files"), ("", "MB")], rows, name_of_rows="table")


def _megabytes(files: list[Mapping[str, Any]]) -> str:
    return f"{sum(file['bytes'] for file in files) / 1e6:,.1f}"


def stages_table(data: RunReportData) -> Table | None:
    """What every stage took."""
    if not data.stages:
        return None
    rows = []
    for line in data.stages:
        sizes = [f"{line[name]:,}" if name in line else "" for name in ("tables", "rows")]
        cells = [*sizes, f"{line['bytes'] / 1e6:,.1f}" if "bytes" in line else ""]
        cells += [f"{line['seconds']:,.2f}", f"{line['peak_bytes'] / 1e6:,.0f}"]
        rows.append((line["stage"], "", [Cell(text) for text in cells]))
    heads = [("", head) for head in ("tables", "rows", "MB", "seconds", "peak memory, MB")]
    note = "Seconds are within the stages' functions; run: from its start to its end. Memory is of the whole process."
    return Table("All stages", heads, rows, note, "stage")


def options_table(data: RunReportData) -> Table:
    """The flags of the run."""
    rows = [(f"--{name}", "", [Cell(value)]) for name, value in data.manifest["options"].items() if value]
    return Table("Flags", [("", "value")], rows, name_of_rows="flag")
