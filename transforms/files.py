"""Files: how a Parquet file is opened, what is said of a published one, how it appears whole or not at all."""

import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.artifacts import is_remote


class File(NamedTuple):
    """A published file."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


def put(path: str, content: bytes) -> None:
    """Write a file whole or not at all; an existing one is replaced.

    A local file appears by rename; an object store shows an object only when it is complete.
    """
    if is_remote(path):
        with FileSystems.create(path) as target:
            target.write(content)
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}")
    try:
        draft.write_bytes(content)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)


def open_parquet(path: str, **arguments: Any) -> pq.ParquetFile:
    """Open a local or remote Parquet file."""
    return pq.ParquetFile(FileSystems.open(path) if is_remote(path) else path, **arguments)
