"""Files: how a Parquet file is opened, what is said of a published one, how it appears whole or not at all."""

import io
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.tables.artifacts import is_remote

_ROWS_PER_GROUP = 131_072


class PublishedFile(NamedTuple):
    """A published file."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


class ListedFile(NamedTuple):
    """A file as a folder lists it; `modified` in seconds since 1970."""

    path: str
    bytes: int
    modified: float


def list_files(folder: str) -> list[ListedFile]:
    """All files below a folder, hidden ones too; where there is no folder there are none."""
    if not is_remote(folder):
        return sorted(_list_local(Path(folder)))
    found = FileSystems.match([f"{folder}/**"])[0].metadata_list
    return sorted(ListedFile(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in found)


def _list_local(folder: Path) -> Iterator[ListedFile]:
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            # a draft that has become a file since
            continue
        if not path.is_dir() or path.is_symlink():
            yield ListedFile(str(path), status.st_size, status.st_mtime)


def read_bytes(path: str) -> bytes:
    """The content of a local or remote file (FileNotFoundError: there is none)."""
    if not is_remote(path):
        return Path(path).read_bytes()
    if not FileSystems.exists(path):
        raise FileNotFoundError(path)
    with FileSystems.open(path) as source:
        content: bytes = source.read()
    return content


def remove_files(paths: list[str]) -> None:
    """Remove files; one that is not there is no error."""
    for path in paths:
        if not is_remote(path):
            Path(path).unlink(missing_ok=True)
    if remote := [path for path in paths if is_remote(path)]:
        FileSystems.delete(remote)


def write_atomically(path: str, content: bytes) -> None:
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


def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it; one that is not there is no error."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    remove_files([file.path for file in list_files(folder)])


def open_parquet(path: str, **arguments: Any) -> pq.ParquetFile:
    """Open a local or remote Parquet file."""
    return pq.ParquetFile(FileSystems.open(path) if is_remote(path) else path, **arguments)


def parquet_bytes(table: pa.Table) -> bytes:
    """Encode a table; floats, which seldom repeat, without a dictionary: looking for one took half of the time."""
    sink = io.BytesIO()
    coded = _but_floats(table.schema)
    pq.write_table(table, sink, row_group_size=_ROWS_PER_GROUP, compression="zstd", use_dictionary=coded)
    return sink.getvalue()


def _but_floats(schema: pa.Schema) -> list[str]:
    """Paths of the Parquet columns that are no floats, those within lists and structs too."""
    sink = io.BytesIO()
    pq.write_table(schema.empty_table(), sink)
    columns = pq.ParquetFile(sink).schema
    leaves = [columns.column(number) for number in range(len(columns.names))]
    return [leaf.path for leaf in leaves if leaf.physical_type not in ("FLOAT", "DOUBLE")]
