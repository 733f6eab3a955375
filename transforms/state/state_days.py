"""The days of a state: which files hold the events that had arrived by the end of each, and what they must contain.

    STATE/days/2026-01-05.json           the day: names its files; a run as of a later day starts from the newest before
    STATE/events/ds=DAY/run=ID/bucket-*  sorted events of a bucket: of one day, or of all days up to it

Files are never changed after a day names them, but by an erasure. A day that is run again replaces its own name and
files only, and a run never reads the day that it writes: an attempt that died leaves files that nothing names.
"""

import hashlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from transforms.publishing.json_records import read_record
from transforms.publishing.run_paths import DamagedFileError
from transforms.tables.files import list_files, read_bytes, remove_files, write_atomically

DAYS_FOLDER, EVENTS_FOLDER = "days", "events"
# Days that are kept, so that runs of the last two weeks can be repeated.
_KEPT_DAYS = 14
_COMPACTION_DAYS = 7
_SUFFIX = ".json"


@dataclass(frozen=True)
class StateFile:
    """Events of one bucket in one file; path: from the folder of the state. is_base: it holds all days before, too."""

    bucket: int
    path: str
    rows: int
    bytes: int
    sha256: str
    is_base: bool = False


@dataclass(frozen=True)
class StateDay:
    """All events that had arrived by the end of a day.

    before: the day that this one was added to; empty: none. before_digest: its digest as it then was. files: of each
    bucket, the oldest first.
    """

    day: str
    num_buckets: int
    before: str = ""
    before_digest: str = ""
    files: tuple[StateFile, ...] = ()

    @property
    def digest(self) -> str:
        """Return a hash of the files: a day that is run again with the same events has the same digest."""
        content = [self.num_buckets, *([file.bucket, file.sha256] for file in self.files)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def num_rows(self) -> int:
        """Return the number of events."""
        return sum(file.rows for file in self.files)

    def with_files(self, added: Sequence[StateFile]) -> tuple[StateFile, ...]:
        """Return the files of this day and those of a later one; a base stands for all earlier files of its bucket."""
        has_base = {file.bucket for file in added if file.is_base}
        kept = [file for file in self.files if file.bucket not in has_base]
        return tuple(sorted((*kept, *added), key=lambda file: (file.bucket, file.path)))


@dataclass(frozen=True)
class StatePlan:
    """Plan of adding the day of a run to a state.

    path: of the state. day: of the run. run: its folder's name. num_buckets: of the state. earlier: the day that this
    one is added to; None: this is the first.
    """

    path: str
    day: str
    run: str
    num_buckets: int
    earlier: StateDay | None = None

    def path_of(self, bucket: int, sha256: str) -> str:
        """Return the path of a bucket's file, from the folder of the state: another content is another file."""
        return f"{EVENTS_FOLDER}/ds={self.day}/{self.run}/bucket-{bucket:05d}-{sha256[:12]}.parquet"

    def files_of(self, bucket: int) -> list[StateFile]:
        """Return the files of a bucket of all earlier days."""
        return [file for file in self.earlier.files if file.bucket == bucket] if self.earlier else []

    def is_compacted(self, bucket: int) -> bool:
        """Return whether this is the day on which all files of a bucket become one."""
        return (bucket + date.fromisoformat(self.day).toordinal()) % _COMPACTION_DAYS == 0


def day_path(state: str, day: str) -> str:
    """Return the path of a day's JSON."""
    return f"{state}/{DAYS_FOLDER}/{day}{_SUFFIX}"


def list_days(state: str) -> list[str]:
    """Return the days of a state, the oldest first."""
    paths = (file.path.rpartition("/")[2] for file in list_files(f"{state}/{DAYS_FOLDER}"))
    return sorted(path.removesuffix(_SUFFIX) for path in paths if path.endswith(_SUFFIX) and not path.startswith("."))


def newest_before(state: str, day: str) -> str:
    """Return the newest day of a state before a day; empty: there is none."""
    return max((one for one in list_days(state) if one < day), default="")


def read_day(state: str, day: str) -> StateDay:
    """Read a day (FileNotFoundError: there is none; DamagedFileError: it is not what a run writes)."""
    path = day_path(state, day)
    content = _read_json(path)
    try:
        found = read_record(StateDay, content)
    except DamagedFileError as error:
        raise DamagedFileError(f"{path}: {error}") from error
    for file in found.files:
        inside = posixpath.normpath(file.path) == file.path and file.path.startswith(f"{EVENTS_FOLDER}/")
        if not inside or not 0 <= file.bucket < found.num_buckets:
            raise DamagedFileError(f"{path} names {file.path}, which is no file of its buckets")
    return found


def _read_json(path: str) -> Mapping[str, Any]:
    """Read an object (DamagedFileError: it is none)."""
    try:
        found = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: {error}") from error
    if not isinstance(found, Mapping):
        raise DamagedFileError(f"{path} holds no object")
    return found


def save_day(state: str, day: StateDay) -> None:
    """Write a day; from now on runs of later days start from it."""
    content = {**asdict(day), "digest": day.digest}
    write_atomically(day_path(state, day.day), json.dumps(content, indent=1).encode())


def check_chain(state: str, day: StateDay) -> None:
    """Check that no day was added, or run again with other events, after a later one was added (DamagedFileError)."""
    known, name, before, digest = list_days(state), day.day, day.before, day.before_digest
    while not (reason := _added_between(known, before, name)) and before in known and before < name:
        earlier = _read_json(day_path(state, before))
        if earlier.get("digest") != digest:
            reason = f"{before} was run again with other events since {name} was added to it"
            break
        name, before, digest = before, str(earlier.get("before")), str(earlier.get("before_digest"))
    if reason:
        raise DamagedFileError(f"{day_path(state, name)}: {reason}: run {name} and the days after it again")


def _added_between(known: Sequence[str], before: str, day: str) -> str:
    """Return a sentence on a day between one and that which it was added to; empty: there is none."""
    return next((f"{one} was added after {day}, which may lack its events" for one in known if before < one < day), "")


def rechain(state: str, changed: Sequence[StateDay]) -> None:
    """Write days whose files an erasure changed, the oldest first, each with the new digest of the one before."""
    digests: dict[str, str] = {}
    for day in changed:
        known = digests.get(day.before, day.before_digest)
        digests[day.day] = day.digest
        save_day(state, replace(day, before_digest=known))


def drop_old_days(state: str) -> None:
    """Remove all but the newest days, and the files up to them that no other day names.

    A day that cannot be read may name any file: until it is run again, nothing is removed.
    """
    days = list_days(state)
    old, kept = days[:-_KEPT_DAYS], days[-_KEPT_DAYS:]
    if not old:
        return
    try:
        named = {f"{state}/{file['path']}" for day in kept for file in _read_json(day_path(state, day))["files"]}
    except (DamagedFileError, OSError, LookupError, TypeError):
        return
    # days first: what is not named any more may then be absent
    remove_files([day_path(state, day) for day in old])
    files = [file.path for file in list_files(f"{state}/{EVENTS_FOLDER}")]
    last = f"{state}/{EVENTS_FOLDER}/ds={old[-1]}/"
    remove_files([path for path in files if path not in named and path < f"{last}\U0010ffff"])
