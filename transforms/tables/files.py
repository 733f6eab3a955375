"""Local and remote files: listing, reading, atomic writing, removal, and Parquet encoding."""

import contextlib
import io
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.tables.artifacts import is_remote

_ROWS_PER_GROUP = 131_072


class PublishedFile(NamedTuple):
    """One published Parquet file: its table, path, number of rows, size in bytes and SHA-256."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


class ListedFile(NamedTuple):
    """One file of a folder listing; `modified` is in seconds since 1970."""

    path: str
    bytes: int
    modified: float


def list_files(folder: str) -> list[ListedFile]:
    """List all files below a folder, including hidden ones; a missing folder gives an empty list."""
    if not is_remote(folder):
        return sorted(_list_local(Path(folder)))
    found = FileSystems.match([f"{folder}/**"])[0].metadata_list
    return sorted(ListedFile(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in found)


def stat_file(path: str) -> ListedFile:
    """Return the size and the time of the last change of a local or remote file (FileNotFoundError: there is none)."""
    if not is_remote(path):
        status = Path(path).stat()
        return ListedFile(path, status.st_size, status.st_mtime)
    found = FileSystems.match([escape_pattern(path)])[0].metadata_list
    if not found:
        raise FileNotFoundError(path)
    return ListedFile(path, found[0].size_in_bytes, found[0].last_updated_in_seconds)


def escape_pattern(path: str) -> str:
    """Return the pattern that matches a path of Beam's and nothing else."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _list_local(folder: Path) -> Iterator[ListedFile]:
    """Yield the files below a folder, and the folders that cannot be read; what is deleted meanwhile is not there."""
    unreadable: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        links = (name for name in folders if Path(root, name).is_symlink())
        yield from _list_paths([Path(root, name) for name in (*names, *links)])
    is_gone = (FileNotFoundError, NotADirectoryError)
    yield from _list_paths([Path(error.filename) for error in unreadable if not isinstance(error, is_gone)])


def _list_paths(paths: Iterable[Path]) -> Iterator[ListedFile]:
    for path in paths:
        # a draft may have been renamed to its final name in the meantime
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            yield ListedFile(str(path), status.st_size, status.st_mtime)


def read_bytes(path: str) -> bytes:
    """Read the content of a local or remote file (FileNotFoundError: there is none; OSError: it cannot be read)."""
    if not is_remote(path):
        if not stat.S_ISREG(Path(path).stat().st_mode):
            # opening a pipe would wait for ever
            raise OSError(f"{path} is no regular file")
        return Path(path).read_bytes()
    if not FileSystems.exists(path):
        raise FileNotFoundError(path)
    with FileSystems.open(path) as source:
        content: bytes = source.read()
    return content


def read_ends(file: ListedFile, length: int) -> tuple[bytes, bytes]:
    """Read the first and the last bytes of a local or remote file."""
    plain = CompressionTypes.UNCOMPRESSED
    with (
        FileSystems.open(file.path, compression_type=plain) if is_remote(file.path) else open(file.path, "rb") as source
    ):
        first = source.read(length)
        source.seek(max(0, file.bytes - length))
        return first, source.read(length)


def remove_files(paths: list[str]) -> None:
    """Remove files; a missing file is not an error."""
    for path in paths:
        if not is_remote(path):
            Path(path).unlink(missing_ok=True)
    if remote := [path for path in paths if is_remote(path)]:
        FileSystems.delete(remote)


def write_atomically(path: str, content: bytes) -> None:
    """Write a file completely or not at all; an existing file is replaced.

    A local file is written under another name, forced to the disk and renamed; an object store shows only complete
    objects.
    """
    if is_remote(path):
        with FileSystems.create(path) as target:
            target.write(content)
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}")
    try:
        with draft.open("wb") as target:
            target.write(content)
            # a machine that loses power right after the rename must not show an empty file
            target.flush()
            os.fsync(target.fileno())
        draft.replace(final)
        _sync_folder(final.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Force the names of the files in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove_folder(folder: str) -> None:
    """Remove a folder with its content; a missing folder is not an error."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    remove_files([file.path for file in list_files(folder)])


def open_parquet(path: str, **arguments: object) -> pq.ParquetFile:
    """Open a local or remote Parquet file; INT96 times are microseconds, as nanoseconds they would overflow."""
    source = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) if is_remote(path) else path
    return pq.ParquetFile(source, coerce_int96_timestamp_unit="us", **arguments)


def open_stream(path: str) -> pa.NativeFile:
    """Open a local or remote file to be read from its start to its end."""
    if not is_remote(path):
        return pa.OSFile(path)
    return pa.PythonFile(FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED), mode="r")


def parquet_bytes(table: pa.Table) -> bytes:
    """Encode a table as Parquet.

    Float columns get no dictionary: their values seldom repeat, and building dictionaries took half of the time.
    """
    sink = io.BytesIO()
    coded = _non_float_columns(table.schema)
    pq.write_table(table, sink, row_group_size=_ROWS_PER_GROUP, compression="zstd", use_dictionary=coded)
    return sink.getvalue()


def _non_float_columns(schema: pa.Schema) -> list[str]:
    """Return the paths of all Parquet columns that are not floats, including those inside lists and structs."""
    sink = io.BytesIO()
    pq.write_table(schema.empty_table(), sink)
    columns = pq.ParquetFile(sink).schema
    leaves = [columns.column(number) for number in range(len(columns.names))]
    return [leaf.path for leaf in leaves if leaf.physical_type not in ("FLOAT", "DOUBLE")]
