"""The runs below an output folder: which there are, what became of each, which one the day's pointer names."""

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

# Beside the tables and artifacts, which the manifest names.
_RUN_FILES = (MANIFEST, STAGES_FILE, REPORT_FILE)
_DAY = re.compile(r"ds=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class RunFolder:
    """One run: manifest is None where it was not published; is_current: the day's pointer names it."""

    output: str
    day: str
    name: str
    files: tuple[ListedFile, ...]
    manifest: Manifest | None
    is_current: bool

    @property
    def path(self) -> str:
        """The run's folder."""
        return f"{self.output}/ds={self.day}/{self.name}"

    @property
    def state(self) -> str:
        """Say what became of it.

        current: the day's pointer names it. whole: it could. gated: the gate kept the pointer from it.
        trained: it was to make features or a ranker only. unfinished: it died, or is still at work.
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
        """By day, then by when it was published; unfinished ones by their last file."""
        if self.manifest is None:
            return self.day, datetime.fromtimestamp(self.last_written).isoformat()
        return self.day, self.manifest.published_at

    @property
    def last_written(self) -> float:
        """When its newest file was written, in seconds since 1970."""
        return max((file.modified for file in self.files), default=0.0)

    @property
    def seconds(self) -> float | None:
        """From launch to publication; None: not published."""
        if self.manifest is None:
            return None
        started, ended = map(datetime.fromisoformat, (self.manifest.started_at, self.manifest.published_at))
        return (ended - started).total_seconds()

    def artifact(self, name: str) -> str:
        """The path of an artifact (UsageError: the run has none, or it lies outside the output)."""
        path = self.manifest.artifacts.get(name) if self.manifest else None
        if path is None:
            raise UsageError(f"{self.path} has no {name}")
        try:
            return resolve_path(path, self.output, self.path)
        except UnsafePathError as error:
            raise UsageError(str(error)) from error

    @property
    def named(self) -> set[str]:
        """All files, and folders of artifacts, that the manifest names, as full paths."""
        manifest = self.manifest or Manifest()
        paths = [*manifest.file_paths, *manifest.artifacts.values(), *_RUN_FILES]
        return {posixpath.normpath(f"{self.path}/{path}") for path in paths if not posixpath.isabs(path)}


@dataclass(frozen=True)
class RunListing:
    """All runs of an output folder, oldest first, and what lies beside them."""

    runs: tuple[RunFolder, ...]
    drafts: tuple[ListedFile, ...]
    dangling: tuple[str, ...]

    @property
    def newest(self) -> RunFolder:
        """The run of the newest day that has a pointer: what a consumer reads (UsageError: there is none)."""
        current = [run for run in self.runs if run.is_current]
        if not current:
            raise UsageError("no day has a pointer to a run")
        return current[-1]


def list_run_folders(output: str) -> RunListing:
    """List the runs below an output folder.

    Raises:
        UsageError: a pointer or a manifest names what lies outside the output.
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
