"""Evaluations of a small world in this process, and values of their reports."""

import json
from pathlib import Path
from typing import Any

from pipelines.cli import main
from tests.runs import DCN, FAST

SMALL = [*(flag for flag in FAST if not flag.startswith("--as_of")), *DCN, "--num_replicates=50"]
QUICK = "--baselines=most_popular,repeat_recent,act_r,sequence_rules"


def evaluate(
    world: Path, output: Path, *flags: str, events: Path | None = None, baselines: str = QUICK
) -> dict[str, Any]:
    """Evaluate on a world in this process; return the report as JSON has it."""
    tables = [
        f"--events={events or world / 'events'}",
        f"--tracks={world / 'tracks'}",
        f"--users_table={world / 'users'}",
    ]
    assert main(["evaluate", *tables, f"--output={output}", baselines, *SMALL, *flags]) == 0
    return read_report(output)


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report of an evaluation as JSON has it."""
    return json.loads((folder / "report.json").read_text())


def value(report: dict, system: str, metric: str = "ndcg@10", targets: str = "all", cutoff: str = "") -> float:
    """Return the value of everyone; cutoff: empty for all together."""
    (found,) = (
        row["value"]
        for row in report["values"]
        if (row["system"], row["metric"], row["targets"], row["segment"], row["cutoff"])
        == (system, metric, targets, "everyone", cutoff)
    )
    return found
