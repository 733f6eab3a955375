"""Artifacts: directories that one worker writes once and every worker opens once; the element is their path."""

import functools
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from transforms.tables.buckets import Opened, Opener, as_side_input, camel_case, open_arguments
from transforms.tables.failures import DiskFullError
from transforms.tables.stage_counters import StageCounters


class Single(beam.PTransform):
    """Make a collection of one value, as beam.Create([value]) does in twice as many steps."""

    def __init__(self, value: object, kind: Any = str) -> None:
        """Set the value and its type."""
        super().__init__()
        self.value, self.kind = value, kind

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Map the impulse to the value."""
        return root | beam.Impulse() | beam.Map(_replace, self.value).with_output_types(self.kind)


def _replace(_: bytes, value: object) -> object:
    return value


class BuildArtifact(beam.PTransform):
    """Run `function(directory, **arguments)` on one worker, and yield the path of the artifact.

    Each attempt writes to a new folder below `folder`: a dead worker leaves an unused folder, never a partial artifact
    that others read. Arguments are as in MapBuckets.
    """

    def __init__(self, function: Callable[..., None], *, folder: str, **arguments: object) -> None:
        """Set the function, the parent folder of the artifact, and the arguments of the function."""
        super().__init__(camel_case(function.__name__))
        self.function, self.folder, self.arguments = function, folder, arguments

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Apply the function to one element, and so on one worker."""
        openers = {name: given.opener for name, given in self.arguments.items() if isinstance(given, Opened)}
        sides = {name: as_side_input(given) for name, given in self.arguments.items()}
        build = _Build(self.function, self.folder, openers)
        return root | Single(self.folder) | beam.ParDo(build, **sides).with_output_types(str)


class _Build(beam.DoFn):
    def __init__(self, function: Callable[..., None], folder: str, openers: dict[str, Opener]) -> None:
        self.function, self.folder, self.openers = function, folder, openers
        self.stage = function.__name__

    def process(self, _: str, **arguments: Any) -> Iterator[str]:
        arguments = open_arguments(arguments, self.openers)
        path = f"{self.folder}/{uuid.uuid4().hex[:12]}"
        with StageCounters(self.stage, 0) as counters, tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch) if is_remote(path) else Path(path)
            directory.mkdir(parents=True, exist_ok=True)
            with _explain_broken_write(path):
                self.function(directory, **arguments)
            counters.bytes = sum(file.stat().st_size for file in directory.rglob("*"))
            if is_remote(path):
                upload(directory, path)
        yield path


@contextmanager
def _explain_broken_write(path: str) -> Iterator[None]:
    """Turn numpy's error of an incomplete write, which has neither path nor reason, into a DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise DiskFullError(f"{path} could not be written whole, as on a full disk: {error}") from error
        raise


def is_remote(path: str) -> bool:
    """Return whether the path is on an object store."""
    return "://" in path


def upload(directory: Path, path: str) -> None:
    """Copy a local directory to an object store."""
    for file in sorted(entry for entry in directory.rglob("*") if entry.is_file()):
        with file.open("rb") as source, FileSystems.create(f"{path}/{file.relative_to(directory)}") as target:
            shutil.copyfileobj(source, target)


# Folders of fetched artifacts: each exists as long as its object here.
_fetched: list[tempfile.TemporaryDirectory[str]] = []


@functools.lru_cache(maxsize=16)
def local_copy(path: str) -> Path:
    """Return the local directory of an artifact; a remote one is fetched once per process and removed at its end.

    Raises:
        FileNotFoundError: there is no artifact at the path.
    """
    if not is_remote(path):
        if not Path(path).is_dir():
            raise FileNotFoundError(f"no artifact at {path}")
        return Path(path)
    files = FileSystems.match([f"{path}/**"])[0].metadata_list
    if not files:
        raise FileNotFoundError(f"no artifact at {path}")
    folder = tempfile.TemporaryDirectory(prefix="homeshelf-")
    for file in files:
        target = Path(folder.name) / file.path[len(path) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileSystems.open(file.path) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    _fetched.append(folder)
    return Path(folder.name)
