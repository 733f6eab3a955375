"""homeshelf runs | rollback | prune: see what was published, point to an earlier run, delete what is old."""

import json
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.beam_flags import parse_beam
from pipelines.options.clock import hours_ago
from pipelines.options.housekeeping_options import PruneOptions, RollbackOptions, RunsOptions
from pipelines.options.options import AnyOptions, UsageError, parse_flags
from transforms.publishing.manifest import Manifest
from transforms.publishing.run_paths import MANIFEST, POINTER
from transforms.tables.artifacts import is_remote
from transforms.tables.files import remove_files, remove_folder, write_atomically

_COLUMNS = ("day", "run", "state", "events", "pages", "seconds", "homeshelf", "ranker")


def list_runs(argv: Sequence[str]) -> int:
    """Print all runs, oldest first; returns 1 where a pointer names a run that is not there."""
    options = parse_with_beam(RunsOptions, argv)
    found = list_run_folders(options.output)
    rows = [_row(run) for run in found.runs]
    if options.json:
        print("\n".join(json.dumps(dict(zip(_COLUMNS, row, strict=True))) for row in rows))
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
    """Point to an earlier run; where the day has none, withdraw the day's pointer, so that the day before is newest."""
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
    print(
        f"{pointer}: withdrawn, for {now.name} is the first run of {now.day}; newest is now {_newest(options.output)}"
    )
    return 0


def _current(found: RunListing, day: str) -> RunFolder:
    for run in found.runs:
        if run.day == day and run.is_current:
            return run
    raise UsageError(f"--day={day}: no run is pointed to on that day")


def _newest(output: str) -> str:
    current = [run.path for run in list_run_folders(output).runs if run.is_current]
    return current[-1] if current else "none"


def prune_runs(argv: Sequence[str]) -> int:
    """Delete runs beyond the newest, and what dead attempts left; prints what it deletes."""
    options = parse_with_beam(PruneOptions, argv)
    found = list_run_folders(options.output)
    kept, before = runs_to_keep(found, options.keep), hours_ago(options.grace_hours)
    expired = [
        *((run, f"{run.state}, older than the newest {options.keep}") for run in found.runs if _is_old(run, kept)),
        *(
            (run, f"unfinished, untouched for {options.grace_hours:g} hours")
            for run in found.runs
            if _is_dead(run, before)
        ),
    ]
    orphaned = [path for run in kept for path in orphaned_files(run, before)]
    orphaned += [file.path for file in found.drafts if file.modified < before]
    lines = [*(f"{run.path}: {why}" for run, why in expired), *(f"{path}: named by nothing" for path in orphaned)]
    print("\n".join(lines) or "nothing to delete")
    if not options.dry_run:
        for run, _ in expired:
            delete_run(run)
        remove_files(orphaned)
    return 0


def _is_old(run: RunFolder, kept: Sequence[RunFolder]) -> bool:
    return run.manifest is not None and run not in kept


def _is_dead(run: RunFolder, before: float) -> bool:
    return run.manifest is None and run.last_written < before


def runs_to_keep(found: RunListing, keep: int) -> list[RunFolder]:
    """The newest `keep` published runs, what their days' pointers name, and the runs whose artifacts these use."""
    whole = [run for run in found.runs if run.manifest is not None]
    current = [run for run in whole if run.is_current]
    newest = whole[-keep:]
    days = {run.day for run in newest}
    kept = [*newest, *(run for run in current if run.day in days), *current[-1:]]
    used = {
        run.artifact(name)
        for run in kept
        for name, path in (run.manifest or Manifest()).artifacts.items()
        if _is_below_output(run, path)
    }
    referenced = [run for run in whole if any(path.startswith(f"{run.path}/") for path in used)]
    return [run for run in whole if run in kept or run in referenced]


def _is_below_output(run: RunFolder, path: str) -> bool:
    """Return whether an artifact lies below the output; a ranker from elsewhere is neither kept nor deleted."""
    return not (is_remote(path) or path.startswith("/")) or path.startswith(f"{run.output}/")


def orphaned_files(run: RunFolder, before: float) -> Iterator[str]:
    """Files of a published run that its manifest does not name: of attempts that died, of moments before its own."""
    named = run.named
    for file in run.files:
        folders = posixpath.normpath(file.path).split("/")
        above = {"/".join(folders[:depth]) for depth in range(1, len(folders) + 1)}
        if file.modified < before and not above & named:
            yield file.path


def delete_run(run: RunFolder) -> None:
    """Pointer, manifest, then the rest: a prune that dies leaves an unfinished run, never half of a whole one."""
    day = posixpath.dirname(run.path)
    if run.is_current:
        remove_files([f"{day}/{POINTER}"])
    remove_files([f"{run.path}/{MANIFEST}"])
    remove_folder(run.path)
    if not is_remote(day) and not any(Path(day).iterdir()):
        Path(day).rmdir()


def parse_with_beam(kind: type[AnyOptions], argv: Sequence[str]) -> AnyOptions:
    """Read a command's flags; what Beam knows of object stores counts from here on (UsageError: a flag is wrong)."""
    options, rest = parse_flags(kind, argv)
    FileSystems.set_options(parse_beam(rest))
    return options
