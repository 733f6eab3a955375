"""homeshelf loop: serve a sample world with the pages of runs, day by day, and report."""

import shlex
from pathlib import Path

from rich.progress import Progress

from pipelines.inputs.preparation import check_writable, parse_limits
from pipelines.loop.arms import read_arms
from pipelines.loop.daily_runs import warm_processes
from pipelines.loop.loop import run_loop
from pipelines.loop.report_data import make_loop_report
from pipelines.loop.report_page import print_loop_report, write_loop_report
from pipelines.options.loop_options import LoopOptions
from pipelines.options.options import UsageError
from pipelines.options.parsing import as_flags
from pipelines.rendering.console import wide_console


def run_served_days(options: LoopOptions) -> int:
    """Run the loop, write the report and print it.

    Raises:
        UsageError: nothing was started.
        RunFailedError: a run failed, and not by its gate.
    """
    arms = read_arms(options)
    parse_limits(options.limits)
    check_writable(options.output)
    if any((Path(options.output) / name).exists() for name in ("worlds", "arms")):
        raise UsageError(f"--output={options.output}: there is a loop already")
    console = wide_console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("days", total=options.num_days)
        with warm_processes(options.max_processes, sum(arm.flags is not None for arm in arms)) as runner:
            log = run_loop(options, arms, runner, lambda day: progress.update(task, completed=day))
    report = make_loop_report(options, log, f"homeshelf loop {shlex.join(as_flags(options))}")
    write_loop_report(report, options.output)
    print_loop_report(console, report, options.output)
    return 0
