"""The runs below an output folder: their files, manifests, states, and the pointers of days to current runs."""

import posixpath
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pipelines.options.options import UsageError
from transforms.publishing.manifest import Manifest, read_manifest
from transforms.publishing.run_paths import (
    MANIFEST,
    POINTER,
    REPORT_FILE,
    STAGES_FILE,
    UnsafePathError,
    parse_pointer,
    resolve_path,
)
from transforms.tables.files import ListedFile, list_files, read_bytes

# Files of a run in addition to the tables and artifacts in its manifest.
_RUN_FILES = (MANIFEST, STAGES_FILE, REPORT_FILE)
_DAY = re.compile(r"ds=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class RunFolder:
    """One run; manifest: None if it was not published; is_current: the pointer of its day names it."""

    output: str
    day: str
    name: str
    files: tuple[ListedFile, ...]
    manifest: Manifest | None
    is_current: bool

    @property
    def path(self) -> str:
        """Return the folder of the run."""
        return f"{self.output}/ds={self.day}/{self.name}"

    @property
    def state(self) -> str:
        """Return the state of the run.

        current: the pointer of the day names it. whole: complete, but not current. gated: not current because of the
        gate. trained: has only training examples or a ranker. unfinished: failed, or still running.
        """
        if self.manifest is None:
            return "unfinished"
        if self.is_current:
            return "current"
        if self.manifest.gate.failed:
            return "gated"
        return "whole" if "pages" in self.manifest.tables else "trained"

    @property
    def order(self) -> tuple[str, str]:
        """Return the sort key: the day, then the time of publication, or of the last file of an unfinished run."""
        if self.manifest is None:
            return self.day, datetime.fromtimestamp(self.last_written).isoformat()
        return self.day, self.manifest.published_at

    @property
    def last_written(self) -> float:
        """Return the time of the newest file, in seconds since 1970."""
        return max((file.modified for file in self.files), default=0.0)

    @property
    def seconds(self) -> float | None:
        """Return the seconds from start to publication; None if not published."""
        if self.manifest is None:
            return None
        started, ended = map(datetime.fromisoformat, (self.manifest.started_at, self.manifest.published_at))
        return (ended - started).total_seconds()

    def artifact(self, name: str) -> str:
        """Return the path of an artifact (UsageError: there is none, or it is outside the output folder)."""
        path = self.manifest.artifacts.get(name) if self.manifest else None
        if path is None:
            raise UsageError(f"{self.path} has no {name}")
        try:
            return resolve_path(path, self.output, self.path)
        except UnsafePathError as error:
            raise UsageError(str(error)) from error

    @property
    def named(self) -> set[str]:
        """Return the full paths of all files and artifact folders that the manifest names."""
        manifest = self.manifest or Manifest()
        paths = [*manifest.file_paths, *manifest.artifacts.values(), *_RUN_FILES]
        return {posixpath.normpath(f"{self.path}/{path}") for path in paths if not posixpath.isabs(path)}


@dataclass(frozen=True)
class RunListing:
    """All runs of an output folder, oldest first; leftover drafts of pointers, and pointers to missing runs."""

    runs: tuple[RunFolder, ...]
    drafts: tuple[ListedFile, ...]
    dangling: tuple[str, ...]

    @property
    def newest(self) -> RunFolder:
        """Return the current run of the newest day with a pointer (UsageError: there is none)."""
        current = [run for run in self.runs if run.is_current]
        if not current:
            raise UsageError("no day has a pointer to a run")
        return current[-1]


def list_run_folders(output: str) -> RunListing:
    """List the runs below an output folder.

    Raises:
        UsageError: a pointer or a manifest names a path outside the output folder.
    """
    output = output.rstrip("/")
    below = [(file, file.path.removeprefix(f"{output}/").split("/")) for file in list_files(output)]
    days = [(file, parts) for file, parts in below if _DAY.fullmatch(parts[0])]
    pointers = {parts[0]: _pointed(file.path) for file, parts in days if parts[1:] == [POINTER]}
    in_runs = [(file, parts) for file, parts in days if len(parts) > 2]
    groups = [(key, [file for file, _ in group]) for key, group in groupby(in_runs, key=lambda one: one[1][:2])]
    with ThreadPoolExecutor(16) as threads:
        manifests = list(threads.map(lambda one: _manifest(output, *one), groups))
    runs = [
        RunFolder(output, day[3:], name, tuple(files), manifest, pointers.get(day) == name and manifest is not None)
        for ((day, name), files), manifest in zip(groups, manifests, strict=True)
    ]
    drafts = tuple(file for file, parts in days if len(parts) == 2 and parts[1].startswith(f".{POINTER}."))
    found = {(run.day, run.name) for run in runs if run.manifest is not None}
    dangling = tuple(f"{output}/{day}" for day, name in pointers.items() if (day[3:], name) not in found)
    return RunListing(tuple(sorted(runs, key=lambda run: run.order)), drafts, dangling)


def _pointed(path: str) -> str:
    try:
        return parse_pointer(read_bytes(path), posixpath.dirname(path))
    except UnsafePathError as error:
        raise UsageError(str(error)) from error


def _manifest(output: str, key: Iterable[str], files: list[ListedFile]) -> Manifest | None:
    folder = "/".join([output, *key])
    if not any(file.path == f"{folder}/{MANIFEST}" for file in files):
        return None
    try:
        return read_manifest(output, folder)
    except UnsafePathError as error:
        raise UsageError(str(error)) from error
