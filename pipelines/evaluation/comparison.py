"""homeshelf compare: two evaluations side by side, with the intervals of their paired differences."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import polars as pl
from apache_beam.io.filesystems import FileSystems
from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable

from pipelines.evaluation.estimates import EstimateKey, Estimates, compare_means
from pipelines.evaluation.report import CONFIDENCE, cutoff_folder
from pipelines.evaluation.report_data import EvaluationReport, report_from_json
from pipelines.evaluation.report_values import VERDICT_MARKS
from pipelines.options.evaluation_options import CompareOptions
from pipelines.options.options import UsageError
from pipelines.rendering.console import PlainConsole, wide_console
from pipelines.rendering.table_cells import number
from transforms.evaluation.metrics.metric import SHOWN_TARGETS
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.metrics.system import PAGE
from transforms.evaluation.sums import SUMS_FILE

# Settings that must be equal for users, targets and replicates to be the same.
_SAME_PROTOCOL = ("cutoffs", "gap_minutes", "horizon_days", "seed", "num_replicates")
_STATUS_WORSE = 3
_VERDICT_STYLES = {"better": "green", "worse": "red", "no difference": "dim"}


@dataclass(frozen=True)
class ComparedMean:
    """A metric of one system in both evaluations, and the paired difference b - a."""

    system: str
    metric: str
    targets: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    ratio: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Two evaluations by their folders; is_paired: both have the same users and targets."""

    a: str
    b: str
    is_paired: bool
    means: Sequence[ComparedMean]


def run_comparison(options: CompareOptions) -> int:
    """Compare two evaluations; return 3 if a system of --not_worse is worse (UsageError: they cannot be compared)."""
    comparison = compare_evaluations(options.a.rstrip("/"), options.b.rstrip("/"))
    print_comparison(wide_console(), comparison)
    gated = {name for name in options.not_worse.split(",") if name}
    if unknown := gated - {one.system for one in comparison.means}:
        raise UsageError(f"--not_worse: {sorted(unknown)[0]!r} is not in both evaluations")
    is_worse = any(one.system in gated and one.verdict == "worse" for one in comparison.means)
    return _STATUS_WORSE if is_worse else 0


def compare_evaluations(a: str, b: str) -> Comparison:
    """Compare the systems that both evaluations have (UsageError: they cannot be compared)."""
    first, second = _read_report(a), _read_report(b)
    for name in _SAME_PROTOCOL:
        ours, theirs = getattr(first.protocol, name), getattr(second.protocol, name)
        if ours != theirs:
            raise UsageError(f"not the same protocol: {name} is {ours} in {a}, {theirs} in {b}")
    counts = [[(data.users, data.targets) for data in report.data] for report in (first, second)]
    systems = [name for name in first.systems if name in second.systems]
    means = list(_compare_means(_read_estimates(a, first), _read_estimates(b, second), systems))
    return Comparison(a, b, counts[0] == counts[1], means)


def _read_report(folder: str) -> EvaluationReport:
    """Read the report of an evaluation (UsageError: there is none)."""
    path = f"{folder}/report.json"
    try:
        with FileSystems.open(path) as file:
            return report_from_json(file.read())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not the report of an evaluation: {str(error).splitlines()[0]}") from error


def _read_estimates(folder: str, report: EvaluationReport) -> Estimates:
    """Read the sums of all cutoffs of an evaluation (UsageError: a file cannot be read)."""
    parts = []
    for cutoff in report.protocol.cutoffs:
        path = f"{folder}/{cutoff_folder(cutoff)}/{SUMS_FILE}"
        try:
            with FileSystems.open(path) as file:
                parts.append(pl.read_parquet(file))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UsageError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    return Estimates.from_cutoffs(parts, CONFIDENCE)


def _compare_means(first: Estimates, second: Estimates, systems: Sequence[str]) -> Iterator[ComparedMean]:
    """Yield metrics of lists by system, then those of the page."""
    compared = [metric for metric in METRICS if metric.is_compared]
    of_lists = [metric.name for metric in compared if metric.over != "page"]
    of_pages = [metric.name for metric in compared if metric.over == "page"]
    pairs = [(system, metric) for system in systems for metric in of_lists]
    pairs += [(PAGE, metric) for metric in of_pages if PAGE in systems]
    for system, metric in pairs:
        for targets in SHOWN_TARGETS:
            key = EstimateKey(system, metric, targets)
            one, other = first.means(key), second.means(key)
            if one is not None and other is not None:
                difference = compare_means(other[0], one[0], CONFIDENCE)
                a, b = float(one[0][0]), float(other[0][0])
                yield ComparedMean(system, metric, targets, a, b, **asdict(difference))


def print_comparison(console: PlainConsole, comparison: Comparison) -> None:
    """Print two evaluations side by side; a difference whose interval holds 0 is none."""
    if not comparison.is_paired:
        console.print("not the same users or targets: the intervals are not of paired differences", style="yellow")
    heads = ("system", "metric", "targets", "A", "B", "B - A", "95 % interval", "")
    table = RichTable(title="B against A", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head in ("system", "metric", "targets", "") else "right")
    for one in comparison.means:
        cells = [one.system, one.metric, one.targets, number(one.a), number(one.b), f"{one.difference:+.4f}"]
        cells += [f"{one.low:+.4f} to {one.high:+.4f}", f"{VERDICT_MARKS[one.verdict]} {one.verdict}"]
        table.add_row(*cells, style=_VERDICT_STYLES[one.verdict])
    console.print(f"A: {comparison.a}\nB: {comparison.b}", highlight=False)
    console.print(table)
