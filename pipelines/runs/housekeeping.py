"""homeshelf runs | rollback: list the published runs, point to an earlier one."""

import json
import posixpath
from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.beam_flags import parse_beam
from pipelines.options.housekeeping_options import RollbackOptions, RunsOptions
from pipelines.options.options import AnyOptions, UsageError, parse_flags
from transforms.publishing.run_paths import POINTER
from transforms.tables.files import remove_files, write_atomically

_COLUMNS = ("day", "run", "state", "events", "pages", "seconds", "homeshelf", "ranker")


def list_runs(argv: Sequence[str]) -> int:
    """Print all runs, oldest first; return 1 if the pointer of a day names a run that is not there."""
    options = parse_with_beam(RunsOptions, argv)
    found = list_run_folders(options.output)
    rows = [_row(run) for run in found.runs]
    if options.json:
        for row in rows:
            print(json.dumps(dict(zip(_COLUMNS, row, strict=True))))
    elif not rows:
        print(f"no run below {options.output}: runs lie in its folders ds=YYYY-MM-DD")
    else:
        texts = [_COLUMNS, *(tuple(_text(cell) for cell in row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        print("\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in texts))
    for day in found.dangling:
        print(f"{day}/{POINTER} names a run that is not there")
    return 1 if found.dangling else 0


def _row(run: RunFolder) -> tuple[object, ...]:
    """Return the row of a run, one value per column; None where an unpublished run has none."""
    manifest = run.manifest
    if manifest is None:
        return run.day, run.name, run.state, None, None, None, None, None
    pages = manifest.tables["pages"].rows if "pages" in manifest.tables else None
    ranker = run.artifact("ranker") if "ranker" in manifest.artifacts else None
    return run.day, run.name, run.state, manifest.events.kept, pages, run.seconds, manifest.homeshelf, ranker


def _text(cell: object) -> str:
    return "-" if cell is None else f"{cell:,.0f}" if isinstance(cell, int | float) else str(cell)


def rollback_run(argv: Sequence[str]) -> int:
    """Point to an earlier run; if the day has none, remove its pointer, so that the day before is the newest."""
    options = parse_with_beam(RollbackOptions, argv)
    found = list_run_folders(options.output)
    now = found.newest if not options.day else _current(found, options.day)
    of_day = [run for run in found.runs if run.day == now.day and run.manifest is not None]
    pointer = posixpath.join(posixpath.dirname(now.path), POINTER)
    if options.run:
        chosen = [run for run in of_day if run.name == f"run={options.run}"]
        if not chosen:
            raise UsageError(f"--run={options.run}: no published run of that name on {now.day}")
    else:
        chosen = [run for run in of_day if run.state == "whole" and run.order < now.order]
    if chosen:
        write_atomically(pointer, f"{chosen[-1].name}\n".encode())
        print(f"{pointer}: {chosen[-1].name}, no longer {now.name}")
        return 0
    remove_files([pointer])
    newest = _newest(options.output)
    print(f"{pointer}: withdrawn, for {now.name} is the first run of {now.day}; newest is now {newest}")
    return 0


def _current(found: RunListing, day: str) -> RunFolder:
    for run in found.runs:
        if run.day == day and run.is_current:
            return run
    raise UsageError(f"--day={day}: no run is pointed to on that day")


def _newest(output: str) -> str:
    current = [run.path for run in list_run_folders(output).runs if run.is_current]
    return current[-1] if current else "none"


def parse_with_beam(kind: type[AnyOptions], argv: Sequence[str]) -> AnyOptions:
    """Read a command's flags, and give Beam's file systems theirs (UsageError: a flag is wrong)."""
    options, rest = parse_flags(kind, argv)
    FileSystems.set_options(parse_beam(rest))
    return options
