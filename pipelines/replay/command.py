"""homeshelf replay: check the log, run the graph, report what the target would bring, or why nobody can tell."""

import shlex
from collections.abc import Sequence
from importlib.metadata import version

import apache_beam as beam
import polars as pl

from pipelines.launch.awaited import run_to_end
from pipelines.options.beam_flags import parse_awaited_beam
from pipelines.options.parsing import as_flags
from pipelines.options.replay_options import ReplayOptions
from pipelines.rendering.console import PlainConsole, wide_console
from pipelines.rendering.terminal_tables import print_tables
from pipelines.replay.graph import build_replay
from pipelines.replay.plan import ReplayPlan, prepare_replay
from pipelines.replay.report_data import ReplayAbout, ReplayReport, make_replay_report
from pipelines.replay.report_page import write_replay_report
from pipelines.replay.report_tables import replay_headline, replay_tables, replay_verdicts
from transforms.evaluation.sums import SUMS_FILE
from transforms.experiments.off_policy.choice_sums import ALL_CHOICES, ChoiceSums
from transforms.tables.failures import RunFailedError
from transforms.tables.files import read_bytes

REFUSED = 3


def run_replay(options: ReplayOptions, beam_flags: Sequence[str]) -> int:
    """Replay the log, print the tables and write the report.

    Returns:
        3 if the log cannot tell the value of the target, else 0.

    Raises:
        UsageError: nothing was started.
        RunFailedError: no impression is of the target's users and time.
    """
    beam_options = parse_awaited_beam(beam_flags)
    plan, console = prepare_replay(options), wide_console()
    pipeline = beam.Pipeline(options=beam_options)
    build_replay(pipeline, plan)
    run_to_end(pipeline)
    report = make_replay_report(_about(plan, beam_flags), _read_sums(f"{plan.folder}/{SUMS_FILE}"))
    write_replay_report(report, plan.folder)
    _print(console, report)
    return REFUSED if report.reasons else 0


def _read_sums(path: str) -> ChoiceSums:
    """Read the sums (RunFailedError: no choice was summed)."""
    sums = ChoiceSums(pl.read_parquet(read_bytes(path)))
    if not sums.of_page(ALL_CHOICES)[0]:
        raise RunFailedError(
            "no impression could be scored: none is of --surface and --policy, or none is of users and of the time of"
            " --run and --horizon_days"
        )
    return sums


def _about(plan: ReplayPlan, beam_flags: Sequence[str]) -> ReplayAbout:
    options = plan.options
    changed = [
        f"--{name}={value:g}"
        for name in ("exploration", "diversity", "calibration")
        if (value := getattr(options, name)) is not None
    ]
    changed += [f"--rules={options.rules}"] if options.rules else []
    moments = ", ".join(f"{run.target.since:%Y-%m-%d %H:%M}" for run in plan.runs)
    target = " ".join(["The target of", moments, *changed]) if plan.runs else "The target that the log names"
    outcome = f"{options.outcome} within {options.outcome_hours:g} hours" if options.events else "as the log has it"
    command = f"homeshelf replay {shlex.join([*as_flags(options), *beam_flags])}"
    return ReplayAbout(command, version("homeshelf"), target, outcome, options.choices, options.num_replicates)


def _print(console: PlainConsole, report: ReplayReport) -> None:
    """Print headline, tables and verdicts."""
    console.print(f"{replay_headline(report)}\n", highlight=False)
    print_tables(console, replay_tables(report), has_cell_notes=True)
    for _, sentence in replay_verdicts(report):
        console.print(f"- {sentence}", highlight=False)
