"""Artifacts: directories that one worker writes once and every worker opens once; what flows is the path."""

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

from transforms.tables.buckets import Opened, as_side_input, camel_case, open_arguments
from transforms.tables.stage_counters import StageCounters


class BuildArtifact(beam.PTransform):
    """Run `function(directory, **arguments)` on one worker; the element that comes out is the artifact's path.

    Each attempt writes a fresh folder below `folder`: a worker that dies leaves rubbish, never a half-read artifact.
    Arguments are as in MapBuckets.
    """

    def __init__(self, function: Callable[..., None], *, folder: str, **arguments: Any) -> None:
        """Keep the function, where to write, and its arguments."""
        super().__init__(camel_case(function.__name__))
        self.function, self.folder, self.arguments = function, folder, arguments

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """One element, one worker."""
        openers = {name: given.opener for name, given in self.arguments.items() if isinstance(given, Opened)}
        sides = {name: as_side_input(given) for name, given in self.arguments.items()}
        build = _Build(self.function, self.folder, openers)
        return root | beam.Create([self.folder]) | beam.ParDo(build, **sides).with_output_types(str)


class _Build(beam.DoFn):
    def __init__(self, function: Callable[..., None], folder: str, openers: dict[str, Callable[[str], Any]]) -> None:
        self.function, self.folder, self.openers = function, folder, openers

    def process(self, _: str, **arguments: Any) -> Any:
        arguments = open_arguments(arguments, self.openers)
        path = f"{self.folder}/{uuid.uuid4().hex[:12]}"
        with StageCounters(self.function.__name__, 0) as measure, tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch) if is_remote(path) else Path(path)
            directory.mkdir(parents=True, exist_ok=True)
            with _told_plainly(path):
                self.function(directory, **arguments)
            measure.bytes = sum(file.stat().st_size for file in directory.rglob("*"))
            if is_remote(path):
                upload(directory, path)
        yield path


@contextmanager
def _told_plainly(path: str) -> Iterator[None]:
    """Say what numpy leaves out: a write that breaks off has neither a reason nor a file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{path} could not be written whole, as on a full disk: {error}") from error
        raise


def is_remote(path: str) -> bool:
    """Whether the path names an object store."""
    return "://" in path


def upload(directory: Path, path: str) -> None:
    """Copy a local directory to an object store."""
    for file in sorted(entry for entry in directory.rglob("*") if entry.is_file()):
        with file.open("rb") as source, FileSystems.create(f"{path}/{file.relative_to(directory)}") as target:
            shutil.copyfileobj(source, target)


# Folders of artifacts, which are there as long as these are.
_fetched: list[tempfile.TemporaryDirectory[str]] = []


@functools.lru_cache(maxsize=16)
def local_copy(path: str) -> Path:
    """Where an artifact lies on this machine; a remote one is fetched once per process, which removes it at its end.

    Raises:
        FileNotFoundError: there is nothing at the path.
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
