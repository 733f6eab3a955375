"""Artifacts and pages that a run reuses from earlier ones: a ranker, embeddings, shelves that keep their tracks."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.run_folders import RunFolder, list_run_folders
from pipelines.options.options import UsageError
from transforms.pages.shelves.shelves import SHELVES
from transforms.publishing.manifest import read_manifest
from transforms.publishing.run_paths import MANIFEST, DamagedFileError, resolve_path
from transforms.publishing.stated_files import find_artifact_changes
from transforms.tables.artifacts import is_remote

# What readers of an artifact raise on a file that is not what they expect.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, pl.exceptions.PolarsError, DamagedFileError, UsageError)


def find_artifact(flag: str, given: str, day: str, check: Callable[[str], None]) -> str:
    """Return the absolute path of the artifact that a flag names; "" for an empty flag.

    given: the folder of the artifact, of a run, or an output folder, of which the newest run up to `day` is used.

    Raises:
        UsageError: there is no such artifact, it is outside the output folder that refers to it, or `check` fails.
    """
    if not given:
        return ""
    path = given.rstrip("/") if is_remote(given) else str(Path(given).absolute())
    try:
        path = _reused_path(flag, path, day)
        check(path)
    except _UNREADABLE as error:
        raise UsageError(f"--{flag}={given}: {error}") from error
    return path


def find_carry_over_runs(given: str, day: str) -> list[RunFolder]:
    """Return the runs whose shelves are carried over to a day: current runs of earlier days of the shelves' period."""
    if not given:
        return []
    path = given if is_remote(given) else str(Path(given).absolute())
    periods = [shelf.refresh for shelf in SHELVES if shelf.refresh]
    earlier = [run for run in list_run_folders(path).current if run.day < day]
    days = [(run, date.fromisoformat(run.day), date.fromisoformat(day)) for run in earlier]
    return [run for run, then, now in days if any(period.key(then) == period.key(now) for period in periods)]


def _reused_path(name: str, path: str, day: str) -> str:
    """Return the path of an artifact, whose files are those that its manifest states, where there is one."""
    if FileSystems.exists(f"{path}/{MANIFEST}"):
        return _artifact_of(path, name)
    if FileSystems.exists(f"{path.rsplit('/', 2)[0]}/{MANIFEST}"):
        # the folder of an artifact itself: RUN/models/ID
        _check_artifact(path)
        return path
    runs = list_run_folders(path).runs
    if not runs:
        return path
    reusable = [run for run in runs if _is_reusable(run, name) and run.day <= day]
    if not reusable:
        raise UsageError(f"no published run there up to {day} has a {name}")
    return _artifact_of(reusable[-1].path, name)


def _artifact_of(run_folder: str, name: str) -> str:
    output = run_folder.rsplit("/", 2)[0]
    manifest = read_manifest(output, run_folder)
    if name not in manifest.artifacts:
        raise UsageError(f"that run has no {name}")
    path = resolve_path(manifest.artifacts[name], output, run_folder)
    _raise_first(find_artifact_changes(path, manifest.artifact_files.get(name, ())))
    return path


def _check_artifact(path: str) -> None:
    """Compare an artifact with the manifest of the run that wrote it."""
    run_folder, folder, name = path.rsplit("/", 2)
    manifest = read_manifest(run_folder.rsplit("/", 2)[0], run_folder)
    for known, artifact in manifest.artifacts.items():
        if artifact == f"{folder}/{name}":
            _raise_first(find_artifact_changes(path, manifest.artifact_files.get(known, ())))


def _raise_first(changes: Iterator[str]) -> None:
    for change in changes:
        raise UsageError(change)


def _is_reusable(run: RunFolder, name: str) -> bool:
    """Return whether a run has the artifact, and is current or a training run that passed its gate."""
    return run.manifest is not None and name in run.manifest.artifacts and run.state in ("current", "trained")
