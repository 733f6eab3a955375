"""homeshelf compare: two evaluations side by side, with the intervals of their paired differences."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from apache_beam.io.filesystems import FileSystems

from pipelines.evaluation.figures import EstimateKey, Estimates, compare_means
from pipelines.evaluation.report import COMPARED, CONFIDENCE, HEADLINE_TARGETS, cutoff_folder
from pipelines.evaluation.report_text import show_comparison
from pipelines.options.evaluation_options import CompareOptions
from pipelines.options.options import UsageError, parse_flags
from pipelines.rendering.console import wide_console
from transforms.evaluation.schemas import PAGE
from transforms.evaluation.write_metrics import SUMS_FILE

# What must agree for users, targets and replicates to be the same.
_SAME_PROTOCOL = ("cutoffs", "gap_minutes", "horizon_days", "seed", "num_replicates")
# What the command answers to a gate that is broken.
_STATUS_WORSE = 3


def run_comparison(argv: Sequence[str]) -> int:
    """Compare; 3 where a system of --gate is worse (UsageError: the two cannot be compared)."""
    options, rest = parse_flags(CompareOptions, argv)
    folders = [argument for argument in rest if not argument.startswith("-")]
    if unknown_flags := set(rest) - set(folders):
        raise UsageError(f"unknown flag {min(unknown_flags)}; homeshelf compare --help lists the flags")
    if len(folders) != 2:
        raise UsageError("compare takes the folders of two evaluations: homeshelf compare A B")
    comparison = compare_evaluations(*(folder.rstrip("/") for folder in folders))
    show_comparison(wide_console(), comparison)
    gated = {name for name in options.gate.split(",") if name}
    if unknown := gated - {row["system"] for row in comparison["rows"]}:
        raise UsageError(f"--gate: {sorted(unknown)[0]!r} is not in both evaluations")
    is_worse = any(row["system"] in gated and row["verdict"] == "worse" for row in comparison["rows"])
    return _STATUS_WORSE if is_worse else 0


def compare_evaluations(a: str, b: str) -> dict[str, Any]:
    """Return what both evaluations measured of the same systems, and what B adds to A (UsageError: see run())."""
    reports = {folder: read_report(folder) for folder in (a, b)}
    for name in _SAME_PROTOCOL:
        ours, theirs = (reports[folder]["protocol"][name] for folder in (a, b))
        if ours != theirs:
            raise UsageError(f"not the same protocol: {name} is {ours} in {a}, {theirs} in {b}")
    first, second = (read_estimates(folder, reports[folder]) for folder in (a, b))
    counts = [[(data["users"], data["targets"]) for data in reports[folder]["data"]] for folder in (a, b)]
    systems = [name for name in reports[a]["systems"] if name in reports[b]["systems"]]
    rows = list(_rows(first, second, systems))
    return {"a": a, "b": b, "same_users": counts[0] == counts[1], "rows": rows}


def read_report(folder: str) -> Mapping[str, Any]:
    """Read the report of an evaluation (UsageError: there is none)."""
    path = f"{folder}/report.json"
    try:
        with FileSystems.open(path) as file:
            report: Mapping[str, Any] = json.load(file)
            return report
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not the report of an evaluation: {str(error).splitlines()[0]}") from error


def read_estimates(folder: str, report: Mapping[str, Any]) -> Estimates:
    """Read the sums of all cutoffs of an evaluation (UsageError: some are not there)."""
    parts = []
    for cutoff in report["protocol"]["cutoffs"]:
        path = f"{folder}/{cutoff_folder(cutoff)}/{SUMS_FILE}"
        try:
            with FileSystems.open(path) as file:
                parts.append(pl.read_parquet(file))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UsageError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    return Estimates.from_cutoffs(parts, CONFIDENCE)


def _rows(first: Estimates, second: Estimates, systems: Sequence[str]) -> Iterator[dict[str, Any]]:
    keys = [
        *(EstimateKey(system, metric, kind) for system in systems for metric in COMPARED for kind in HEADLINE_TARGETS),
        *(
            EstimateKey(PAGE, metric, kind)
            for metric in ("ndcg_2d", "share_of_plays")
            for kind in HEADLINE_TARGETS
            if PAGE in systems
        ),
    ]
    for key in keys:
        one, other = first.means(key), second.means(key)
        if one is not None and other is not None:
            compared = compare_means(other[0], one[0], CONFIDENCE)
            shared = {"system": key.system, "metric": key.metric, "targets": key.targets}
            yield {**shared, "a": float(one[0][0]), "b": float(other[0][0]), **compared}
