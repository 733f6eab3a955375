"""homeshelf prune: delete old runs, and files of published runs that their manifests do not name."""

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.clock import hours_ago
from pipelines.options.housekeeping_options import PruneOptions
from pipelines.runs.housekeeping import parse_with_beam
from transforms.publishing.manifest import Manifest
from transforms.publishing.run_paths import MANIFEST, POINTER
from transforms.tables.artifacts import is_remote
from transforms.tables.files import remove_files, remove_folder


def prune_runs(argv: Sequence[str]) -> int:
    """Delete runs beyond the newest, and files that dead attempts left; print what is deleted."""
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
    """Return the newest `keep` published runs, those that pointers name, and the runs whose artifacts they use."""
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
    """Yield the files of a published run that its manifest does not name: of dead attempts, of earlier moments."""
    named = run.named
    for file in run.files:
        folders = posixpath.normpath(file.path).split("/")
        above = {"/".join(folders[:depth]) for depth in range(1, len(folders) + 1)}
        if file.modified < before and not above & named:
            yield file.path


def delete_run(run: RunFolder) -> None:
    """Delete the pointer, the manifest, then the rest, so that a prune that dies leaves an unfinished run."""
    day = posixpath.dirname(run.path)
    if run.is_current:
        remove_files([f"{day}/{POINTER}"])
    remove_files([f"{run.path}/{MANIFEST}"])
    remove_folder(run.path)
    if not is_remote(day) and not any(Path(day).iterdir()):
        Path(day).rmdir()
