"""Artifacts and pages that a run reuses from earlier ones: a ranker, embeddings, shelves that keep their tracks."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.run_folders import RunFolder, list_run_folders
from pipelines.options.options import UsageError
from transforms.pages.shelves.shelves import SHELVES
from transforms.publishing.manifest import read_manifest
from transforms.publishing.run_paths import MANIFEST, UnsafePathError, resolve_path
from transforms.tables.artifacts import is_remote


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
    except (OSError, ValueError, UnsafePathError, UsageError) as error:
        raise UsageError(f"--{flag}={given}: {error}") from error
    return path


def find_carry_over_runs(given: str, day: str) -> list[RunFolder]:
    """Return the runs whose shelves are carried over to a day: current runs of earlier days of the shelves' period."""
    if not given:
        return []
    path = given if is_remote(given) else str(Path(given).absolute())
    periods = [shelf.refresh for shelf in SHELVES if shelf.refresh]
    earlier = [run for run in list_run_folders(path).runs if run.is_current and run.day < day]
    days = [(run, date.fromisoformat(run.day), date.fromisoformat(day)) for run in earlier]
    return [run for run, then, now in days if any(period.key(then) == period.key(now) for period in periods)]


def _reused_path(name: str, path: str, day: str) -> str:
    if FileSystems.exists(f"{path}/{MANIFEST}"):
        output = path.rsplit("/", 2)[0]
        artifacts = read_manifest(output, path).artifacts
        if name not in artifacts:
            raise UsageError(f"that run has no {name}")
        return resolve_path(artifacts[name], output, path)
    runs = list_run_folders(path).runs
    if not runs:
        return path
    reusable = [run for run in runs if _is_reusable(run, name) and run.day <= day]
    if not reusable:
        raise UsageError(f"no published run there up to {day} has a {name}")
    return reusable[-1].artifact(name)


def _is_reusable(run: RunFolder, name: str) -> bool:
    """Return whether a run has the artifact, and is current or a training run that passed its gate."""
    return run.manifest is not None and name in run.manifest.artifacts and (run.is_current or run.state == "trained")
