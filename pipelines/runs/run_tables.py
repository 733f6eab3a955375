"""The numbers, sentences and tables of a run's report."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pipelines.launch.stage_lines import StageLine
from pipelines.rendering.plain_text import minute_of
from pipelines.rendering.table_cells import Cell, KeyFigure, Table, number
from pipelines.runs.report_data import SHIFT, RunReportData
from transforms.experiments.readout.readout_metrics import LEDGER, OVER_MERIT
from transforms.publishing.gates import LIMITS
from transforms.publishing.manifest import GateFindings, JsonObject, LedgerFigure, RunMetrics, TableFile

_MAX_NAMES = 5


def run_headline(data: RunReportData) -> str:
    """Return a sentence on what ran, when and how long."""
    manifest, metrics = data.manifest, data.manifest.metrics
    started, published = map(datetime.fromisoformat, (manifest.started_at, manifest.published_at))
    return (
        f"{manifest.run} as of {minute_of(manifest.as_of)}: {manifest.events.kept:,} events,"
        f" {metrics.tracks:,} tracks, {metrics.users_with_page:,} users with {metrics.pages:,} pages;"
        f" started {started:%Y-%m-%d %H:%M}, published {(published - started).total_seconds():,.0f} s later"
    )


def run_figures(data: RunReportData) -> Iterator[KeyFigure]:
    """Yield what an operator looks for first: limits, volume against the run before, the ranker, time and memory."""
    manifest, metrics, before = data.manifest, data.manifest.metrics, data.before
    yield _limits_figure(manifest.gate)
    rejected = sum(manifest.events.rejected.values()) / max(1, manifest.events.read)
    yield KeyFigure("events kept", f"{manifest.events.kept:,}", f"{rejected:.2%} rejected")
    if metrics.pages:
        yield KeyFigure("pages", f"{metrics.pages:,}", _change(metrics.pages, before.pages if before else 0))
        shelves = _shelves_per_page(metrics)
        yield KeyFigure("shelves per page", f"{shelves:.2f}", _change(shelves, _shelves_per_page(before)))
        share = metrics.tracks_on_pages / max(1, metrics.tracks)
        change = _change(metrics.tracks_on_pages, before.tracks_on_pages if before else 0)
        yield KeyFigure("of the catalog on pages", f"{share:.1%}", change)
    if metrics.auc is not None:
        was = f"{before.auc:.4f} in the run before" if before and before.auc is not None else ""
        yield KeyFigure("AUC on held-out examples", f"{metrics.auc:.4f}", was)
    seconds = (datetime.fromisoformat(manifest.published_at) - datetime.fromisoformat(manifest.started_at)).seconds
    peak = max((line.peak_bytes for line in data.stages), default=0)
    memory = f"at most {peak / 1e9:.1f} GB of memory" if peak else ""
    yield KeyFigure("from start to publishing", f"{seconds // 60}:{seconds % 60:02} min", memory)


def _limits_figure(gate: GateFindings) -> KeyFigure:
    if gate.mode == "off":
        return KeyFigure("limits", "off", "no limit was checked")
    kept, mark = len(gate.values) - len(gate.violated), "worse" if gate.violated else "better"
    return KeyFigure("limits held", f"{kept} of {len(gate.values)}", "the pointer was kept" * bool(gate.failed), mark)


def _shelves_per_page(metrics: RunMetrics | None) -> float:
    return sum(metrics.shelves.values()) / max(1, metrics.pages) if metrics else 0.0


def _change(now: float, before: float) -> str:
    return f"{now / before - 1:+.1%} since the run before" if before else ""


def run_verdicts(data: RunReportData) -> list[tuple[str, str]]:
    """Return (mark, sentence) for all that an operator should know; mark: worse, better or none."""
    manifest, gate, training = data.manifest, data.manifest.gate, data.manifest.training or {}
    lines = []
    if gate.failed:
        lines.append(("worse", "The gate kept the pointer where it was: consumers read the run before."))
    lines += [("worse", f"Out of its limits: {sentence}") for sentence in gate.violated]
    if not gate.violated:
        within = f"Within all {len(gate.values)} limits."
        lines.append(("none", "The gate was off.") if gate.mode == "off" else ("better", within))
    lines += _shifts(gate)
    if training.get("fallback"):
        lines.append(("worse", f"The popularity baseline ranks: {training['fallback']}"))
    lines += [("none", f"Disabled: {what} ({reason})") for what, reason in manifest.disabled.items()]
    return lines + [("none", f"{rule!r} could not hold on {n:,} pages.") for rule, n in manifest.conflicts.items()]


def _shifts(gate: GateFindings) -> Iterator[tuple[str, str]]:
    """Yield a sentence on the features past the line of the chart of drift, which no limit is about one by one."""
    for when, found in (("since the run before", gate.drift), ("from training to scoring", gate.training_drift)):
        past = sorted((name for name in found if found[name] > SHIFT), key=lambda name: -found[name])
        if past:
            more = f" and {len(past) - _MAX_NAMES} more" if len(past) > _MAX_NAMES else ""
            named = ", ".join(f"{name} ({found[name]:.2g})" for name in past[:_MAX_NAMES])
            yield "none", f"{len(past)} of {len(found)} features moved by more than {SHIFT} {when}: {named}{more}"


def limits_table(data: RunReportData) -> Table:
    """Return a row for every metric that has a limit."""
    limits = {limit.name: limit for limit in LIMITS}
    rows = []
    for name, found in data.manifest.gate.values.items():
        limit = limits.get(name)
        is_bad = limit is not None and limit.is_violated(found.value, found.bound)
        bound = limit.describe(found.bound) if limit else f"at most {found.bound:g}"
        cells = [Cell(f"{found.value:.4g}", is_bad=is_bad), Cell(bound), Cell(limit.sentence if limit else "")]
        rows.append((name, "", cells))
    heads = [("", "value"), ("", "limit"), ("", "metric")]
    return Table("Limits", heads, rows, name_of_rows="limit")


def holdout_table(data: RunReportData) -> Table | None:
    """Return the metrics of the ranker and the baselines on the held-out examples."""
    names = {"auc": "AUC", "log_loss": "log loss", "ndcg_at_10": "NDCG@10"}
    found: JsonObject = (data.manifest.training or {}).get("holdout", {})
    if not found:
        return None
    rows = [(model, "", [Cell(number(metrics[name])) for name in names]) for model, metrics in found.items()]
    heads = [("", title) for title in names.values()]
    note = "Examples of the last label window, which the ranker has not seen."
    return Table("Held-out examples", heads, rows, note, "model")


def exposure_table(data: RunReportData) -> Table | None:
    """Return the cards of each popularity decile against its merit, a tenth of all plays; None: no card is known."""
    cards = data.manifest.metrics.cards_by_decile
    if not sum(cards):
        return None
    shares = [n / sum(cards) for n in cards]
    rows = [
        (str(decile), "", [Cell(f"{cards[decile]:,}"), Cell(f"{share:.1%}"), Cell(f"{share * len(cards):.2f}")])
        for decile, share in enumerate(shares)
    ]
    note = "Decile 0 has the most played tracks; the tracks of each have a tenth of all plays."
    heads = [("", "cards"), ("", "share"), ("", "exposure over merit")]
    return Table("Exposure by popularity", heads, rows, note, name_of_rows="decile")


def ledger_table(data: RunReportData) -> Table | None:
    """Return the figures of the discovery ledger, and those of the run before; None: there are none."""
    now, before = data.manifest.metrics.ledger, data.before.ledger if data.before else {}
    if not now:
        return None
    rows = [
        (one.name, "", [Cell(text) for text in _ledger_cells(now[one.name], before.get(one.name), one.sentence)])
        for one in (*LEDGER, *OVER_MERIT)
        if one.name in now
    ]
    note = (
        "What recommendations did in the 28 days before the run, by user, with 95 % intervals. Artists are those first"
        " listened to in the 28 days before these."
    )
    heads = [("", head) for head in ("value (interval)", "users", "run before", "what")]
    return Table("Discovery ledger", heads, rows, note, "metric")


def _ledger_cells(now: LedgerFigure, before: LedgerFigure | None, sentence: str) -> list[str]:
    interval = "" if now.low is None or now.high is None else f" ({now.low:.3g} to {now.high:.3g})"
    return [f"{now.value:.3g}{interval}", f"{now.users:,}", f"{before.value:.3g}" if before else "–", sentence]


def tables_table(data: RunReportData) -> Table:
    """Return a row for every table that was written."""
    rows = [
        (name, "", [Cell(f"{table.rows:,}"), Cell(f"{len(table.files):,}"), Cell(_megabytes(table.files))])
        for name, table in data.manifest.tables.items()
    ]
    return Table("Published tables", [("", "rows"), ("", "files"), ("", "MB")], rows, name_of_rows="table")


def _megabytes(files: Iterable[TableFile]) -> str:
    return f"{sum(file.bytes for file in files) / 1e6:,.1f}"


def stages_table(data: RunReportData) -> Table | None:
    """Return rows, time and memory of every stage."""
    if not data.stages:
        return None
    rows = [(line.stage, "", _stage_cells(line)) for line in data.stages]
    heads = [("", head) for head in ("tables", "rows", "MB", "seconds", "peak memory, MB")]
    note = "Seconds are within the stages' functions; run: from its start to its end. Memory is of the whole process."
    return Table("All stages", heads, rows, note, "stage")


def _stage_cells(line: StageLine) -> list[Cell]:
    sizes = ["" if size is None else f"{size:,}" for size in (line.tables, line.rows)]
    megabytes = "" if line.bytes is None else f"{line.bytes / 1e6:,.1f}"
    return list(map(Cell, [*sizes, megabytes, f"{line.seconds:,.2f}", f"{line.peak_bytes / 1e6:,.0f}"]))


def options_table(data: RunReportData) -> Table:
    """Return the flags of the run that have a value."""
    rows = [(f"--{name}", "", [Cell(value)]) for name, value in data.manifest.options.items() if value]
    return Table("Flags", [("", "value")], rows, name_of_rows="flag")
