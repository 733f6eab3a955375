"""The runs below an output folder: their files, manifests, states, and the pointers of days to current runs.

This is the only reader of an output. Anyone may have changed what lies there, or a crash have left it half written: a
file that is damaged makes its run or its day damaged, and no other.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from apache_beam.io.filesystems import FileSystems

from pipelines.options.options import UsageError
from transforms.publishing.manifest import Manifest, read_manifest
from transforms.publishing.run_paths import (
    MANIFEST,
    POINTER,
    REPORT_FILE,
    STAGES_FILE,
    STARTED_FILE,
    DamagedFileError,
    UnsafePathError,
    parse_pointer,
    resolve_path,
)
from transforms.tables.files import ListedFile, list_files, read_bytes

# Files of a run in addition to the tables and artifacts in its manifest.
_RUN_FILES = (MANIFEST, STARTED_FILE, STAGES_FILE, REPORT_FILE)
_DAY = re.compile(r"ds=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class RunFolder:
    """One run of an output.

    manifest: None if the run was not published, or if its manifest cannot be read. is_current: the pointer of its day
    names it. has_pointer: its day has a pointer. damage: why the run cannot be trusted; empty: no reason.
    """

    output: str
    day: str
    name: str
    files: tuple[ListedFile, ...]
    manifest: Manifest | None
    is_current: bool
    has_pointer: bool
    damage: str

    @property
    def path(self) -> str:
        """Return the folder of the run."""
        return f"{self.output}/ds={self.day}/{self.name}"

    @property
    def state(self) -> str:
        """Return the state of the run.

        damaged: a file of it is not what it wrote, or missing. unfinished: failed, or still running. current: the
        pointer of the day names it. gated: not current because of the gate. trained: has only training examples or a
        ranker. whole: complete, but another run is current. withdrawn: complete, but its day has no pointer.
        """
        if self.damage:
            return "damaged"
        if self.manifest is None:
            return "unfinished"
        if self.is_current:
            return "current"
        if self.manifest.gate.failed:
            return "gated"
        if "pages" not in self.manifest.tables:
            return "trained"
        return "whole" if self.has_pointer else "withdrawn"

    @property
    def has_pages(self) -> bool:
        """Return whether a pointer may name the run."""
        return not self.damage and self.manifest is not None and "pages" in self.manifest.tables

    @property
    def order(self) -> tuple[str, str]:
        """Return the sort key: the day, then the time of publication, or of the last file of an unfinished run."""
        if self.manifest is None or not self.manifest.published_at:
            return self.day, datetime.fromtimestamp(self.last_written).isoformat()
        return self.day, self.manifest.published_at

    @property
    def last_written(self) -> float:
        """Return the time of the newest file, in seconds since 1970."""
        return max((file.modified for file in self.files), default=0.0)

    @property
    def seconds(self) -> float | None:
        """Return the seconds from start to publication; None if not published."""
        if self.manifest is None or not (self.manifest.started_at and self.manifest.published_at):
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
    """All runs of an output folder, oldest first.

    pointers: what the pointer of each day names, by day; empty: it names nothing. drafts: leftover drafts of pointers.
    problems: a sentence on each damaged file, and on each pointer to a run that is not there.
    """

    output: str
    runs: tuple[RunFolder, ...]
    pointers: Mapping[str, str]
    drafts: tuple[ListedFile, ...]
    problems: tuple[str, ...]

    @property
    def current(self) -> tuple[RunFolder, ...]:
        """Return the current runs of all days that are whole."""
        return tuple(run for run in self.runs if run.state == "current")

    @property
    def newest(self) -> RunFolder:
        """Return the current run of the newest day with a pointer (UsageError: there is none)."""
        if not self.current:
            raise UsageError("no day has a pointer to a run")
        return self.current[-1]


def list_run_folders(output: str) -> RunListing:
    """List the runs below an output folder."""
    output = output.rstrip("/")
    below = [(file, file.path.removeprefix(f"{output}/").split("/")) for file in list_files(output)]
    days = [(file, parts) for file, parts in below if _DAY.fullmatch(parts[0])]
    pointed = {parts[0][3:]: _read_pointer(file.path) for file, parts in days if parts[1:] == [POINTER]}
    pointers = {day: name for day, (name, _) in pointed.items()}
    in_runs = [(file, parts) for file, parts in days if len(parts) > 2]
    groups = [(key, [file for file, _ in group]) for key, group in groupby(in_runs, key=lambda one: one[1][:2])]
    with ThreadPoolExecutor(16) as threads:
        runs = list(threads.map(lambda one: _read_run(output, one[0], one[1], pointers), groups))
    ordered = tuple(sorted(runs, key=lambda run: run.order))
    drafts = tuple(file for file, parts in days if len(parts) == 2 and parts[1].startswith(f".{POINTER}."))
    damaged_pointers = [damage for _, damage in pointed.values() if damage]
    problems = (*damaged_pointers, *_dangling(output, runs, pointers), *_damages(ordered))
    return RunListing(output, ordered, pointers, drafts, problems)


def _damages(runs: Sequence[RunFolder]) -> Iterator[str]:
    return (f"{run.path} is damaged: {run.damage}" for run in runs if run.damage)


def _dangling(output: str, runs: Sequence[RunFolder], pointers: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence on each pointer to a run that is not there, or that was never published."""
    found = {(run.day, run.name) for run in runs if run.state != "unfinished"}
    for day, name in pointers.items():
        if name and (day, name) not in found:
            yield f"{output}/ds={day}/{POINTER} names a run that is not there: {name}"


def _read_pointer(path: str) -> tuple[str, str]:
    """Return the run that a pointer names, and why it names none."""
    try:
        return parse_pointer(read_bytes(path), posixpath.dirname(path)), ""
    except DamagedFileError as error:
        return "", str(error)
    except OSError as error:
        return "", f"{path} cannot be read: {error.strerror or error}"


def _read_run(output: str, key: Iterable[str], files: list[ListedFile], pointers: Mapping[str, str]) -> RunFolder:
    day, name = key
    folder, damage, manifest = f"{output}/{day}/{name}", "", None
    if any(file.path == f"{folder}/{MANIFEST}" for file in files):
        try:
            manifest = read_manifest(output, folder)
            damage = find_damage(manifest, folder, files)
        except DamagedFileError as error:
            damage = str(error)
        except FileNotFoundError:
            # deleted since it was listed: a prune deletes the manifest first
            pass
        except OSError as error:
            damage = f"{folder}/{MANIFEST} cannot be read: {error.strerror or error}"
    pointed = pointers.get(day[3:])
    is_current = pointed == name and (manifest is not None or bool(damage))
    return RunFolder(output, day[3:], name, tuple(files), manifest, is_current, pointed is not None, damage)


def find_damage(manifest: Manifest, folder: str, files: Iterable[ListedFile]) -> str:
    """Return the first file of a table that is missing or has another size than stated; empty: there is none."""
    sizes = {posixpath.normpath(file.path): file.bytes for file in files}
    for table in manifest.tables.values():
        for file in table.files:
            size = sizes.get(posixpath.normpath(f"{folder}/{file.path}"))
            if size is None:
                return f"{file.path} is missing"
            if file.bytes and size != file.bytes:
                return f"{file.path} has {size:,} bytes, and the manifest states {file.bytes:,}"
    return ""


def find_run(path: str) -> str:
    """Return the folder of a run: the path itself, or the run that a pointer there names.

    Raises:
        UsageError: there is no run, or the pointer is damaged; runs that the gate kept from the pointer are named.
    """
    if FileSystems.exists(f"{path}/{MANIFEST}"):
        return path
    found = list_run_folders(path)
    day = f"{path}/ds={max(found.pointers)}" if found.pointers else path
    try:
        return f"{day}/{parse_pointer(read_bytes(f'{day}/{POINTER}'), day)}"
    except FileNotFoundError:
        gated = gated_runs(path)
        named = "".join(f"; the gate kept the pointer from {run.path}" for run in gated[-1:])
        raise UsageError(f"--run={path}: no published run there (neither {MANIFEST} nor {POINTER}){named}") from None
    except (DamagedFileError, OSError) as error:
        raise UsageError(f"--run={path}: {error}") from error


def gated_runs(path: str) -> list[RunFolder]:
    """Return the runs of an output folder, or of the folder of a day, that the gate kept from the pointer."""
    output, _, day = path.rpartition("/")
    is_day = day.startswith("ds=")
    runs = list_run_folders((output or ".") if is_day else path).runs
    return [run for run in runs if run.state == "gated" and (not is_day or f"ds={run.day}" == day)]
