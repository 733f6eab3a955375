"""Commands as functions: the same flags as keyword arguments, and what they made as the result.

What runs a command is imported when it is called: plugins are loaded before the tuples that they add to.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli import ParsedCommand, parse_command
from pipelines.configuration.use_plugins import use_plugins
from pipelines.diagnostics import diagnosed, log_traceback
from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import RunOptions, UsageError
from pipelines.options.setup_options import run_options
from transforms.tables.failures import RunFailedError, find_failure

if TYPE_CHECKING:
    import apache_beam as beam

    from homeshelf.runs import Run


def sample(output: "str | PathLike[str]", **flags: Any) -> Path:
    """Write the sample world and return its folder, with tables `events`, `tracks`, `users` and more.

    Args:
        output: the folder to write.
        flags: flags of `homeshelf sample`, such as num_users, num_tracks, num_days, seed.

    Raises:
        HomeshelfError: a flag is wrong.
    """
    from pipelines.sample_world.command import world_spec
    from pipelines.sample_world.world import write_sample_world

    with _parsed("sample", None, {"output": output, **flags}) as parsed:
        write_sample_world(Path(output), world_spec(parsed.options))
    return Path(output)


def run(config: "str | PathLike[str] | None" = None, **flags: Any) -> "Run":
    """Turn events into pages, as `homeshelf run` does, with progress on standard error.

    Args:
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf run`, which go before those of the file, and flags of Beam.

    Raises:
        HomeshelfError: a flag or the input is wrong, or the run failed; nothing was published.
    """
    with _parsed("run", config, flags) as parsed:
        import apache_beam as beam

        from homeshelf.runs import open_run
        from pipelines.home_shelves import build_home
        from pipelines.launch.launch import carry_out
        from pipelines.options.beam_flags import parse_beam
        from pipelines.rendering.console import error_console

        pipeline = beam.Pipeline(options=parse_beam(parsed.beam_flags))
        folder = build_home(pipeline, _run_options(parsed))
        carry_out(error_console(), pipeline, folder)
        return open_run(folder)


def build(pipeline: "beam.Pipeline", config: "str | PathLike[str] | None" = None, **flags: Any) -> str:
    """Build the graph of a run on a pipeline of your own, and return the folder to open when it has run.

    Args:
        pipeline: a pipeline of any runner, with or without other transforms; flags of Beam are its own. Plugins travel
            to its workers with its options.
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf run`.

    Raises:
        HomeshelfError: a flag or the input is wrong.
    """
    with _parsed("run", config, flags) as parsed:
        from pipelines.home_shelves import build_home
        from pipelines.options.beam_flags import send_plugins

        send_plugins(pipeline.options)
        return build_home(pipeline, _run_options(parsed))


def evaluate(config: "str | PathLike[str] | None" = None, **flags: Any) -> dict[str, Any]:
    """Evaluate as `homeshelf evaluate` does, and return its figures: report.json of its output folder.

    Args:
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf evaluate`.

    Raises:
        HomeshelfError: a flag or the input is wrong, or the evaluation failed.
    """
    with _parsed("evaluate", config, flags) as parsed:
        from pipelines.evaluation.command import run_evaluation

        if parsed.options.export:
            raise UsageError("--export makes no figures: homeshelf evaluate --export")
        run_evaluation(parsed.options, parsed.beam_flags)
        report: dict[str, Any] = json.loads(Path(parsed.options.output, "report.json").read_text(encoding="utf-8"))
        return report


@contextmanager
def _parsed(command: str, config: "str | PathLike[str] | None", flags: dict[str, Any]) -> Iterator[ParsedCommand]:
    """Parse the flags of a command and do what those of all commands say while the block carries it out."""
    given = [f"--{name.rstrip('_')}={flag_text(value)}" for name, value in flags.items()]
    parsed = parse_command([command, *([f"--config={config}"] if config else []), *given])
    if parsed is None or parsed.common.print_config:
        raise UsageError(f"--help and --print_config are of the command line: homeshelf {command} --help")
    with diagnosed(parsed.common):
        use_plugins(parsed.common.plugins)
        try:
            yield parsed
        except Exception as error:
            log_traceback(error)
            found = find_failure(error)
            if found is None or isinstance(error, UsageError):
                raise
            raise RunFailedError(found.message) from error


def _run_options(parsed: ParsedCommand) -> RunOptions:
    if parsed.options.dry_run:
        raise UsageError("--dry_run is of the command line: homeshelf run --dry_run")
    return run_options(parsed.options)
