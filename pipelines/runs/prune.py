"""homeshelf prune: delete old runs, and files of published runs that their manifests do not name."""

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.inputs.announcements import borrowed_paths, is_at_work
from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.beam_flags import use_object_stores
from pipelines.options.clock import hours_ago
from pipelines.options.housekeeping_options import PruneOptions
from pipelines.rendering.plain_text import printable
from transforms.publishing.manifest import Manifest
from transforms.publishing.run_paths import (
    MANIFEST,
    POINTER,
    DamagedFileError,
    UnsafePathError,
    parse_pointer,
    resolve_path,
)
from transforms.tables.artifacts import is_remote
from transforms.tables.files import read_bytes, remove_files, remove_folder


def prune_runs(options: PruneOptions, beam_flags: Sequence[str]) -> int:
    """Delete runs beyond the newest, and files that dead attempts left; print what is deleted.

    Damaged runs stay, and so do all runs of a day whose pointer cannot be read: what is needed of them is not known.
    """
    use_object_stores(beam_flags)
    found = list_run_folders(options.output)
    before = hours_ago(options.grace_hours)
    kept = runs_to_keep(found, options.keep, before)
    expired = [
        *((run, f"{run.state}, older than the newest {options.keep}") for run in found.runs if _is_old(run, kept)),
        *(
            (run, f"unfinished, untouched for {options.grace_hours:g} hours")
            for run in found.runs
            if _is_dead(run, before)
        ),
    ]
    orphaned = [path for run in kept if not run.damage for path in orphaned_files(run, before)]
    orphaned += [file.path for file in found.drafts if file.modified < before]
    lines = [*(f"{run.path}: {why}" for run, why in expired), *(f"{path}: named by nothing" for path in orphaned)]
    lines += [f"kept: {problem}" for problem in found.problems]
    print("\n".join(map(printable, lines)) or "nothing to delete")
    if not options.dry_run:
        # a run may have been announced since, or a pointer moved
        needed = runs_to_keep(list_run_folders(options.output), options.keep, before)
        paths = {run.path for run in needed}
        for run, _ in expired:
            if run.path not in paths:
                delete_run(run)
        remove_files(orphaned)
    return 0


def _is_old(run: RunFolder, kept: Sequence[RunFolder]) -> bool:
    return run.manifest is not None and run not in kept


def _is_dead(run: RunFolder, before: float) -> bool:
    return run.state == "unfinished" and run.last_written < before and not is_at_work(run, before)


def runs_to_keep(found: RunListing, keep: int, before: float) -> list[RunFolder]:
    """Return the newest `keep` published runs, those that pointers name, damaged ones, and the runs that they use.

    Damaged runs do not count as the newest. What runs at work use is kept, too; before: see is_at_work().
    """
    whole = [run for run in found.runs if run.manifest is not None and not run.damage]
    newest = whole[-keep:]
    days = {run.day for run in newest}
    unclear = {day for day, name in found.pointers.items() if not name}
    kept = [
        run
        for run in found.runs
        if run in newest or run.damage or run.day in unclear or (run.is_current and run.day in days)
    ]
    kept += found.current[-1:]
    used = {
        run.artifact(name)
        for run in kept
        for name, path in (run.manifest or Manifest()).artifacts.items()
        if _is_below_output(run, path)
    }
    used |= {path for run in found.runs for path in borrowed_paths(run, before)}
    published = [run for run in found.runs if run.manifest is not None]
    whole_paths = {_whole_path(path) for path in used}
    referenced = [run for run in published if any(path.startswith(f"{_whole_path(run.path)}/") for path in whole_paths)]
    return [run for run in published if run in kept or run in referenced]


def _whole_path(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())


def _is_below_output(run: RunFolder, path: str) -> bool:
    """Return whether an artifact lies below the output; a ranker from elsewhere is neither kept nor deleted."""
    try:
        return bool(resolve_path(path, run.output, run.path))
    except UnsafePathError:
        return False


def orphaned_files(run: RunFolder, before: float) -> Iterator[str]:
    """Yield the files of a published run that its manifest does not name: of dead attempts, of earlier moments."""
    named = run.named
    for file in run.files:
        folders = posixpath.normpath(file.path).split("/")
        above = {"/".join(folders[:depth]) for depth in range(1, len(folders) + 1)}
        if file.modified < before and not above & named:
            yield file.path


def delete_run(run: RunFolder) -> None:
    """Delete the pointer, the manifest, then the rest, so that a prune that dies leaves an unfinished run.

    A run that its day's pointer names by now, as after a rollback, stays; another prune may delete the same run.
    """
    day = posixpath.dirname(run.path)
    is_pointed = _pointed(day) == run.name
    if is_pointed and not run.is_current:
        return
    if is_pointed:
        remove_files([f"{day}/{POINTER}"])
    remove_files([f"{run.path}/{MANIFEST}"])
    remove_folder(run.path)
    if not is_remote(day):
        # a day that has other files stays
        with contextlib.suppress(OSError):
            Path(day).rmdir()


def _pointed(day: str) -> str:
    """Return the run that the pointer of a day names now; empty: none."""
    try:
        return parse_pointer(read_bytes(f"{day}/{POINTER}"), day)
    except (OSError, DamagedFileError):
        return ""
