"""homeshelf evaluate: check the input, tune the baselines, measure at every cutoff, report."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from rich.console import Console

from models.baselines.entries import BASELINES
from models.baselines.interactions import Baseline
from pipelines.backtest import SOURCE_NAMES, Cutoff, build_backtest, build_export
from pipelines.evaluation.figures import Estimates
from pipelines.evaluation.report import CutoffResult, cutoff_folder, make_report
from pipelines.evaluation.report_page import write_report
from pipelines.evaluation.report_text import show_report
from pipelines.evaluation.tuning import BEST_BLEND, TunedBaselines, choose_best_points, first_grid_points, grid_systems
from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.inputs.page_rules import read_rules
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.preparation import check_writable, inspect_inputs
from pipelines.launch.launch import reason_of
from pipelines.launch.progress import progress_display
from pipelines.launch.workers import watch_workers
from pipelines.options.beam_flags import parse_beam
from pipelines.options.evaluation_options import EvaluateOptions
from pipelines.options.options import UsageError, parse_flags
from pipelines.rendering.console import wide_console
from transforms.evaluation.schemas import ARRIVED_LATE, FIRST_STAGE, LISTS, PAGE, PLAYED_BEFORE, RANKER, TARGET
from transforms.evaluation.write_metrics import ABOUT_FILE, SUMS_FILE
from transforms.tables.columns import Column, Schema
from transforms.tables.files import open_parquet, remove_folder, write_atomically

RESERVED_NAMES = {
    TARGET,
    PLAYED_BEFORE,
    ARRIVED_LATE,
    PAGE,
    RANKER,
    FIRST_STAGE,
    BEST_BLEND,
    *SOURCE_NAMES,
    *(entry.name for entry in BASELINES),
}
# How much of a horizon may lie behind the newest event: the log of a day ends a little before midnight.
_HORIZON_SLACK = timedelta(hours=1)


def run_evaluation(argv: Sequence[str]) -> int:
    """Evaluate; 1 where a list cannot have been made at its cutoff (UsageError: nothing was started)."""
    options, rest = parse_flags(EvaluateOptions, argv)
    beam_options = parse_beam(rest)
    if beam_options.view_as(GoogleCloudOptions).template_location:
        raise UsageError("an evaluation waits for its graphs and reports: it cannot be a template")
    first = prepare_evaluation(options)
    console = wide_console()
    cutoffs = [
        replace(first, run=run_at(first.run, cutoff_at, options.output))
        for cutoff_at in choose_cutoffs(options, first.run.events.newest)
    ]
    check_lists(first.lists, [cutoff.run.as_of for cutoff in cutoffs])
    if options.export:
        for cutoff in cutoffs:
            _export(console, cutoff, options, beam_options)
        return 0
    try:
        tuned, tuned_at = _tune(console, cutoffs[0], wanted_baselines(options.baselines), beam_options)
        measured = [_measure(console, replace(cutoff, baselines=tuned), beam_options) for cutoff in cutoffs]
    except Exception as error:
        if unmatched := reason_of(error, "(?:UnknownTracksError|WorkerDiedError): (.+?)"):
            print(f"homeshelf: failed: {unmatched}", file=sys.stderr)
            return 1
        raise
    command = f"homeshelf evaluate {shlex.join(argv)}"
    report = make_report(measured, options, tuned=tuned, tuned_at=tuned_at, lists=list(first.lists), command=command)
    write_report(report, options.output)
    show_report(console, report)
    return 0


def prepare_evaluation(options: EvaluateOptions) -> Cutoff:
    """Look at the input; the cutoff that comes back still stands nowhere (UsageError: the evaluation cannot start)."""
    inputs = inspect_inputs(options, newest="played_at")
    lists = {}
    for part in filter(None, options.lists.split(",")):
        name, colon, path = part.partition(":")
        if not (name and colon and path):
            raise UsageError(f"--lists: {part!r} is not of the form name:path")
        if name in RESERVED_NAMES or name in lists:
            raise UsageError(f"--lists: {name!r} is the name of another system")
        lists[name] = inspect_input("lists", path, None, schema=_list_schema(options))
    if options.oracle and options.oracle not in lists:
        raise UsageError(f"--oracle={options.oracle}: there is no such list among --lists")
    check_writable(options.output)
    return Cutoff(
        run=RunPlan(
            options,
            **inputs._asdict(),
            as_of=datetime.max,
            folder=options.output.rstrip("/"),
            rules_text=read_rules(options.rules),
        ),
        gap=timedelta(minutes=options.gap_minutes),
        horizon=timedelta(days=options.horizon_days),
        baselines={},
        lists=lists,
        with_pages=True,
        max_users=options.max_users,
        list_depth=options.list_depth,
        num_replicates=options.num_replicates,
    )


def _list_schema(options: EvaluateOptions) -> Schema:
    """LISTS; with several cutoffs every list must say which rows are for which."""
    several = len(options.as_of) > 1
    return Schema(LISTS.name, tuple(_required(column, several) for column in LISTS.columns))


def _required(column: Column, several: bool) -> Column:
    return replace(column, is_required=True) if several and column.name == "cutoff_at" else column


def choose_cutoffs(options: EvaluateOptions, newest: datetime | None) -> Sequence[datetime]:
    """The cutoffs, in order; by default the last one whose horizon is over (UsageError: a horizon is not)."""
    if newest is None:
        raise UsageError("--events: no event has a time")
    window = timedelta(minutes=options.gap_minutes, days=options.horizon_days)
    for cutoff in options.as_of:
        if cutoff + window > newest + _HORIZON_SLACK:
            raise UsageError(
                f"--as_of={cutoff:%Y-%m-%dT%H:%M}: its horizon ends on {cutoff + window:%Y-%m-%d %H:%M}, but the newest"
                f" event is of {newest:%Y-%m-%d %H:%M}"
            )
    return options.as_of or (newest - window,)


def check_lists(lists: Mapping[str, InputTable], cutoffs: Sequence[datetime]) -> None:
    """Hold that every list has rows for every cutoff (UsageError: one has none)."""
    for name, one in lists.items():
        found = set()
        for path in {row_group.path for row_group in one.row_groups}:
            with open_parquet(path) as file:
                if "cutoff_at" not in file.schema_arrow.names:
                    found |= set(cutoffs)
                else:
                    times = pc.unique(file.read(columns=["cutoff_at"]).column(0)).to_pylist()
                    found |= {cutoffs[0] if time is None else time for time in times}
        stamps = {cutoff.timestamp() for cutoff in found}
        for cutoff in cutoffs:
            if cutoff.timestamp() not in stamps:
                raise UsageError(f"--lists={name}: no row for the cutoff {cutoff:%Y-%m-%d %H:%M}")


def wanted_baselines(text: str) -> tuple[Baseline, ...]:
    """Read --baselines (UsageError: there is no such baseline)."""
    names = [entry.name for entry in BASELINES]
    wanted = names if text == "all" else [] if text == "none" else text.split(",")
    if unknown := [name for name in wanted if name not in names]:
        raise UsageError(f"--baselines: there is no {unknown[0]!r}; there are {', '.join(names)}, all, none")
    return tuple(entry for entry in BASELINES if entry.name in wanted)


def run_at(run_evaluation: RunPlan, cutoff_at: datetime, below: str) -> RunPlan:
    """The same run at another moment, in a folder of its own."""
    return replace(
        run_evaluation, as_of=cutoff_at, folder=f"{below.rstrip('/')}/{cutoff_folder(cutoff_at.isoformat())}"
    )


def _unshown(run_evaluation: RunPlan) -> RunPlan:
    """The same run where nobody learns from what was shown, so that it need not be read."""
    return replace(run_evaluation, impressions=None)


def _tune(
    console: Console, first: Cutoff, baselines: Sequence[Baseline], beam_options: PipelineOptions
) -> tuple[TunedBaselines, datetime | None]:
    """Tune on a cutoff whose horizon is over when the first one comes; without users there, nothing is tuned."""
    tuned_at = first.run.as_of - first.horizon - first.gap
    run_evaluation = _unshown(run_at(first.run, tuned_at, f"{first.run.folder.rsplit('/', 1)[0]}/tuning"))
    if not any(len(baseline.grid) > 1 for baseline in baselines):
        return first_grid_points(baselines), None
    cutoff = replace(
        first, run=run_evaluation, baselines=grid_systems(baselines), lists={}, with_pages=False, num_replicates=1
    )
    measured = _measure(console, cutoff, beam_options)
    if not measured.about["counts"]["users"]:
        return first_grid_points(baselines), None
    return choose_best_points(Estimates.from_cutoffs([measured.sums], confidence=0.95), baselines), tuned_at


def _export(console: Console, first: Cutoff, options: EvaluateOptions, beam_options: PipelineOptions) -> None:
    """Write what was known at one cutoff, and say last that it is whole."""
    cutoff = replace(first, run=_unshown(run_at(first.run, first.run.as_of, options.export)))
    pipeline = beam.Pipeline(options=beam_options)
    build_export(pipeline, cutoff)
    with progress_display(console), watch_workers():
        pipeline.run().wait_until_finish()
    about = {"cutoff_at": cutoff.run.as_of.isoformat(), "seed": options.seed}
    write_atomically(f"{cutoff.run.folder}/{ABOUT_FILE}", json.dumps(about, indent=1).encode())
    console.print(f"history and users as of {cutoff.run.as_of:%Y-%m-%d %H:%M} in {cutoff.run.folder}", highlight=False)


def _measure(console: Console, cutoff: Cutoff, beam_options: PipelineOptions) -> CutoffResult:
    """Run the graph of one cutoff and read what it wrote."""
    console.print(f"[bold]{cutoff.run.as_of:%Y-%m-%d %H:%M}[/]", highlight=False)
    pipeline = beam.Pipeline(options=beam_options)
    build_backtest(pipeline, cutoff)
    with progress_display(console), watch_workers():
        pipeline.run().wait_until_finish()
    # what the baselines learned is large, and nobody needs it any more
    remove_folder(cutoff.baselines_folder)
    with FileSystems.open(f"{cutoff.run.folder}/{ABOUT_FILE}") as file:
        about = json.load(file)
    with FileSystems.open(f"{cutoff.run.folder}/{SUMS_FILE}") as file:
        return CutoffResult(about, pl.read_parquet(file))
