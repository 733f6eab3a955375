"""Search of any file for the ids of users: what is found, or why it cannot be searched."""

import bz2
import gzip
import html
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# First bytes of files whose content is coded in a way that is not read here.
_OPAQUE = {
    b"(\xb5/\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"Obj\x01": "Avro",
    b"ORC": "ORC", b"ARROW1": "Arrow", b"%PDF": "PDF", b"\x89PNG": "an image", b"\xff\xd8\xff": "an image",
    b"\x89HDF": "HDF5", b"PARE": "encrypted Parquet",
}  # fmt: skip
_PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
_UNREADABLE = (OSError, EOFError, ValueError, pa.ArrowException, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
# In bytes that are no text, anything shorter stands somewhere by chance.
_MIN_BINARY_LENGTH = 6


class UnsearchableError(Exception):
    """The content of a file cannot be searched; the message says why."""


@dataclass(frozen=True)
class UserSearch:
    """A search for ids, spelt as JSON, HTML, URLs and other encodings have them, in texts, archives and Parquet."""

    ids: tuple[str, ...]

    @cached_property
    def as_array(self) -> pa.Array:
        """Return the ids as an Arrow array."""
        return pa.array(self.ids, pa.string())

    @cached_property
    def _spellings(self) -> dict[str, bytes]:
        """Return each spelling as the text that Latin-1 makes of its bytes."""
        return {one.decode("latin-1"): one for user in self.ids for one in _spellings(user)}

    def find(self, content: bytes) -> str:
        """Return one spelling of an id in a file; empty: there is none (UnsearchableError: it cannot be searched)."""
        try:
            return next(filter(None, map(self._find_plain, _contents(content))), "")
        except _UNREADABLE as error:
            raise UnsearchableError(f"it cannot be read: {error}") from error

    def in_names(self, content: bytes) -> str:
        """Return an id that stands in a file of names and numbers as a text of its own; empty: there is none."""
        quoted = (user for user in self.ids if json.dumps(user).encode() in content)
        return next(quoted, "")

    def _find_plain(self, content: bytes) -> str:
        text = pl.Series([content.decode("latin-1")])
        found = text.str.extract_many(list(self._spellings), overlapping=True).explode(empty_as_null=False).unique()
        least = _MIN_BINARY_LENGTH if b"\0" in content else 0
        for spelling in found:
            wanted = self._spellings[spelling]
            # in an array of texts of two or four bytes a character, the next one may follow at once
            pattern = (b"%b" if b"\0" in wanted else rb"(?<![A-Za-z0-9_])%b(?![A-Za-z0-9_])") % re.escape(wanted)
            if len(wanted) >= least and re.search(pattern, content):
                return wanted.decode(errors="replace")
        return ""


def _spellings(user: str) -> set[bytes]:
    texts = {user, html.escape(user), json.dumps(user)[1:-1], json.dumps(user, ensure_ascii=False)[1:-1], quote(user)}
    texts.add(re.sub("[<\x7f-\x9f\u2028\u2029]", lambda one: f"\\u{ord(one[0]):04x}", user))
    wide = {user.encode(coding, "surrogatepass") for coding in ("utf-16-le", "utf-16-be", "utf-32-le")}
    return {text.encode("utf-8", "surrogatepass") for text in texts if text} | (wide if user else set())


def _contents(content: bytes) -> Iterator[bytes]:
    """Yield all texts in a file: its bytes, those of an archive's members, the values of a Parquet file."""
    for start, kind in _OPAQUE.items():
        if content.startswith(start):
            raise UnsearchableError(f"it is {kind}, which is not searched")
    if content.startswith(b"PAR1"):
        yield from _parquet_texts(content)
    elif unpack := next((one for start, one in _PACKED.items() if content.startswith(start)), None):
        yield from _contents(unpack(content))
    elif content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield "\n".join(archive.namelist()).encode()
            for name in archive.namelist():
                yield from _contents(archive.read(name))
    else:
        yield content


def _parquet_texts(content: bytes) -> Iterator[bytes]:
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        yield b"\n".join(part for pair in (file.metadata.metadata or {}).items() for part in pair)
        for column in file.read().columns:
            for chunk in column.chunks:
                yield from map(_distinct_text, _leaves(chunk))


def _leaves(values: pa.Array) -> Iterator[pa.Array]:
    """Yield the plain arrays within an array of lists, structs or maps."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(values.dictionary)
    elif pa.types.is_map(kind):
        yield from (*_leaves(values.keys), *_leaves(values.items))
    elif pa.types.is_struct(kind):
        for one in values.flatten():
            yield from _leaves(one)
    elif pa.types.is_nested(kind):
        yield from _leaves(values.flatten())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        yield values
    elif pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield values


def _distinct_text(values: pa.Array) -> bytes:
    texts: Sequence[object] = pc.unique(values).to_pylist()
    return b"\n".join(one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogatepass") for one in texts)


class UserRows(NamedTuple):
    """A Parquet file with a user_id: its table, and which rows are of users to be erased."""

    table: pa.Table
    is_hit: pa.ChunkedArray
    num_hits: int


def user_rows(content: bytes, ids: pa.Array) -> UserRows | None:
    """Find the rows of users in a Parquet file; None: it is none, cannot be read, or has no user_id."""
    if not content.startswith(b"PAR1"):
        return None
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as parquet:
            if "user_id" not in parquet.schema_arrow.names:
                return None
            table = parquet.read()
        # a null user_id belongs to no user
        is_hit = pc.fill_null(pc.is_in(table.column("user_id").cast(pa.string()), value_set=ids), False)
    except (OSError, pa.ArrowException):
        return None
    return UserRows(table, is_hit, pc.sum(is_hit).as_py() or 0)
