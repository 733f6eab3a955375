"""Files: how a Parquet file is opened, what is said of a published one, how it appears whole or not at all."""

import io
import shutil
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.artifacts import is_remote

ROWS_PER_GROUP = 131_072


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


def remove(folder: str) -> None:
    """Remove a folder with all that is in it; one that is not there is no error."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    FileSystems.delete([file.path for result in FileSystems.match([f"{folder}/**"]) for file in result.metadata_list])


def open_parquet(path: str, **arguments: Any) -> pq.ParquetFile:
    """Open a local or remote Parquet file."""
    return pq.ParquetFile(FileSystems.open(path) if is_remote(path) else path, **arguments)


def parquet_bytes(table: pa.Table) -> bytes:
    """Encode a table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROWS_PER_GROUP, compression="zstd")
    return sink.getvalue()
