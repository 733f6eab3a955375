"""The report's tables as plain cells: terminal, Markdown and HTML print the same."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pipelines.evaluation.report_values import (
    EVERYONE,
    MARKS,
    TARGETS_SHOWN,
    Report,
    ReportValues,
    cell_of,
    cells_of,
    headline_systems,
    whole_lists,
)
from pipelines.rendering.table_cells import Cell, Table


def tables_of(report: Report) -> list[Table]:
    """All tables, in order; one without a row is left out."""
    values = ReportValues(report)
    made = [
        accuracy_table(report, values),
        *([oracle_share_table(report)] if report["oracle_shares"] else []),
        differences_table(report),
        candidates_table(report, values),
        ranker_table(values),
        page_table(report, values),
        beyond_table(report, values),
        segments_table(report, values),
        cutoffs_table(report, values),
        leaks_table(report),
        data_table(report),
        parameters_table(report),
        metrics_table(report),
    ]
    return [table for table in made if table.rows]


def _with_kinds(report: Report, rows: Sequence[tuple[str, Sequence[Cell]]]) -> list[tuple[str, str, Sequence[Cell]]]:
    return [(name, report["systems"][name]["kind"], cells) for name, cells in rows]


def accuracy_table(report: Report, values: ReportValues) -> Table:
    """Repeats and discoveries apart beside the total, for every system."""
    columns = (
        [("ndcg@10", kind) for kind in TARGETS_SHOWN]
        + [("recall@100", kind) for kind in TARGETS_SHOWN]
        + [("coverage@100", "all")]
    )
    names = {"ndcg@10": "NDCG@10", "recall@100": "recall@100", "coverage@100": "catalogue"}
    heads = [(names[metric], "coverage@100" if metric == "coverage@100" else kind) for metric, kind in columns]
    rows = cells_of(values, whole_lists(report), columns, report["metrics"])
    note = (
        "Full catalogue, all cutoffs together. Repeats are targets that the user had played before the cutoff, judged"
        " on what of the list was known; discoveries the others, judged on the rest."
    )
    return Table("Accuracy", heads, _with_kinds(report, rows), note)


def oracle_share_table(report: Report) -> Table:
    """Return the share of the value of the oracle that each system reaches."""
    best = report["oracle_shares"]
    shares = {(row["system"], row["metric"], row["targets"]): row["share"] for row in best["shares"]}
    columns = [(metric, kind) for metric in ("ndcg@10", "recall@100") for kind in TARGETS_SHOWN]
    rows = [
        (
            name,
            [Cell(f"{share:.0%}" if (share := shares.get((name, *column))) is not None else "–") for column in columns],
        )
        for name in whole_lists(report)
    ]
    heads = [({"ndcg@10": "NDCG@10"}.get(metric, metric), kind) for metric, kind in columns]
    return Table(f"Share of the value of the oracle ({best['system']})", heads, _with_kinds(report, rows))


def differences_table(report: Report) -> Table:
    """Ours against every other: the paired difference, and what it means."""
    kinds = {name: entry["kind"] for name, entry in report["systems"].items()}
    found = {(row["system"], row["against"], row["metric"], row["targets"]): row for row in report["differences"]}
    ours = [name for name in ("ranker", "page") if name in kinds]
    others = [name for name, kind in kinds.items() if kind in ("baseline", "given")]
    columns = [(system, kind) for system in ours for kind in TARGETS_SHOWN]
    rows = [
        (other, kinds[other], [_difference(found.get((system, other, "ndcg@10", kind))) for system, kind in columns])
        for other in others
    ]
    note = "NDCG@10 of ours minus that of the other, on the same users; an interval that holds 0 is no difference."
    heads = [(f"{system} minus it", kind) for system, kind in columns]
    return Table("Paired differences", heads, rows, note)


def _difference(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    text = f"{MARKS[row['verdict']]} {row['difference']:+.4f}"
    return Cell(text, f"{row['low']:+.4f} to {row['high']:+.4f}", row["verdict"] == "better", row["verdict"] == "worse")


def candidates_table(report: Report, values: ReportValues) -> Table:
    """Recall of every source and of all together, and what each adds."""
    systems = report["systems"]
    sources = [name for name, entry in systems.items() if entry["kind"] == "source"]
    others = [name for name in systems if name not in sources and values.row(name, "recall@500")]
    names = [*others, *sources]
    depths = ("recall@100", "recall@500", "marginal_recall")
    columns = [(metric, kind) for metric in depths for kind in TARGETS_SHOWN]
    heads = [(metric.replace("_", " "), kind) for metric, kind in columns]
    note = "Marginal recall: the share of the targets that no other source proposed."
    return Table("Candidates", heads, _with_kinds(report, cells_of(values, names, columns, {})), note)


def ranker_table(values: ReportValues) -> Table:
    """How well the ranker orders and predicts."""
    names = {
        "auc": "AUC, mean over users", "auc_of_all": "AUC of all candidates", "log_loss": "log loss",
        "ece": "calibration error", "ndcg_within@10": "NDCG@10 of candidates",
        "ndcg_within@20": "NDCG@20 of candidates",
    }  # fmt: skip
    rows = [
        (title, "", [cell_of(values.row("ranker", metric), False, 4)])
        for metric, title in names.items()
        if values.row("ranker", metric)
    ]
    return Table("Ranker on its candidates", [("", "value")], rows, name_of_rows="metric")


def page_table(report: Report, values: ReportValues) -> Table:
    """How good the page is as a page, and which shelf holds what comes."""
    heads = [("NDCG in two dimensions", kind) for kind in TARGETS_SHOWN] + [
        ("share of coming plays", kind) for kind in TARGETS_SHOWN
    ]
    both = [(metric, kind) for metric in ("ndcg_2d", "share_of_plays") for kind in TARGETS_SHOWN]
    whole = [cell_of(values.row("page", metric, kind), False, 4) for metric, kind in both]
    if all(cell.text == "–" for cell in whole):
        return Table("Page", heads, [])
    shelves = sorted({row["segment"] for row in report["values"] if row["segment"].startswith("shelf: ")})
    empty = [Cell("")] * len(TARGETS_SHOWN)
    of_shelf = {
        shelf: [cell_of(values.row("page", "share_of_plays", kind, shelf), False, 4) for kind in TARGETS_SHOWN]
        for shelf in shelves
    }
    rows = [(shelf.removeprefix("shelf: "), "", [*empty, *cells]) for shelf, cells in of_shelf.items()]
    return Table("Page", heads, [("whole page", "", whole), *rows], name_of_rows="shelf")


def beyond_table(report: Report, values: ReportValues) -> Table:
    """What lists are like apart from right or wrong."""
    names = {
        "repeat_share": "familiar", "tail_share": "tail", "fresh_share": "fresh", "novelty": "novelty, bits",
        "artist_diversity": "artist diversity", "genre_diversity": "genre diversity", "genre_kl": "genre KL",
        "coverage@10": "coverage@10", "gini@100": "Gini@100",
    }  # fmt: skip
    systems = whole_lists(report)
    known = [metric for metric in names if any(values.row(name, metric) for name in systems)]
    columns = [(metric, "all") for metric in known]
    rows = cells_of(values, systems, columns, report["metrics"], digits=3)
    plain = [(name, [Cell(cell.text, "", cell.is_best) for cell in cells]) for name, cells in rows]
    note = "Of the first 10 places, but coverage and Gini, which are of all lists together."
    return Table("Beyond accuracy", [("", names[metric]) for metric in known], _with_kinds(report, plain), note)


def segments_table(report: Report, values: ReportValues) -> Table:
    """NDCG@10 by history length and main genre."""
    found = {row["segment"] for row in report["values"] if not row["segment"].startswith(("shelf: ", EVERYONE))}
    order = ["history: 0", "history: 1-4", "history: 5-19", "history: 20-99", "history: 100+"]
    segments = [one for one in order if one in found] + sorted(found - set(order))
    systems = headline_systems(report)
    get = partial(values.row, metric="ndcg@10", targets="all")
    rows = []
    for segment in segments:
        of_segment = [get(name, segment=segment) for name in systems]
        users = max((row["users"] for row in of_segment if row), default=0)
        rows.append((segment, f"{users:,} users", [cell_of(row, False, 4) for row in of_segment]))
    note = "A user counts once per cutoff. history: 0 are users of whom nothing was known; they count nowhere else."
    return Table("NDCG@10 by segment", [("", name) for name in systems], rows, note, name_of_rows="segment")


def cutoffs_table(report: Report, values: ReportValues) -> Table:
    """NDCG@10 at each cutoff, in rows of systems."""
    cutoffs = report["protocol"]["cutoffs"]
    if len(cutoffs) < 2:
        return Table("By cutoff", [], [])
    columns = [(kind, cutoff) for cutoff in cutoffs for kind in TARGETS_SHOWN]
    rows = [
        (name, [cell_of(values.row(name, "ndcg@10", kind, EVERYONE, cutoff), False, 4) for kind, cutoff in columns])
        for name in whole_lists(report)
    ]
    plain = [(name, [Cell(cell.text) for cell in cells]) for name, cells in rows]
    return Table("NDCG@10 by cutoff", [(cutoff[:10], kind) for kind, cutoff in columns], _with_kinds(report, plain))


def leaks_table(report: Report) -> Table:
    """What nobody can know, system by system."""
    checks = list(dict.fromkeys(leak["check"] for leak in report["leaks"]))
    found = {(leak["system"], leak["check"]): leak for leak in report["leaks"]}
    rows = []
    for name in dict.fromkeys(leak["system"] for leak in report["leaks"]):
        of_system = [found.get((name, check)) for check in checks]
        cells = [
            Cell(f"{leak['value']:.2f}" + (" suspect" if leak["is_suspect"] else ""), is_bad=leak["is_suspect"])
            if leak
            else Cell("–")
            for leak in of_system
        ]
        rows.append((name, report["systems"][name]["kind"], cells))
    limits = {leak["check"]: leak["limit"] for leak in report["leaks"]}
    sentences = {leak["check"]: leak["sentence"] for leak in report["leaks"]}
    note = " ".join(f"{check}: {sentence}." for check, sentence in sentences.items())
    return Table("Leak checks", [(f"{check}", f"at most {limits[check]:g}") for check in checks], rows, note)


def data_table(report: Report) -> Table:
    """What was judged at each cutoff."""
    names = {
        "events": "plays before", "tracks": "tracks", "users": "users judged", "newcomers": "newcomers",
        "users_without_target": "users without a target", "targets": "targets", "repeats": "repeats",
        "discoveries": "discoveries", "unknown_track_plays": "plays of unknown tracks",
    }  # fmt: skip
    rows = [
        (data["cutoff"][:16].replace("T", " "), "", [Cell(f"{data[name]:,}") for name in names])
        for data in report["data"]
    ]
    return Table("Data", [("", title) for title in names.values()], rows, name_of_rows="cutoff")


def parameters_table(report: Report) -> Table:
    """What the systems are, and what they were tuned to."""
    rows = []
    for name, entry in report["systems"].items():
        parameters = ", ".join(f"{key}={value:g}" for key, value in entry["parameters"].items())
        rows.append((name, entry["kind"], [Cell(entry["sentence"]), Cell(parameters), Cell(entry["source"])]))
    return Table("Systems", [("", "what"), ("", "parameters"), ("", "source")], rows)


def metrics_table(report: Report) -> Table:
    """What the metrics are."""
    rows = [
        (name, entry["group"], [Cell(entry["sentence"]), Cell(entry["source"])])
        for name, entry in report["metrics"].items()
    ]
    return Table("Metrics", [("", "what"), ("", "source")], rows, name_of_rows="metric")
