"""Files compared with what a manifest states of them: sizes and hashes of tables and artifacts."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from transforms.publishing.manifest import ArtifactFile
from transforms.tables.artifacts import is_remote, local_copy
from transforms.tables.files import list_files, read_bytes

_BLOCK_BYTES = 1 << 20


class StatedFile(Protocol):
    """Path, size and hash of one file, as a manifest states them."""

    @property
    def path(self) -> str:
        """Path from the folder of the run or artifact."""

    @property
    def bytes(self) -> int:
        """Size, 0: not known."""

    @property
    def sha256(self) -> str:
        """Hash; empty: not known."""


def describe_artifact(path: str) -> tuple[ArtifactFile, ...]:
    """Return size and hash of every file of an artifact, sorted by path."""
    folder = local_copy(path)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple(
        ArtifactFile(file.relative_to(folder).as_posix(), file.stat().st_size, _hash(str(file))) for file in files
    )


def find_changes(folder: str, stated: Iterable[StatedFile]) -> Iterator[str]:
    """Yield a sentence for each file below a folder that is missing, or is not what was stated of it."""
    for file in stated:
        path = f"{folder}/{file.path}"
        try:
            if file.sha256 and _hash(path) != file.sha256:
                yield f"{path} was changed: its sha256 is not that of the manifest"
        except FileNotFoundError:
            yield f"{path} is missing"
        except OSError as error:
            yield f"{path} cannot be read: {error.strerror or error}"


def find_artifact_changes(path: str, stated: Iterable[ArtifactFile]) -> Iterator[str]:
    """Yield a sentence for each file of an artifact that is missing, was changed, or was not written by its run."""
    known = {file.path: file for file in stated}
    yield from find_changes(path, known.values())
    for found in list_files(path):
        if known and found.path.removeprefix(f"{path}/") not in known:
            yield f"{found.path} was added: the manifest has no such file"


def _hash(path: str) -> str:
    if is_remote(path):
        return hashlib.sha256(read_bytes(path)).hexdigest()
    digest = hashlib.sha256()
    with Path(path).open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
