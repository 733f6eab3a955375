"""homeshelf evaluate: check the input, tune the baselines, measure at every cutoff, report."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl
from apache_beam.options.pipeline_options import PipelineOptions

from models.baselines.interactions import Baseline
from pipelines.backtest import Cutoff, build_backtest, build_export
from pipelines.evaluation.baselines import choose_baselines
from pipelines.evaluation.estimates import Estimates
from pipelines.evaluation.given_lists import check_lists, find_lists
from pipelines.evaluation.report import CONFIDENCE, CutoffResult, EvaluationRun, cutoff_folder, make_report
from pipelines.evaluation.report_page import write_report
from pipelines.evaluation.report_text import print_report
from pipelines.evaluation.tuning import choose_best_points, first_grid_points, grid_systems
from pipelines.inputs.event_times import EventTimes, check_unit, find_event_times
from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.page_rules import read_rules
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.preparation import check_writable, inspect_inputs
from pipelines.launch.awaited import run_to_end
from pipelines.next_track.command import NextTrackEvaluation, check_task
from pipelines.options.beam_flags import parse_awaited_beam
from pipelines.options.evaluation_options import NEXT_TRACK, EvaluateOptions
from pipelines.options.options import UsageError
from pipelines.options.parsing import as_flags
from pipelines.rendering.console import PlainConsole, wide_console
from transforms.evaluation.list_baselines import TunedBaselines
from transforms.evaluation.sums import SUMMARY_FILE, SUMS_FILE
from transforms.evaluation.write_metrics import read_summary
from transforms.reading.keep_users import REPORT_USERS
from transforms.tables.files import read_bytes, remove_folder, write_atomically

# The end of a horizon may be this much later than the newest event: the log of a day ends a little before midnight.
_HORIZON_SLACK = timedelta(hours=1)


def run_evaluation(options: EvaluateOptions, beam_flags: Sequence[str]) -> int:
    """Evaluate, print the tables and write the report.

    Raises:
        UsageError: nothing was started.
        RunFailedError: or, from a worker, an error with the text of one: for example, a list holds unknown tracks.
    """
    beam_options = parse_awaited_beam(beam_flags)
    check_task(options)
    first = prepare_cutoff(options)
    console = wide_console()
    # the mass of events: one of a stray clock must not stand for the end of a horizon
    times = find_event_times(first.run.events, needs_mass=True)
    check_unit(times, options.min_played_at)
    moments = choose_cutoffs(options, times)
    check_lists(first.lists, moments)
    cutoffs = [replace(first, run=run_at(first.run, cutoff_at, options.output)) for cutoff_at in moments]
    command = f"homeshelf evaluate {shlex.join([*as_flags(options), *beam_flags])}"
    if options.task == NEXT_TRACK:
        runs = [_without_impressions(cutoff.run) for cutoff in cutoffs]
        return NextTrackEvaluation(options, command, runs, first.report_users, console, beam_options).evaluate()
    graphs = _Graphs(console, beam_options)
    if options.export:
        for cutoff in cutoffs:
            graphs.export(cutoff, options)
        return 0
    tuned, tuned_at = _tune(graphs, cutoffs[0], choose_baselines(options.baselines))
    results = [graphs.measure(replace(cutoff, baselines=tuned)) for cutoff in cutoffs]
    report = make_report(EvaluationRun(options, command, tuned, tuned_at, list(first.lists), results))
    write_report(report, options.output)
    print_report(console, report)
    return 0


def prepare_cutoff(options: EvaluateOptions) -> Cutoff:
    """Inspect the input; return a cutoff without its time (UsageError: the evaluation cannot start)."""
    inputs = inspect_inputs(options)
    lists = find_lists(options)
    users = options.report_users
    report_users = inspect_input("report_users", users, None, schema=REPORT_USERS) if users else None
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
        report_users=report_users,
        with_pages=True,
        max_users=options.max_users,
        list_depth=options.list_depth,
        num_replicates=options.num_replicates,
    )


def choose_cutoffs(options: EvaluateOptions, times: EventTimes) -> Sequence[datetime]:
    """Return the cutoffs in order; by default the last one whose horizon is over.

    Raises:
        UsageError: a cutoff has no event before it, or its horizon is not over.
    """
    if times.oldest is None or times.newest is None:
        raise UsageError("--events: no event has a time")
    window = timedelta(minutes=options.gap_minutes, days=options.horizon_days)
    cutoffs = options.as_of or (times.newest - window,)
    span = f"the events are of {times.oldest:%Y-%m-%d %H:%M} to {times.newest:%Y-%m-%d %H:%M}"
    for cutoff in cutoffs:
        flag = f"--as_of={cutoff:%Y-%m-%dT%H:%M}"
        if not options.as_of and cutoff <= times.oldest:
            raise UsageError(f"--horizon_days={options.horizon_days:g}: {span}, and none is before such a horizon")
        if cutoff <= times.oldest:
            raise UsageError(f"{flag}: no event is before it to recommend from; {span}")
        if cutoff > times.newest:
            raise UsageError(f"{flag}: no event is after it to compare with; {span}")
        if cutoff + window > times.newest + _HORIZON_SLACK:
            raise UsageError(f"{flag}: its horizon ends on {cutoff + window:%Y-%m-%d %H:%M}; {span}")
    return cutoffs


def run_at(run: RunPlan, cutoff_at: datetime, below: str) -> RunPlan:
    """Return the run as of another moment, in a folder of its own."""
    return replace(run, as_of=cutoff_at, folder=f"{below.rstrip('/')}/{cutoff_folder(cutoff_at.isoformat())}")


def _without_impressions(run: RunPlan) -> RunPlan:
    """Return the run without impressions, which need not be read where no ranker is trained."""
    return replace(run, impressions=None)


def _tune(graphs: "_Graphs", first: Cutoff, baselines: Sequence[Baseline]) -> tuple[TunedBaselines, datetime | None]:
    """Tune on a cutoff whose horizon ends at the first one; without users there, nothing is tuned."""
    tuned_at = first.run.as_of - first.horizon - first.gap
    run = _without_impressions(run_at(first.run, tuned_at, f"{first.run.folder.rsplit('/', 1)[0]}/tuning"))
    if not any(len(baseline.grid) > 1 for baseline in baselines):
        return first_grid_points(baselines), None
    grid = grid_systems(baselines)
    tuning = replace(
        first,
        run=run,
        baselines=grid,
        lists={},
        with_pages=False,
        num_replicates=1,
        known_before=first.run.as_of,
    )
    result = graphs.measure(tuning)
    if not result.summary.counts["users"]:
        return first_grid_points(baselines), None
    return choose_best_points(Estimates.from_cutoffs([result.sums], CONFIDENCE), baselines), tuned_at


@dataclass(frozen=True)
class _Graphs:
    """The graphs of an evaluation, each run to its end with its progress on the console."""

    console: PlainConsole
    beam_options: PipelineOptions

    def export(self, cutoff: Cutoff, options: EvaluateOptions) -> None:
        """Write the history before one cutoff; the summary, written last, says that it is complete."""
        exported = replace(cutoff, run=_without_impressions(run_at(cutoff.run, cutoff.run.as_of, options.export)))
        pipeline = beam.Pipeline(options=self.beam_options)
        build_export(pipeline, exported)
        run_to_end(pipeline)
        as_of, folder = exported.run.as_of, exported.run.folder
        summary = {"cutoff_at": as_of.isoformat(), "seed": options.seed}
        write_atomically(f"{folder}/{SUMMARY_FILE}", json.dumps(summary, indent=1).encode())
        self.console.print(f"history and users as of {as_of:%Y-%m-%d %H:%M} in {folder}", highlight=False)

    def measure(self, cutoff: Cutoff) -> CutoffResult:
        """Run the graph of one cutoff and read the files that it wrote."""
        self.console.print(f"{cutoff.run.as_of:%Y-%m-%d %H:%M}", style="bold", highlight=False)
        pipeline = beam.Pipeline(options=self.beam_options)
        build_backtest(pipeline, cutoff)
        run_to_end(pipeline)
        # the fitted baselines are large, and no longer needed
        remove_folder(cutoff.baselines_folder)
        summary, sums = (read_bytes(f"{cutoff.run.folder}/{name}") for name in (SUMMARY_FILE, SUMS_FILE))
        return CutoffResult(read_summary(summary), pl.read_parquet(sums))
