"""The report's tables as plain cells: terminal, Markdown and HTML print the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Report = Mapping[str, Any]
KINDS = ("all", "repeats", "discoveries")
EVERYONE = "everyone"
MARKS = {"better": "▲", "worse": "▼", "no difference": "="}


@dataclass(frozen=True)
class Cell:
    """Text, what stands small beside it (an interval), and whether it is the best of its column."""

    text: str
    note: str = ""
    is_best: bool = False
    is_bad: bool = False


@dataclass(frozen=True)
class Table:
    """Heads in two rows (group, column), and rows of a name, its kind and cells."""

    title: str
    heads: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    note: str = ""
    name_of_rows: str = "system"


@dataclass(frozen=True)
class Values:
    """The figures of a report by what they are of."""

    report: Report
    _found: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index them once."""
        keys = ("system", "metric", "targets", "segment", "cut")
        self._found.update({tuple(row[key] for key in keys): row for row in self.report["values"]})

    def row(
        self, system: str, metric: str, targets: str = "all", segment: str = EVERYONE, cut: str = ""
    ) -> Mapping[str, Any] | None:
        """One figure with its interval; None where there is none."""
        return self._found.get((system, metric, targets, segment, cut))


def number(value: float | None, digits: int = 4) -> str:
    """Print a figure as it stands in all tables."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(row: Mapping[str, Any], digits: int = 4) -> str:
    """Print an interval; nothing where there is none."""
    return "" if row["low"] is None else f"{row['low']:.{digits}f}–{row['high']:.{digits}f}"


def tables_of(report: Report) -> list[Table]:
    """All tables, in order; one without a row is left out."""
    values = Values(report)
    made = [
        accuracy_table(report, values),
        *([best_table(report)] if report["best_reachable"] else []),
        differences_table(report),
        candidates_table(report, values),
        ranker_table(values),
        page_table(report, values),
        beyond_table(report, values),
        segments_table(report, values),
        cuts_table(report, values),
        leaks_table(report),
        data_table(report),
        parameters_table(report),
        metrics_table(report),
    ]
    return [table for table in made if table.rows]


def _cells(
    values: Values, systems: Sequence[str], columns: Sequence[tuple[str, str]], metrics: Report, digits: int = 4
) -> list[tuple[str, Sequence[Cell]]]:
    """One row per system; a column is a metric and a kind of targets."""
    found = {column: {name: values.row(name, *column) for name in systems} for column in columns}
    best = {column: _best(found[column], metrics, column[0]) for column in columns}
    return [
        (name, [_cell(found[column][name], name == best[column], digits) for column in columns]) for name in systems
    ]


def _cell(row: Mapping[str, Any] | None, is_best: bool, digits: int) -> Cell:
    return Cell("–") if row is None else Cell(number(row["value"], digits), interval(row, digits), is_best)


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


def accuracy_table(report: Report, values: Values) -> Table:
    """Repeats and discoveries apart beside the total, for every system."""
    columns = (
        [("ndcg@10", kind) for kind in KINDS] + [("recall@100", kind) for kind in KINDS] + [("coverage@100", "all")]
    )
    names = {"ndcg@10": "NDCG@10", "recall@100": "recall@100", "coverage@100": "catalogue"}
    heads = [(names[metric], "coverage@100" if metric == "coverage@100" else kind) for metric, kind in columns]
    rows = _cells(values, whole_lists(report), columns, report["metrics"])
    note = (
        "Full catalogue, all cuts together. Repeats are targets that the user had played before the cut, judged on what"
        " of the list was known; discoveries the others, judged on the rest."
    )
    return Table("Accuracy", heads, _with_kinds(report, rows), note)


def _with_kinds(report: Report, rows: Sequence[tuple[str, Sequence[Cell]]]) -> list[tuple[str, str, Sequence[Cell]]]:
    return [(name, report["systems"][name]["kind"], cells) for name, cells in rows]


def best_table(report: Report) -> Table:
    """Which share of the best reachable value every system has."""
    best = report["best_reachable"]
    shares = {(row["system"], row["metric"], row["targets"]): row["share"] for row in best["shares"]}
    columns = [(metric, kind) for metric in ("ndcg@10", "recall@100") for kind in KINDS]
    rows = [
        (
            name,
            [Cell(f"{share:.0%}" if (share := shares.get((name, *column))) is not None else "–") for column in columns],
        )
        for name in whole_lists(report)
    ]
    heads = [({"ndcg@10": "NDCG@10"}.get(metric, metric), kind) for metric, kind in columns]
    return Table(f"Share of the best reachable value ({best['system']})", heads, _with_kinds(report, rows))


def differences_table(report: Report) -> Table:
    """Ours against every other: the paired difference, and what it means."""
    kinds = {name: entry["kind"] for name, entry in report["systems"].items()}
    found = {(row["system"], row["against"], row["metric"], row["targets"]): row for row in report["differences"]}
    ours = [name for name in ("ranker", "page") if name in kinds]
    others = [name for name, kind in kinds.items() if kind in ("baseline", "given")]
    columns = [(system, kind) for system in ours for kind in KINDS]
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


def candidates_table(report: Report, values: Values) -> Table:
    """Recall of every source and of all together, and what each adds."""
    sources = [name for name, entry in report["systems"].items() if entry["kind"] == "source"]
    names = [*(name for name in ("candidates",) if name in report["systems"]), *sources]
    depths = ("recall@100", "recall@500", "marginal_recall")
    columns = [(metric, kind) for metric in depths for kind in KINDS]
    heads = [(metric.replace("_", " "), kind) for metric, kind in columns]
    note = "Marginal recall: the share of the targets that no other source proposed."
    return Table("Candidates", heads, _with_kinds(report, _cells(values, names, columns, {})), note)


def ranker_table(values: Values) -> Table:
    """How well the ranker orders and predicts."""
    names = {
        "auc": "AUC, mean over users", "auc_of_all": "AUC of all candidates", "log_loss": "log loss",
        "ece": "calibration error", "ndcg_within@10": "NDCG@10 of candidates",
        "ndcg_within@20": "NDCG@20 of candidates",
    }  # fmt: skip
    rows = [
        (title, "", [_cell(values.row("ranker", metric), False, 4)])
        for metric, title in names.items()
        if values.row("ranker", metric)
    ]
    return Table("Ranker on its candidates", [("", "value")], rows, name_of_rows="metric")


def page_table(report: Report, values: Values) -> Table:
    """How good the page is as a page, and which shelf holds what comes."""
    heads = [("NDCG in two dimensions", kind) for kind in KINDS] + [("share of coming plays", kind) for kind in KINDS]
    whole = [
        _cell(values.row("page", metric, kind), False, 4) for metric in ("ndcg_2d", "share_of_plays") for kind in KINDS
    ]
    if all(cell.text == "–" for cell in whole):
        return Table("Page", heads, [])
    shelves = sorted({row["segment"] for row in report["values"] if row["segment"].startswith("shelf: ")})
    empty = [Cell("")] * len(KINDS)
    of_shelf = {
        shelf: [_cell(values.row("page", "share_of_plays", kind, shelf), False, 4) for kind in KINDS]
        for shelf in shelves
    }
    rows = [(shelf.removeprefix("shelf: "), "", [*empty, *cells]) for shelf, cells in of_shelf.items()]
    return Table("Page", heads, [("whole page", "", whole), *rows], name_of_rows="shelf")


def beyond_table(report: Report, values: Values) -> Table:
    """What lists are like apart from right or wrong."""
    names = {
        "familiar_share": "familiar", "tail_share": "tail", "fresh_share": "fresh", "novelty": "novelty, bits",
        "artist_diversity": "artist diversity", "genre_diversity": "genre diversity", "genre_kl": "genre KL",
        "coverage@10": "coverage@10", "gini@100": "Gini@100",
    }  # fmt: skip
    systems = whole_lists(report)
    known = [metric for metric in names if any(values.row(name, metric) for name in systems)]
    columns = [(metric, "all") for metric in known]
    rows = _cells(values, systems, columns, report["metrics"], digits=3)
    plain = [(name, [Cell(cell.text, "", cell.is_best) for cell in cells]) for name, cells in rows]
    note = "Of the first 10 places, but coverage and Gini, which are of all lists together."
    return Table("Beyond accuracy", [("", names[metric]) for metric in known], _with_kinds(report, plain), note)


def segments_table(report: Report, values: Values) -> Table:
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
        rows.append((segment, f"{users:,} users", [_cell(row, False, 4) for row in of_segment]))
    note = "A user counts once per cut. history: 0 are users of whom nothing was known; they count nowhere else."
    return Table("NDCG@10 by segment", [("", name) for name in systems], rows, note, name_of_rows="segment")


def headline_systems(report: Report) -> list[str]:
    """Ours, and the best baseline for each kind of targets."""
    ours = [name for name in ("page", "ranker") if name in report["systems"]]
    return list(dict.fromkeys([*ours, *(name for name in best_baselines(report).values())]))


def best_baselines(report: Report) -> dict[str, str]:
    """The baseline of highest NDCG@10 for each kind of targets."""
    values = Values(report)
    best = {}
    for kind in KINDS:
        found = {
            name: row["value"]
            for name, entry in report["systems"].items()
            if entry["kind"] == "baseline" and (row := values.row(name, "ndcg@10", kind))
        }
        if found:
            best[kind] = max(found, key=lambda name: found[name])
    return best


def cuts_table(report: Report, values: Values) -> Table:
    """NDCG@10 at each cut, in rows of systems."""
    cuts = report["protocol"]["cuts"]
    if len(cuts) < 2:
        return Table("By cut", [], [])
    columns = [(kind, cut) for cut in cuts for kind in KINDS]
    rows = [
        (name, [_cell(values.row(name, "ndcg@10", kind, EVERYONE, cut), False, 4) for kind, cut in columns])
        for name in whole_lists(report)
    ]
    plain = [(name, [Cell(cell.text) for cell in cells]) for name, cells in rows]
    return Table("NDCG@10 by cut", [(cut[:10], kind) for kind, cut in columns], _with_kinds(report, plain))


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
    """What was judged at each cut."""
    names = {
        "events": "plays before", "tracks": "tracks", "users": "users judged", "newcomers": "newcomers",
        "users_without_target": "users without a target", "targets": "targets", "repeats": "repeats",
        "discoveries": "discoveries", "unknown_track_plays": "plays of unknown tracks",
    }  # fmt: skip
    rows = [
        (data["cut"][:16].replace("T", " "), "", [Cell(f"{data[name]:,}") for name in names]) for data in report["data"]
    ]
    return Table("Data", [("", title) for title in names.values()], rows, name_of_rows="cut")


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
    cuts = ", ".join(cut[:16].replace("T", " ").removesuffix(" 00:00") for cut in protocol["cuts"])
    tuned = protocol["tuning_cut"]
    return (
        f"{len(data)} cut{'s' * (len(data) != 1)} ({cuts}), {users:,} users and {targets:,} targets; horizon"
        f" {protocol['horizon_days']:g} days after a gap of {protocol['gap_minutes']:g} minutes; full catalogue;"
        f" {protocol['confidence']:.0%} intervals from {protocol['num_replicates']} bootstrap replicates; baselines"
        + (f" tuned on the cut {tuned[:10]}" if tuned else " not tuned")
    )
