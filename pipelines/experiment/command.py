"""homeshelf experiment: check the input, run the graph, and read out, or plan."""

import json
import shlex
from collections.abc import Mapping, Sequence

import apache_beam as beam
import polars as pl

from pipelines.experiment.duration import make_duration_plan
from pipelines.experiment.duration_page import write_duration_plan
from pipelines.experiment.experiment_plan import ExperimentPlan, prepare_experiment
from pipelines.experiment.graph import ARM_SUMS_FILE, COUNTS_FILE, COVERAGE_FILE, build_experiment
from pipelines.experiment.readout import Measured, make_readout
from pipelines.experiment.readout_page import write_readout
from pipelines.experiment.readout_text import print_readout
from pipelines.launch.awaited import run_to_end
from pipelines.options.beam_flags import parse_awaited_beam
from pipelines.options.experiment_options import ExperimentOptions
from pipelines.options.parsing import as_flags
from pipelines.rendering.console import wide_console
from transforms.tables.failures import RunFailedError
from transforms.tables.files import read_bytes, remove_folder

# Rows of these reasons are no errors of whoever wrote the tables.
_VALID_REASONS = ("in_the_future", "after_end", "repeated", "before_start")
# Exit status of a readout whose arms cannot be compared.
BLOCKED_STATUS = 3


def run_experiment(options: ExperimentOptions, beam_flags: Sequence[str]) -> int:
    """Read out or plan, print the result and write it.

    Returns:
        3 if the arms do not have the planned shares of users, else 0.

    Raises:
        UsageError: nothing was started.
        RunFailedError: too many assignments or exposures are invalid.
    """
    beam_options = parse_awaited_beam(beam_flags)
    plan = prepare_experiment(options)
    console = wide_console()
    pipeline = beam.Pipeline(options=beam_options)
    build_experiment(pipeline, plan)
    run_to_end(pipeline)
    # of use only while user days were counted
    remove_folder(f"{plan.run.folder}/catalog")
    measured = read_measured(plan.run.folder)
    check_rejected(plan, measured.counts)
    command = f"homeshelf experiment {shlex.join([*as_flags(options), *beam_flags])}"
    if options.plan is not None:
        write_duration_plan(console, make_duration_plan(plan, measured, command), plan.run.folder)
        return 0
    readout = make_readout(plan, measured, command)
    write_readout(readout, plan.run.folder)
    print_readout(console, readout, plan.run.folder)
    return BLOCKED_STATUS if any(one.is_mismatch for one in readout.sample_ratios) else 0


def read_measured(folder: str) -> Measured:
    """Read the files that the graph wrote."""
    sums, coverage = (pl.read_parquet(read_bytes(f"{folder}/{name}")) for name in (ARM_SUMS_FILE, COVERAGE_FILE))
    return Measured(sums, coverage, json.loads(read_bytes(f"{folder}/{COUNTS_FILE}"))["counts"])


def check_rejected(plan: ExperimentPlan, counts: Mapping[str, int]) -> None:
    """Check that few rows of assignments and exposures are invalid (RunFailedError: they are many)."""
    given = {"assignments": plan.assignments, "exposures": plan.exposures}
    for name, table in given.items():
        found = {key: n for key, n in counts.items() if key.startswith(f"{name}/")}
        invalid = {key: n for key, n in found.items() if key.partition("/")[2] not in _VALID_REASONS}
        if table is None or not table.num_rows:
            continue
        if sum(invalid.values()) > plan.options.max_rejected_fraction * table.num_rows:
            reasons = ", ".join(f"{key.partition('/')[2]} {n:,}" for key, n in sorted(invalid.items()))
            raise RunFailedError(
                f"--{name}: {sum(invalid.values()):,} of {table.num_rows:,} rows are invalid ({reasons}), more than"
                f" --max_rejected_fraction={plan.options.max_rejected_fraction:g}"
            )
