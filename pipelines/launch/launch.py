"""homeshelf run: check the flags and the input, run the graph, show the results."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions

from pipelines.diagnostics import is_verbose, log_traceback
from pipelines.home_shelves import build_home, plan_home
from pipelines.inputs.announcements import beating
from pipelines.launch.dry_run import print_plan
from pipelines.launch.graph_stages import earlier_seconds, find_stages
from pipelines.launch.progress import progress_display
from pipelines.launch.stage_lines import StageLine, collect_stage_lines, to_json_lines
from pipelines.launch.summary import print_summary
from pipelines.launch.workers import watch_workers
from pipelines.options.beam_flags import is_awaited, parse_beam
from pipelines.options.options import UsageError
from pipelines.options.setup_options import LaunchOptions, run_options
from pipelines.rendering.console import PlainConsole, error_console
from pipelines.rendering.output import abandon_output, say_error
from transforms.publishing.run_paths import STAGES_FILE
from transforms.tables.failures import last_error_line
from transforms.tables.files import write_atomically


def run_home_shelves(launch: LaunchOptions, beam_flags: Sequence[str]) -> int:
    """Check the flags and the input, run the graph, and show the results unless the runner is not waited for.

    Raises:
        UsageError: nothing was started.
        RunFailedError: or, from a worker, an error with the text of one (see find_failure()).
    """
    options = run_options(launch)
    beam_options = parse_beam(beam_flags)
    if beam_options.view_as(GoogleCloudOptions).template_location and options.as_of is None:
        raise UsageError("a template is launched again on other days: give --as_of")
    # made first: its flags of the object stores count from the first look at the input
    pipeline = beam.Pipeline(options=beam_options)
    console = error_console()
    if launch.dry_run:
        print_plan(console, pipeline, plan_home(options))
        return 0
    folder = build_home(pipeline, options)
    if not is_awaited(beam_options):
        pipeline.run()
        return 0
    lines = carry_out(console, pipeline, folder)
    try:
        if not sys.stdout.isatty():
            print(to_json_lines(lines), end="")
        print_summary(console, folder, is_whole=is_verbose())
        sys.stdout.flush()
    except Exception as error:
        # the run is published: that its summary cannot be shown does not make it a failure
        log_traceback(error)
        if isinstance(error, OSError):
            abandon_output()
        say_error(f"the run in {folder} is complete, but its summary could not be shown: {last_error_line(error)}")
    return 0


def carry_out(console: PlainConsole, pipeline: beam.Pipeline, folder: str) -> list[StageLine]:
    """Run the graph of the run in `folder` to its end, with its progress on the console.

    The figures of the stages are returned, and written beside the manifest.
    """
    stages, started, cpu_before = find_stages(pipeline), time.monotonic(), sum(os.times()[:4])
    shown = progress_display(console, stages, earlier_seconds(folder.rsplit("/", 2)[0], stages))
    with beating(folder) as say_ended, shown, watch_workers(say_ended):
        result = pipeline.run()
        result.wait_until_finish()
    lines = collect_stage_lines(result, time.monotonic() - started, sum(os.times()[:4]) - cpu_before)
    with suppress(OSError):
        # the run is published: that a report will lack these lines does not make it a failure
        write_atomically(f"{folder}/{STAGES_FILE}", to_json_lines(lines).encode())
    return lines
