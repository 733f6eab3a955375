"""The manifest of a run and the day's pointer: their names, and paths in them, which never lead out of the output."""

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transforms.tables.artifacts import is_remote
from transforms.tables.files import read_bytes

MANIFEST = "manifest.json"
POINTER = "CURRENT"
# What each stage of a local run took: one JSON object a line.
STAGES_FILE = "stages.jsonl"
# The run as a page to look at.
REPORT_FILE = "report.html"
_RUN_NAME = re.compile(r"run=[A-Za-z0-9_-][A-Za-z0-9._-]*")


class UnsafePathError(Exception):
    """A manifest or a pointer names something outside the folder that it may speak of."""


def relative_path(path: str, output: str, run_folder: str) -> str:
    """How a manifest names a path: from the run's folder where it lies below the output, so that this can be moved."""
    return posixpath.relpath(path, run_folder) if path.startswith(f"{output}/") else path


def resolve_path(path: str, output: str, run_folder: str) -> str:
    """Where a path of a manifest lies (UnsafePathError: not below the output)."""
    full = path if is_remote(path) or path.startswith("/") else f"{run_folder}/{path}"
    if _is_below(full, output):
        scheme, colon, rest = full.rpartition("://")
        return f"{scheme}{colon}{posixpath.normpath(rest)}"
    raise UnsafePathError(f"{run_folder}/{MANIFEST} names {path}, which is not below {output}")


def _is_below(path: str, output: str) -> bool:
    if is_remote(output):
        scheme, _, root = output.partition("://")
        start, _, rest = path.partition("://")
        return start == scheme and posixpath.normpath(rest).startswith(f"{posixpath.normpath(root)}/")
    # links are followed: one that leads elsewhere is as bad as a path that does
    return not is_remote(path) and Path(path).resolve().is_relative_to(Path(output).resolve())


def read_manifest(output: str, run_folder: str) -> dict[str, Any]:
    """What a run says of itself, with its artifacts where they lie.

    Raises:
        FileNotFoundError: the run is not whole.
        UnsafePathError: a path in it leads out of the output.
    """
    manifest: dict[str, Any] = json.loads(read_bytes(f"{run_folder}/{MANIFEST}"))
    for path in table_files(manifest):
        resolve_path(path, output, run_folder)
    return manifest


def table_files(manifest: Mapping[str, Any]) -> list[str]:
    """The paths of the tables' files, as the manifest names them."""
    return [file["path"] for table in manifest["tables"].values() for file in table["files"]]


def parse_pointer(pointer: bytes, day_folder: str) -> str:
    """The run that a pointer names (UnsafePathError: its content is no run's name)."""
    name = pointer.decode(errors="replace").strip()
    if not _RUN_NAME.fullmatch(name):
        raise UnsafePathError(f"{day_folder}/{POINTER} names {name[:80]!r}, which is no run")
    return name
