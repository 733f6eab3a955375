"""File names of a published run, and paths in its manifest, which never lead out of the output folder."""

import posixpath
import re
from pathlib import Path

from transforms.tables.artifacts import is_remote

MANIFEST = "manifest.json"
# In the folder of a day: names the run that consumers read.
POINTER = "CURRENT"
# Seconds, rows and memory of each stage of a local run: one JSON object a line.
STAGES_FILE = "stages.jsonl"
# What a run says of itself before it starts: process, inputs, what it borrows of other runs.
STARTED_FILE = "started.json"
# The HTML page that `homeshelf report` writes.
REPORT_FILE = "report.html"
# What lies in the folder of a run. Artifacts have a folder of their own each, which the manifest names.
RUN_FILES = (
    ("pages/", "the pages: Parquet"),
    ("cards/", "the cards of all pages, a row each, with titles and artists: Parquet"),
    ("candidates/", "the scored candidates of each user: Parquet"),
    ("candidate_features/", "all features of the candidates of a sample of users: Parquet"),
    (
        "queues/",
        "what plays next from starts, albums, artists and sessions, of runs for the surface now_playing: Parquet",
    ),
    ("seeds/", "what queues go on from, of runs for the surface now_playing: Parquet"),
    ("successors/", "the likeliest next tracks of each track, of runs for the surface now_playing: Parquet"),
    ("rejected/", "the events that cleaning rejected: Parquet"),
    *(
        (f"rejected_{table}/", f"the {table} that cleaning rejected, where the run reads such a table: Parquet")
        for table in ("impressions", "tracks", "users")
    ),
    ("features/", "the examples that the ranker was trained on: Parquet"),
    ("holdout/", "the examples that it was evaluated on: Parquet"),
    ("models/", "rankers, with their reports; --ranker takes a folder below, or that of the run"),
    ("blends/", "the weights that rank candidates before the ranker"),
    ("embeddings/", "vectors of the two towers as of each moment; --embeddings takes a folder below"),
    ("catalogs/", "statistics and neighbours of all tracks as of each moment"),
    ("tracks/", "the track table, with a code for each id"),
    ("successor_lists/", "the successors of all tracks, as queues look them up"),
    ("skips/", "the chances of a skip and of a completion, with a report"),
    ("checkpoints/", "states of a training that was killed; a finished one removes them"),
    (
        STARTED_FILE,
        "written first, and each minute: the process of the run, its inputs, what it borrows",
    ),
    (STAGES_FILE, "rows, seconds and memory of each stage of a local run: a JSON object a line"),
    (REPORT_FILE, "the page of homeshelf report"),
    (MANIFEST, "written last, once all else is whole"),
)
_RUN_NAME = re.compile(r"run=[A-Za-z0-9_-][A-Za-z0-9._-]*")


class DamagedFileError(Exception):
    """A file of a published run is not what a run writes; the message says why."""


class UnsafePathError(DamagedFileError):
    """A manifest or a pointer names a path outside the output folder."""


def relative_path(path: str, output: str, run_folder: str) -> str:
    """Return a path as a manifest stores it: relative to the run's folder if below the output, which can then move."""
    return posixpath.relpath(path, run_folder) if path.startswith(f"{output}/") else path


def resolve_path(path: str, output: str, run_folder: str) -> str:
    """Return the full path behind a path of a manifest (UnsafePathError: it is not below the output)."""
    full = path if is_remote(path) or path.startswith("/") else f"{run_folder}/{path}"
    if is_below(full, output):
        scheme, colon, rest = full.rpartition("://")
        return f"{scheme}{colon}{posixpath.normpath(rest)}"
    raise UnsafePathError(f"{run_folder}/{MANIFEST} names {path}, which is not below {output}")


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder or lies in it, however both are written."""
    if is_remote(folder):
        scheme, _, root = folder.partition("://")
        start, _, rest = path.partition("://")
        return start == scheme and f"{posixpath.normpath(rest)}/".startswith(f"{posixpath.normpath(root)}/")
    # links are followed: one that leads elsewhere is as bad as a path that does
    try:
        return not is_remote(path) and Path(path).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError, ValueError):
        # links in a circle, or characters that no path has
        return False


def parse_pointer(pointer: bytes, day_folder: str) -> str:
    """Return the run that a day's pointer names (UnsafePathError: the content is not the name of a run)."""
    name = pointer.decode(errors="replace").strip()
    if not _RUN_NAME.fullmatch(name):
        raise UnsafePathError(f"{day_folder}/{POINTER} names {name[:80]!r}, which is no run")
    return name
