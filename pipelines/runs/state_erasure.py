"""homeshelf erase: take users out of a state, from which the next runs would have them."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pyarrow.compute as pc

from pipelines.inputs.run_folders import RunListing
from pipelines.options.clock import utc_now
from pipelines.runs.searches import UserSearch, user_rows
from transforms.publishing.erasures import ERASURES_FOLDER, record_erasure
from transforms.publishing.run_paths import DamagedFileError
from transforms.state.state_days import EVENTS_FOLDER, StateDay, StateFile, day_path, list_days, read_day, rechain
from transforms.tables.files import list_files, parquet_bytes, read_bytes, remove_files, write_atomically


def named_states(found: RunListing) -> list[str]:
    """Return the states that the runs of an output were started with."""
    options = [run.manifest.options for run in found.runs if run.manifest]
    return sorted({one["state"].rstrip("/") for one in options if one.get("state")})


def erase_from_state(state: str, search: UserSearch) -> "Counter[str]":
    """Rewrite the files of a state that hold the users, then its days; return how many rows and files that were.

    Files that no day names are removed: failed attempts left them, and a run at work will not add its day any more.
    While a day cannot be read they stay, as it may name them. The days are written after the files, so that an erasure
    that died can be done again.
    """
    record_erasure(state, utc_now(), len(search.ids))
    days, counts = _readable_days(state), Counter[str]()
    named = {file.path for day in days for file in day.files}
    found = {file.path.removeprefix(f"{state}/") for file in list_files(f"{state}/{EVENTS_FOLDER}")}
    if len(days) == len(list_days(state)):
        remove_files([f"{state}/{path}" for path in found - named])
    written = {}
    for path in sorted(found & named):
        content = read_bytes(f"{state}/{path}")
        rows = user_rows(content, search.as_array)
        if rows is None:
            continue
        if rows.num_hits:
            content = parquet_bytes(rows.table.filter(pc.invert(rows.is_hit)))
            write_atomically(f"{state}/{path}", content)
            counts += Counter(rows=rows.num_hits, rewritten=1)
        num_rows = len(rows.table) - rows.num_hits
        written[path] = StateFile(0, path, num_rows, len(content), hashlib.sha256(content).hexdigest())
    rechain(state, [replace(day, files=tuple(_restated(file, written) for file in day.files)) for day in days])
    return counts


def _restated(file: StateFile, written: dict[str, StateFile]) -> StateFile:
    """Return what a day states of a file as it is now."""
    now = written.get(file.path, file)
    return replace(file, rows=now.rows, bytes=now.bytes, sha256=now.sha256)


def _readable_days(state: str) -> list[StateDay]:
    days = []
    for day in list_days(state):
        try:
            days.append(read_day(state, day))
        except (DamagedFileError, OSError):
            # the search that follows names it
            continue
    return days


def unproven_in_state(state: str, search: UserSearch) -> Iterator[tuple[str, str]]:
    """Yield each file of a state that is not proven clean, and why: it names a user, or no run or erasure wrote it."""
    days = _readable_days(state)
    named = {f"{state}/{file.path}": file.sha256 for day in days for file in day.files}
    own = {day_path(state, day.day) for day in days}
    for file in list_files(state):
        try:
            content = read_bytes(file.path)
        except FileNotFoundError:
            continue
        except OSError:
            yield file.path, "it cannot be read"
            continue
        if file.path in named:
            rows = user_rows(content, search.as_array)
            if rows is None or rows.num_hits or hashlib.sha256(content).hexdigest() != named[file.path]:
                yield file.path, "it holds rows of the users, or is not what its day states"
        elif file.path not in own and file.path.split("/")[-2] != ERASURES_FOLDER:
            yield file.path, "no day of the state names it"
        elif spelling := search.in_names(content):
            yield file.path, f"it names {spelling}"
