"""Find the files of an input table: single files, folders and patterns, local or on an object store."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from typing import NamedTuple

from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.table_formats import check_no_table_format
from pipelines.options.options import UsageError
from transforms.publishing.manifest import InputSummary, LeftOut
from transforms.reading.text_files import CSV, JSON_LINES, text_format
from transforms.tables.artifacts import is_remote
from transforms.tables.failures import first_line
from transforms.tables.files import ListedFile, escape_pattern, read_ends, stat_file

_PARQUET = "Parquet"
_PARQUET_NAME = re.compile(r"\.(parquet|parq|pqt|pq)$", re.IGNORECASE)
# as Hive, Impala and Spark name files: 000000_0, data.0, part-00000.c000
_NAME_WITHOUT_SUFFIX = re.compile(r"^[^.~]+(\.c?\d+)?$")
_WILDCARD = re.compile(r"[*?\[]")
_MAGIC = b"PAR1"
_MAX_NAMES = 10
_HIDDEN, _LINKED, _BROKEN = "hidden", "read under another path", "no file"
# A folder of several formats holds copies: the files of the first that it has are read.
_FORMATS = (_PARQUET, CSV, JSON_LINES)


@dataclass(frozen=True)
class FoundFiles:
    """Files of an input table, sorted by path, and the names of those that are left out, by reason."""

    files: tuple[ListedFile, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class _Candidate(NamedTuple):
    """A file that may belong to a table; name: the part of its path that was not given, empty: all was given."""

    file: ListedFile
    name: str


def find_files(flag: str, paths: str) -> FoundFiles:
    """List the files of folders, patterns and single paths, sorted; a file that several paths lead to counts once.

    Raises:
        UsageError: a path has no file of _FORMATS, or lies in a table of a format that marks rows as deleted.
    """
    files: dict[str, ListedFile] = {}
    left_out: dict[str, set[str]] = {}
    for path in _split_paths(paths):
        try:
            candidates = list(_list_remote(path) if is_remote(path) else _list_local(path))
            reasons = _reasons(candidates)
        except (OSError, BeamIOError) as error:
            raise UsageError(f"--{flag}={path}: {first_line(error)}") from error
        check_no_table_format(flag, path, (candidate.file.path for candidate in candidates))
        for (file, name), reason in zip(candidates, reasons, strict=True):
            reason = reason or (_LINKED if files.setdefault(_real(file.path), file).path != file.path else "")
            if reason:
                left_out.setdefault(reason, set()).add(_hidden_part(name) or name or file.path)
        if all(reasons):
            found = InputSummary(left_out=summarize_left_out(_sorted(left_out)))
            raise UsageError(f"--{flag}={path}: no Parquet, CSV or JSON Lines file there ({found.describe()})")
    if not files:
        raise UsageError(f"--{flag} names no file")
    return FoundFiles(tuple(sorted(files.values())), _sorted(left_out))


def _sorted(left_out: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {reason: tuple(sorted(names)) for reason, names in sorted(left_out.items())}


def summarize_left_out(left_out: Mapping[str, tuple[str, ...]]) -> dict[str, LeftOut]:
    """Return the number and the first names of the files of each reason."""
    return {reason: LeftOut(len(names), names[:_MAX_NAMES]) for reason, names in left_out.items()}


def _split_paths(text: str) -> Iterator[str]:
    """Split at commas, but not within a path that exists."""
    parts = text.split(",")
    while parts:
        sizes = (size for size in range(len(parts), 1, -1) if _exists(",".join(parts[:size])))
        size = next(sizes, 1)
        if path := ",".join(parts[:size]).strip():
            yield path
        del parts[:size]


def _exists(path: str) -> bool:
    return not is_remote(path) and os.path.exists(path.strip())


def _list_local(path: str) -> Iterator[_Candidate]:
    """Yield the files of a local path; a path that exists is no pattern, whatever characters it has."""
    if os.path.isfile(path):
        yield _Candidate(stat_file(path), "")
        return
    is_pattern = not os.path.isdir(path)
    fixed = len(_WILDCARD.split(path)[0]) if is_pattern else len(path.rstrip("/")) + 1
    # in a pattern of Beam, ** also stands beside letters
    matches = sorted(glob(re.sub(r"\*\*(?=[^/])", "**/*", path), recursive=True)) if is_pattern else [path]
    for match in matches:
        for file in _walk(match) if os.path.isdir(match) else [match]:
            is_file = os.path.isfile(file)
            yield _Candidate(stat_file(file) if is_file else ListedFile(file, 0, 0.0), file[fixed:])


def _walk(folder: str) -> Iterator[str]:
    """Yield all files below a folder; linked folders and files after others, and each folder once."""
    seen: set[tuple[int, int]] = set()
    waiting: list[str] = [folder.rstrip("/") or "/"]
    linked: list[str] = []
    for top in waiting:
        for path, folders, names in os.walk(top, onerror=_raise):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            links = {name for name in (*folders, *names) if os.path.islink(f"{path}/{name}")}
            waiting += (f"{path}/{name}" for name in sorted(folders) if name in links)
            linked += (f"{path}/{name}" for name in sorted(names) if name in links)
            yield from (f"{path}/{name}" for name in sorted(names) if name not in links)
    yield from linked


def _raise(error: OSError) -> None:
    raise error


def _list_remote(path: str) -> Iterator[_Candidate]:
    """Yield the files of a path on an object store; a path that exists is no pattern."""
    folder, fixed = path.rstrip("/"), len(_WILDCARD.split(path)[0])
    exact, below = FileSystems.match([escape_pattern(path), f"{escape_pattern(folder)}/**"])
    if not (exact.metadata_list or below.metadata_list) and _WILDCARD.search(path):
        yield from (_listed(file, fixed) for file in FileSystems.match([path])[0].metadata_list)
    # the object of a folder itself has a name that ends in /
    yield from (_listed(file, len(file.path)) for file in exact.metadata_list if not file.path.endswith("/"))
    yield from (_listed(file, len(folder) + 1) for file in below.metadata_list if not file.path.endswith("/"))


def _listed(file: FileMetadata, fixed: int) -> _Candidate:
    return _Candidate(ListedFile(file.path, file.size_in_bytes, file.last_updated_in_seconds), file.path[fixed:])


def _real(path: str) -> str:
    return path if is_remote(path) else os.path.realpath(path)


def _reasons(candidates: Sequence[_Candidate]) -> list[str]:
    """Return of each file of a path why it is left out; empty: it is read."""
    formats = [_format(candidate) for candidate in candidates]
    chosen = next((one for one in _FORMATS if one in formats), _PARQUET)
    other = {**dict.fromkeys(_FORMATS, f"not {chosen}"), "": f"not {chosen}", chosen: ""}
    return [other.get(one, one) for one in formats]


def _format(candidate: _Candidate) -> str:
    """Return the format of a file, empty where it is none of _FORMATS, or why it is not even looked at."""
    (path, _, _), name = candidate
    if _hidden_part(name):
        return _HIDDEN
    if not (is_remote(path) or os.path.isfile(path)):
        return _BROKEN
    last = path.rpartition("/")[2]
    if text_format(last):
        return text_format(last)
    if not name or _PARQUET_NAME.search(last):
        return _PARQUET
    is_parquet = _NAME_WITHOUT_SUFFIX.match(last) and read_ends(candidate.file, len(_MAGIC)) == (_MAGIC, _MAGIC)
    return _PARQUET if is_parquet else ""


def _hidden_part(name: str) -> str:
    """Return a name up to its first part that starts with . or _ (but _column=value), as Spark's unfinished files."""
    match = re.match(r"((?:[^/]*/)*?(?:\.|_(?![^/]*=))[^/]*)", name)
    return match[1] if match else ""
