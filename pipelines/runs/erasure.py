"""homeshelf erase: take users out of all published runs, and check that none is left."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.run_folders import RunFolder, list_run_folders
from pipelines.options.clock import hours_ago, utc_now
from pipelines.options.housekeeping_options import EraseOptions
from pipelines.runs.housekeeping import parse_with_beam
from pipelines.runs.prune import delete_run
from transforms.events.drop_erased import ERASED, union_erased
from transforms.publishing.manifest import Erasure, TableFile
from transforms.publishing.run_paths import MANIFEST, resolve_path
from transforms.tables.columns import to_frame
from transforms.tables.files import ListedFile, parquet_bytes, read_bytes, write_atomically
from transforms.tables.read_tables import read_row_group


class ScannedFile(NamedTuple):
    """A Parquet file with a user_id: path, content, table, and the rows of users to be erased."""

    path: str
    content: bytes
    table: pa.Table
    is_hit: pa.ChunkedArray
    num_hits: int


def erase_users(argv: Sequence[str]) -> int:
    """Rewrite the published runs, delete unfinished ones, scan all files again; return 1 if a row is left."""
    options = parse_with_beam(EraseOptions, argv)
    ids = erased_ids(options.users)
    counts: Counter[str] = Counter()
    for run in list_run_folders(options.output).runs:
        counts += erase_run(run, ids, hours_ago(options.grace_hours))
    files = hits = 0
    for run in list_run_folders(options.output).runs:
        for scanned in scan_files(run.files, ids):
            files, hits = files + 1, hits + scanned.num_hits
            if scanned.num_hits:
                print(f"{scanned.path}: {scanned.num_hits} rows of a run still at work; run this again when it is done")
    print(f"users to forget: {len(ids):,}")
    print(f"files scanned: {files:,} with users in them, after {counts['files']:,} before")
    print(f"rows removed: {counts['rows']:,}, from {counts['rewritten']:,} files; runs deleted: {counts['deleted']:,}")
    print(f"hits left: {hits:,}")
    return 1 if hits else 0


def erased_ids(path: str) -> pa.Array:
    """Read the distinct ids of a Parquet file, a folder or a pattern (UsageError: no file, or no user_id in it)."""
    row_groups = inspect_input("users", path, None, schema=ERASED).row_groups
    tables = [table for one in row_groups for table in read_row_group(one, schema=ERASED, column_mapping={})]
    found = union_erased(pl.concat([ERASED.frame().cast(pl.String), *(to_frame(t).cast(pl.String) for t in tables)]))
    return found["user_id"].to_arrow().cast(pa.string())


def erase_run(run: RunFolder, ids: pa.Array, before: float) -> "Counter[str]":
    """Take users out of one run; return how many files, rows and rewritten files there were, and deleted runs.

    The manifest is written after the files, so that a run whose erasure died can be erased again.
    """
    counts: Counter[str] = Counter()
    rewritten: dict[str, TableFile] = {}
    for scanned in scan_files(run.files, ids):
        counts["files"] += 1
        if run.manifest is None and scanned.num_hits and run.last_written < before:
            delete_run(run)
            return counts + Counter(rows=scanned.num_hits, deleted=1)
        if run.manifest is None:
            continue
        content, rows = scanned.content, len(scanned.table) - scanned.num_hits
        if scanned.num_hits:
            content = parquet_bytes(scanned.table.filter(pc.invert(scanned.is_hit)))
            write_atomically(scanned.path, content)
            counts += Counter(rows=scanned.num_hits, rewritten=1)
        rewritten[scanned.path] = TableFile(scanned.path, rows, len(content), hashlib.sha256(content).hexdigest())
    if run.manifest is not None:
        _update_manifest(run, rewritten, counts["rows"])
    return counts


def _update_manifest(run: RunFolder, rewritten: Mapping[str, TableFile], rows: int) -> None:
    """Write rows, sizes and hashes of the files into the manifest; all else stays, whatever version wrote it."""
    manifest = json.loads(read_bytes(f"{run.path}/{MANIFEST}"))
    before = json.dumps(manifest["tables"])
    for table in manifest["tables"].values():
        for file in table["files"]:
            found = rewritten.get(resolve_path(file["path"], run.output, run.path))
            if found:
                file.update({"rows": found.rows, "bytes": found.bytes, "sha256": found.sha256})
        table["rows"] = sum(file["rows"] for file in table["files"])
    if json.dumps(manifest["tables"]) != before:
        manifest.setdefault("erasures", []).append(asdict(Erasure(utc_now(), rows)))
        write_atomically(f"{run.path}/{MANIFEST}", json.dumps(manifest, indent=1).encode())


def scan_files(files: Sequence[ListedFile], ids: pa.Array) -> Iterator[ScannedFile]:
    """Yield the Parquet files that have a user_id, those of dead attempts included."""
    for file in files:
        if not file.path.endswith(".parquet") and ".parquet." not in file.path:
            continue
        content = read_bytes(file.path)
        with pq.ParquetFile(pa.BufferReader(content)) as parquet:
            if "user_id" not in parquet.schema_arrow.names:
                continue
            table = parquet.read()
        # a null user_id belongs to no user
        is_hit = pc.fill_null(pc.is_in(table.column("user_id"), value_set=ids), False)
        yield ScannedFile(file.path, content, table, is_hit, pc.sum(is_hit).as_py() or 0)
