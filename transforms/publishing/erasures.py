"""The list of erasures of an output: a run that was at work when users were erased must not publish them again."""

import json
import re
import uuid
from datetime import datetime, timezone

from transforms.tables.failures import RunFailedError
from transforms.tables.files import list_files, write_atomically

ERASURES_FOLDER = "erasures"
# Times of file names sort as texts.
_NAME = re.compile(r"(\d{8}T\d{12}Z)-\w+\.json")


class ErasedMeanwhileError(RunFailedError):
    """Users were erased from the output while the run was at work; nothing was published."""


def record_erasure(output: str, at: str, num_users: int) -> None:
    """Add an erasure to the list, as a file of its own: two commands at once lose none."""
    content = json.dumps({"at": at, "users": num_users})
    write_atomically(f"{output}/{ERASURES_FOLDER}/{_sortable(at)}-{uuid.uuid4().hex[:8]}.json", content.encode())


def check_erasures(output: str, started_at: str) -> None:
    """Check that no user was erased since a run started (ErasedMeanwhileError: one was)."""
    for file in list_files(f"{output}/{ERASURES_FOLDER}"):
        found = _NAME.fullmatch(file.path.rpartition("/")[2])
        if found and found[1] >= _sortable(started_at):
            raise ErasedMeanwhileError(
                f"users were erased from {output} while this run was at work ({file.path}): it may hold them, and"
                " nothing was published; erase again, which deletes its files, then run again"
            )


def _sortable(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
