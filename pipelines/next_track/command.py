"""homeshelf evaluate --task=next_track: tune on an earlier week, rank the plays after every cutoff, report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import apache_beam as beam
import polars as pl
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.launch.awaited import run_to_end
from pipelines.next_track.baselines import choose_next_track_baselines
from pipelines.next_track.graph import NextTrackCutoff, SequenceTraining, build_next_track
from pipelines.next_track.report_data import NextTrackResult, NextTrackRun, make_next_track_report
from pipelines.next_track.report_page import next_track_headline, next_track_tables, write_next_track_report
from pipelines.next_track.tuning import grid_of_systems, tuned_systems, untuned_systems
from pipelines.next_track.values import NextTrackValues
from pipelines.options.evaluation_options import NEXT_TRACK, EvaluateOptions
from pipelines.options.options import UsageError
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.terminal_tables import print_tables
from transforms.evaluation.next_track.rank_next_tracks import NextTrackSystems
from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS
from transforms.evaluation.sums import SUMMARY_FILE, SUMS_FILE
from transforms.evaluation.window import EvaluationWindow
from transforms.tables.files import list_files, read_bytes, remove_folder

_END_OF_TIME = datetime(9998, 1, 1, tzinfo=timezone.utc)


def check_task(options: EvaluateOptions) -> None:
    """Refuse flags that say nothing about the task (UsageError: one is given)."""
    if options.task != NEXT_TRACK:
        if options.sequence_model:
            raise UsageError("--sequence_model: only evaluations with --task=next_track have it")
        return
    given = {"--lists": options.lists, "--oracle": options.oracle, "--export": options.export}
    if wrong := [name for name, value in given.items() if value]:
        raise UsageError(f"{wrong[0]}: evaluations with --task=next_track do not have it")
    choose_next_track_baselines(options.baselines)


@dataclass(frozen=True)
class NextTrackEvaluation:
    """An evaluation whose input was inspected. runs: one for each cutoff, in order. report_users: None: all."""

    options: EvaluateOptions
    command: str
    runs: Sequence[RunPlan]
    report_users: InputTable | None
    console: PlainConsole
    beam_options: PipelineOptions

    def evaluate(self) -> int:
        """Tune, measure at every cutoff, print the tables and write the report."""
        systems, tuning_cutoff = self._tune(self.runs[0])
        results = [self._measure(self._cutoff(run, systems)) for run in self.runs]
        report = make_next_track_report(NextTrackRun(self.options, self.command, tuning_cutoff, systems, results))
        write_next_track_report(report, self.options.output)
        self.console.print(f"{next_track_headline(report)}\n", highlight=False)
        print_tables(self.console, next_track_tables(report)[:-1])
        return 0

    def _cutoff(self, run: RunPlan, systems: NextTrackSystems) -> NextTrackCutoff:
        starts_at = run.as_of + timedelta(minutes=self.options.gap_minutes)
        options = self.options
        training = SequenceTraining(options.num_sequence_epochs, options.sequence_size, options.accelerator)
        window = EvaluationWindow(run.as_of, starts_at, starts_at + timedelta(days=self.options.horizon_days))
        return NextTrackCutoff(
            run, window, _END_OF_TIME, systems, options.max_users, options.num_replicates, training, self.report_users
        )

    def _tune(self, first: RunPlan) -> tuple[NextTrackSystems, str]:
        """Tune on a cutoff whose horizon ends at the first one; without plays there, nothing is tuned."""
        baselines = choose_next_track_baselines(self.options.baselines)
        length = timedelta(minutes=self.options.gap_minutes, days=self.options.horizon_days)
        folder = f"{self.options.output.rstrip('/')}/tuning"
        run = replace(first, as_of=first.as_of - length, folder=folder)
        grid = grid_of_systems(baselines, self.options.sequence_model)
        # plays that became known after the first cutoff must not choose
        cutoff = replace(self._cutoff(run, grid), known_before=first.as_of, num_replicates=1)
        found = self._measure(cutoff)
        if not (found.counts["cases"] and found.counts["events"]):
            return untuned_systems(baselines, self.options.sequence_model), ""
        return tuned_systems(NextTrackValues(found.sums), _read_ranks(folder), grid), found.cutoff

    def _measure(self, cutoff: NextTrackCutoff) -> NextTrackResult:
        """Run the graph of one cutoff and read the files that it wrote."""
        self.console.print(f"{cutoff.run.as_of:%Y-%m-%d %H:%M}", style="bold", highlight=False)
        pipeline = beam.Pipeline(options=self.beam_options)
        build_next_track(pipeline, cutoff)
        run_to_end(pipeline)
        remove_folder(cutoff.fitted_folder)
        summary, sums = (read_bytes(f"{cutoff.run.folder}/{name}") for name in (SUMMARY_FILE, SUMS_FILE))
        about = json.loads(summary)
        return NextTrackResult(about["cutoff"], about["counts"], about["checkpoint"], pl.read_parquet(sums))


def _read_ranks(folder: str) -> pl.DataFrame:
    """Read the ranks that were written below a folder."""
    files = sorted(file.path for file in list_files(f"{folder}/{NEXT_TRACK_RANKS.name}"))
    return pl.concat(pl.read_parquet(read_bytes(path)) for path in files)
