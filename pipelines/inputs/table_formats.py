"""Refuse files of Delta Lake, Iceberg, Hudi and Paimon: only the log of such a table tells which rows are deleted."""

import os
import re
from collections.abc import Iterable, Iterator

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipelines.options.options import UsageError
from transforms.tables.artifacts import is_remote
from transforms.tables.files import escape_pattern

# Files of the log, from the folder of the table.
_LOGS = {
    "Delta Lake": r"_delta_log/.+",
    "Hudi": r"\.hoodie/.+",
    "Iceberg": r"metadata/(?:[^/]*\.metadata\.json(?:\.gz)?|version-hint\.text)",
    "Paimon": r"snapshot/snapshot-\d+",
}
_LOG_FOLDERS = ("_delta_log", ".hoodie", "metadata", "snapshot")


def check_no_table_format(flag: str, path: str, files: Iterable[str]) -> None:
    """Check that none of the files lies in a table of such a format.

    path: as given; files: all files below it, or those that it matches.

    Raises:
        UsageError: one does; the message names the format and the folder of the table.
    """
    listed = list(files)
    logs = _remote_logs(path) if is_remote(path) else _local_logs({os.path.dirname(file) for file in listed})
    for found in (*listed, *logs):
        for name, log in _LOGS.items():
            if match := re.search(f"^(?:(.*)/)?{log}$", found):
                raise UsageError(
                    f"--{flag}={path}: {match[1] or '.'} is a table of {name}, and its files still hold rows that"
                    " are deleted there; export its rows to plain Parquet, and give that"
                )


def _local_logs(folders: set[str]) -> Iterator[str]:
    """Yield the files of all logs beside the folders or above them, where links lead to as well."""
    above: set[str] = set()
    for folder in {os.path.abspath(folder) for folder in folders} | {os.path.realpath(folder) for folder in folders}:
        while folder not in above:
            above.add(folder)
            folder = os.path.dirname(folder)
    for folder in sorted(above):
        for name in _LOG_FOLDERS:
            if os.path.isdir(log := os.path.join(folder, name)):
                yield from (os.path.join(log, file) for file in os.listdir(log))


def _remote_logs(path: str) -> Iterator[str]:
    """Yield a file of each log in a folder above a path without wildcards; what is below it is listed anyway."""
    start = path.index("://") + 3
    parts = re.split(r"[*?\[]", path)[0][start:].rstrip("/").split("/")
    above = [f"{path[:start]}{'/'.join(parts[:size])}" for size in range(1, len(parts) + 1)]
    patterns = [f"{escape_pattern(folder)}/{name}/*" for folder in above for name in _LOG_FOLDERS]
    try:
        matched = FileSystems.match(patterns)
    except BeamIOError:
        # who may read the path need not be allowed to list what is above it
        return
    yield from (file.path for result in matched for file in result.metadata_list)
