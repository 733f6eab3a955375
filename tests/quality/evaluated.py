"""What a run recommends, measured by the plays after its moment."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import polars as pl

from pipelines.backtest import build_backtest
from pipelines.evaluation.baselines import choose_baselines
from pipelines.evaluation.command import prepare_cutoff, run_at
from pipelines.evaluation.report import CutoffResult, EvaluationRun, make_report
from pipelines.evaluation.report_page import write_report
from pipelines.evaluation.tuning import grid_systems
from pipelines.launch.awaited import run_to_end
from pipelines.options.beam_flags import parse_awaited_beam
from pipelines.options.evaluation_options import EvaluateOptions
from pipelines.options.parsing import parse_flags
from tests.runs import Published
from transforms.evaluation.sums import SUMMARY_FILE, SUMS_FILE
from transforms.evaluation.write_metrics import read_summary

Values = dict[tuple[str, str, str], float]


def evaluate_run(run: Published, output: Path, flags: Sequence[str]) -> None:
    """Evaluate the models of a run at its moment as homeshelf evaluate does, which would train the same ones again.

    Every point of a baseline's grid is a system of its own, instead of a second cutoff to tune the baseline on: who is
    better than each of them is better than the tuned one, too.
    """
    given = [f"--output={output}", "--num_replicates=50", "--num_warm_epochs=0", *flags]
    options, _ = parse_flags(EvaluateOptions, given)
    cutoff = prepare_cutoff(options)
    models = {name: str(run.folder / run.manifest["artifacts"][name]) for name in ("ranker", "embeddings")}
    plan = replace(run_at(cutoff.run, options.as_of[0], options.output), **models)
    systems = grid_systems(choose_baselines(options.baselines))
    pipeline = beam.Pipeline(options=parse_awaited_beam([]))
    build_backtest(pipeline, replace(cutoff, run=plan, baselines=systems))
    run_to_end(pipeline)
    folder = Path(plan.folder)
    result = CutoffResult(read_summary((folder / SUMMARY_FILE).read_bytes()), pl.read_parquet(folder / SUMS_FILE))
    write_report(make_report(EvaluationRun(options, "", systems, None, [], [result])), str(output))


def whole_values(output: Path) -> Values:
    """Return the values of all users by system, metric and kind of targets; no system knows the future."""
    report = json.loads((output / "report.json").read_text())
    assert not [leak for leak in report["leaks"] if leak["is_suspect"]]
    whole = (row for row in report["values"] if row["segment"] == "everyone" and not row["cutoff"])
    return {(row["system"], row["metric"], row["targets"]): row["value"] for row in whole}
