"""homeshelf run: check the input, start the graph, show what came out."""

import re
import sys
import time
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions
from rich.console import Console

from pipelines.home_shelves import build_home_shelves
from pipelines.inputs.preparation import build_gate_settings, draft_manifest, parse_limits, prepare_run
from pipelines.launch.progress import progress_display
from pipelines.launch.stage_lines import collect_stage_lines, to_json_lines
from pipelines.launch.summary import print_summary
from pipelines.launch.workers import watch_workers
from pipelines.options.beam_flags import is_awaited, parse_beam
from pipelines.options.options import RunOptions, UsageError, parse_flags
from transforms.publishing.run_paths import STAGES_FILE
from transforms.tables.files import write_atomically

# What a run may fail with without anything being wrong with the program, and the exit status.
FAILURES = {
    r"TooManyRejectedError: (.+?)": 1,
    r"GateFailedError: (.+?)": 3,
    r"StageError: read_tables, bucket \d+: OSError: (.+?)": 1,
    # whoever writes says so in words of their own
    r"StageError: (.+?(?:No space left|File too large|[Qq]uota exceeded|as on a full disk).*?)": 1,
    r"WorkerDiedError: (.+?)": 1,
}


def run_home_shelves(argv: Sequence[str]) -> int:
    """Check everything, run the graph, and show what came out where its end is waited for.

    Returns 1 where too many events were rejected, a file breaks off, the disk is full or a worker process died: nothing
    is published then; 3 where the gate kept the pointer from the run (UsageError: nothing was started).
    """
    options, rest = parse_flags(RunOptions, argv)
    beam_options = parse_beam(rest)
    if beam_options.view_as(GoogleCloudOptions).template_location and options.as_of is None:
        raise UsageError("a template is launched again on other days: give --as_of")
    # flags of the object stores count from the first look at the input
    FileSystems.set_options(beam_options)
    limits = parse_limits(options.limits)
    prepared = prepare_run(options)
    gate = build_gate_settings(options, prepared.as_of, limits)
    console = Console()
    pipeline = beam.Pipeline(options=beam_options)
    build_home_shelves(pipeline, prepared, draft_manifest(prepared), gate)
    started = time.monotonic()
    with progress_display(console):
        try:
            with watch_workers():
                result = pipeline.run()
                if not is_awaited(beam_options):
                    return 0
                result.wait_until_finish()
        except Exception as error:
            for pattern, status in FAILURES.items():
                if reason := reason_of(error, pattern):
                    print(f"homeshelf: failed: {reason}", file=sys.stderr)
                    return status
            raise
    lines = to_json_lines(collect_stage_lines(result, time.monotonic() - started))
    write_atomically(f"{prepared.folder}/{STAGES_FILE}", lines.encode())
    if not console.is_terminal:
        print(lines, end="")
    print_summary(console, prepared.folder)
    return 0


def reason_of(error: Exception, pattern: str) -> str:
    """What the pattern finds in the text of this error or of those behind it; empty: nothing."""
    # a worker process hands its error over as text
    found = re.search(rf"{pattern}(?: \[while running|\n|$)", _chain(error))
    return found[1] if found else ""


def _chain(error: BaseException | None) -> str:
    """The text of an error and of those behind it."""
    return "" if error is None else f"{type(error).__name__}: {error}\n{_chain(error.__cause__ or error.__context__)}"
