"""Commands as functions: the same flags as keyword arguments, and what they made as the result."""

import json
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import apache_beam as beam

from homeshelf.runs import Run, open_run
from pipelines.cli import ParsedCommand, parse_command
from pipelines.home_shelves import build_home
from pipelines.launch.launch import carry_out
from pipelines.options.beam_flags import parse_beam
from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import RunOptions, UsageError
from pipelines.rendering.console import error_console
from pipelines.sample_world.command import world_spec
from pipelines.sample_world.world import write_sample_world
from transforms.tables.failures import RunFailedError, find_failure


def sample(output: "str | PathLike[str]", **flags: Any) -> Path:
    """Write the sample world and return its folder, with tables `events`, `tracks`, `users` and more.

    Args:
        output: the folder to write.
        flags: flags of `homeshelf sample`, such as num_users, num_tracks, num_days, seed.

    Raises:
        HomeshelfError: a flag is wrong.
    """
    write_sample_world(Path(output), world_spec(_parse("sample", None, {"output": output, **flags}).options))
    return Path(output)


def run(config: "str | PathLike[str] | None" = None, **flags: Any) -> Run:
    """Turn events into pages, as `homeshelf run` does, with progress on standard error.

    Args:
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf run`, which go before those of the file, and flags of Beam.

    Raises:
        HomeshelfError: a flag or the input is wrong, or the run failed; nothing was published.
    """
    parsed = _parse("run", config, flags)
    pipeline = beam.Pipeline(options=parse_beam(parsed.beam_flags))
    folder = build_home(pipeline, _run_options(parsed))
    try:
        carry_out(error_console(), pipeline, folder)
    except Exception as error:
        found = find_failure(error)
        if found is None or isinstance(error, UsageError):
            raise
        raise RunFailedError(found.message) from error
    return open_run(folder)


def build(pipeline: beam.Pipeline, config: "str | PathLike[str] | None" = None, **flags: Any) -> str:
    """Build the graph of a run on a pipeline of your own, and return the folder to open when it has run.

    Args:
        pipeline: a pipeline of any runner, with or without other transforms.
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf run`.

    Raises:
        HomeshelfError: a flag or the input is wrong.
    """
    return build_home(pipeline, _run_options(_parse("run", config, flags)))


def evaluate(config: "str | PathLike[str] | None" = None, **flags: Any) -> dict[str, Any]:
    """Evaluate as `homeshelf evaluate` does, and return its figures: report.json of its output folder.

    Args:
        config: a file of flags, as --config takes it.
        flags: flags of `homeshelf evaluate`.

    Raises:
        HomeshelfError: a flag or the input is wrong, or the evaluation failed.
    """
    from pipelines.evaluation.command import run_evaluation

    parsed = _parse("evaluate", config, flags)
    run_evaluation(parsed.options, parsed.beam_flags)
    report: dict[str, Any] = json.loads(Path(parsed.options.output, "report.json").read_text(encoding="utf-8"))
    return report


def _parse(command: str, config: "str | PathLike[str] | None", flags: dict[str, Any]) -> ParsedCommand:
    given = [f"--{name.rstrip('_')}={flag_text(value)}" for name, value in flags.items()]
    parsed = parse_command([command, *([f"--config={config}"] if config else []), *given])
    if parsed is None:
        raise UsageError("help is a matter of the command line: homeshelf run --help")
    return parsed


def _run_options(parsed: ParsedCommand) -> RunOptions:
    return RunOptions(**{one.name: getattr(parsed.options, one.name) for one in fields(RunOptions)})
