"""homeshelf erase: take users out of all published runs and their states, and prove that no file names one."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.inputs.announcements import is_at_work
from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.beam_flags import use_object_stores
from pipelines.options.clock import hours_ago, utc_now
from pipelines.options.housekeeping_options import EraseOptions
from pipelines.rendering.output import say
from pipelines.rendering.plain_text import printable
from pipelines.rendering.steps import shown_steps
from pipelines.runs.prune import delete_run
from pipelines.runs.searches import UnsearchableError, UserSearch, user_rows
from pipelines.runs.state_erasure import erase_from_state, named_states, unproven_in_state
from transforms.events.drop_erased import ERASED, union_erased
from transforms.publishing.erasures import ERASURES_FOLDER, record_erasure
from transforms.publishing.manifest import Erasure, TableFile
from transforms.publishing.run_paths import MANIFEST, POINTER, STAGES_FILE, STARTED_FILE, resolve_path
from transforms.publishing.stated_files import find_changes
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import to_frame
from transforms.tables.files import ListedFile, list_files, parquet_bytes, read_bytes, write_atomically

# Files that hold names and numbers of a run; an id of digits only stands in them by chance.
_OWN_FILES = (POINTER, STAGES_FILE, STARTED_FILE)


def erase_users(options: EraseOptions, beam_flags: Sequence[str]) -> int:
    """Rewrite the published runs, delete unfinished ones, search all files; return 1 if one is not proven clean."""
    use_object_stores(beam_flags)
    ids, before = erased_ids(options.erased_users), hours_ago(options.grace_hours)
    search, output = UserSearch(tuple(ids.to_pylist())), options.output.rstrip("/")
    if not list_files(output):
        say(f"no file below {output}")
        return 0
    # first: a run that publishes from now on sees that its users may be among these
    record_erasure(output, utc_now(), len(ids))
    counts: Counter[str] = Counter()
    with shown_steps() as step:
        runs = list_run_folders(output).runs
        for number, run in enumerate(runs, 1):
            step(f"run {number:,} of {len(runs):,}: {run.path}")
            if not is_at_work(run, before):
                counts += erase_run(run, search)
        found = list_run_folders(output)
        states = sorted({*named_states(found), *filter(None, [options.state.rstrip("/")])})
        for state in states:
            step(f"state {state}")
            counts += erase_from_state(state, search)
        step("search of all files")
        at_work = [run for run in found.runs if is_at_work(run, before)]
        left = [*unproven_files(found, at_work, search)]
        left += [one for state in states for one in unproven_in_state(state, search)]
    for path, why in left:
        print(printable(f"{path}: {why}"))
    for run in at_work:
        print(
            f"{run.path}: still at work, and may hold the users; it will not publish: run this again when it has ended"
        )
    print(f"users to forget: {len(ids):,}")
    print(f"rows removed: {counts['rows']:,}, from {counts['rewritten']:,} files; runs deleted: {counts['deleted']:,}")
    print(f"hits left: {len(left) + len(at_work):,}")
    return 1 if left or at_work else 0


def erased_ids(path: str) -> pa.Array:
    """Read the distinct ids of a file, a folder or a pattern (UsageError: no file, or no user_id in it)."""
    row_groups = inspect_input("users", path, None, schema=ERASED).row_groups
    tables = [table for one in row_groups for table in read_row_group(one, schema=ERASED, column_mapping={})]
    found = union_erased(pl.concat([ERASED.frame().cast(pl.String), *(to_frame(t).cast(pl.String) for t in tables)]))
    return found["user_id"].to_arrow().cast(pa.string())


def erase_run(run: RunFolder, search: UserSearch) -> "Counter[str]":
    """Take users out of one run that is not at work; return how many rows and files that were, and deleted runs.

    The manifest is written after the files, so that a run whose erasure died can be erased again. An unfinished run is
    deleted if it holds a user, or a file that cannot be searched.
    """
    counts: Counter[str] = Counter()
    if run.state == "unfinished":
        if any(_why_unproven(file, run, search) for file in run.files):
            delete_run(run)
            counts["deleted"] += 1
        return counts
    rewritten: dict[str, TableFile] = {}
    for file in run.files:
        content = _content(file) or b""
        rows = user_rows(content, search.as_array)
        if rows is None:
            continue
        num_rows = len(rows.table) - rows.num_hits
        if rows.num_hits:
            content = parquet_bytes(rows.table.filter(pc.invert(rows.is_hit)))
            write_atomically(file.path, content)
            counts += Counter(rows=rows.num_hits, rewritten=1)
        digest = hashlib.sha256(content).hexdigest()
        rewritten[file.path] = TableFile(file.path, num_rows, len(content), digest)
    if run.manifest is not None:
        _update_manifest(run, rewritten, counts["rows"])
    return counts


def _update_manifest(run: RunFolder, rewritten: Mapping[str, TableFile], rows: int) -> None:
    """Write rows, sizes and hashes of the files into the manifest; all else stays, whatever version wrote it."""
    try:
        manifest = json.loads(read_bytes(f"{run.path}/{MANIFEST}"))
    except FileNotFoundError:
        # a prune deletes the run
        return
    before = json.dumps(manifest["tables"])
    for table in manifest["tables"].values():
        for file in table.get("files", ()):
            found = rewritten.get(resolve_path(file["path"], run.output, run.path))
            if found:
                file.update({"rows": found.rows, "bytes": found.bytes, "sha256": found.sha256})
        table["rows"] = sum(file.get("rows", 0) for file in table.get("files", ()))
    if json.dumps(manifest["tables"]) != before:
        manifest.setdefault("erasures", []).append(asdict(Erasure(utc_now(), rows)))
        write_atomically(f"{run.path}/{MANIFEST}", json.dumps(manifest, indent=1).encode())


def unproven_files(found: RunListing, at_work: Sequence[RunFolder], search: UserSearch) -> Iterator[tuple[str, str]]:
    """Yield each file below the output, but those of runs at work, that names a user or cannot be searched, and why."""
    runs = {run.path: run for run in found.runs}
    for file in list_files(found.output):
        parts = file.path.removeprefix(f"{found.output}/").split("/")
        run = runs.get("/".join([found.output, *parts[:2]]))
        if run not in at_work and (why := _why_unproven(file, run, search)):
            yield file.path, why


def _why_unproven(file: ListedFile, run: RunFolder | None, search: UserSearch) -> str:
    """Return why a file is not proven clean; empty: it is."""
    if run is not None and run.manifest is not None and _is_known(file, run, search):
        return ""
    content = _content(file)
    if content is None:
        return "it cannot be read"
    *_, folder, name = file.path.split("/")
    is_own = name in _OWN_FILES or folder == ERASURES_FOLDER
    try:
        spelling = search.in_names(content) if is_own else search.find(content)
    except UnsearchableError as error:
        return str(error)
    return f"it names {spelling}" if spelling else ""


def _is_known(file: ListedFile, run: RunFolder, search: UserSearch) -> bool:
    """Return whether a file of a published run is what the run wrote, which holds users in user_id alone."""
    manifest = run.manifest
    if manifest is None:
        return False
    path = file.path.removeprefix(f"{run.path}/")
    if path == MANIFEST:
        return True
    tables = [one for table in manifest.tables.values() for one in table.files if one.path == path and one.sha256]
    if tables:
        content = _content(file) or b""
        rows = user_rows(content, search.as_array)
        is_same = hashlib.sha256(content).hexdigest() == tables[0].sha256
        return is_same and rows is not None and not rows.num_hits
    for name, files in manifest.artifact_files.items():
        folder = manifest.artifacts.get(name, "")
        stated = [one for one in files if f"{folder}/{one.path}" == path and one.sha256]
        if stated and not any(find_changes(f"{run.path}/{folder}", stated)):
            return True
    return False


def _content(file: ListedFile) -> bytes | None:
    """Return the content of a file, nothing of one deleted since it was listed; None: it cannot be read."""
    try:
        return read_bytes(file.path)
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError) and not os.path.lexists(file.path)
        return b"" if is_gone else None
