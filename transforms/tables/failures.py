"""Errors that are no bugs: a command ends with their one line and their exit status instead of a traceback.

A worker process passes an exception on as text: a traceback, to which the runner adds words of its own. So a
RunFailedError marks its message, wherever it is raised and however it is wrapped, and find_failure() alone reads the
mark:

    ...transforms.publishing.gates.GateFailedError: <homeshelf-failure 3>auc is 0.4, at least 0.5</homeshelf-failure>
    [while running 'PublishRun/Map(publish_run)']
"""

import errno
import os
import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

_MARK = re.compile(r"<homeshelf-failure ([1-9])>(.*?)</homeshelf-failure>", re.DOTALL)
# The last line of a traceback: the name of an exception and its message.
_ERROR_LINE = re.compile(r"(\w+\.)*\w+(Error|Exception|Exit|Interrupt): ")
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class HomeshelfError(Exception):
    """An error whose message is for the user."""

    exit_status: ClassVar[int] = 1
    label: ClassVar[str] = "failed"

    @property
    def message(self) -> str:
        """Return the line to show."""
        return str(self)


class RunFailedError(HomeshelfError):
    """The run failed, and the pointer was not moved."""

    def __init__(self, text: str) -> None:
        """Mark a message, unless it has a mark: of an inner failure, or because Beam builds the exception again."""
        super().__init__(
            text if _MARK.search(text) else f"<homeshelf-failure {self.exit_status}>{text}</homeshelf-failure>"
        )

    @property
    def message(self) -> str:
        """Return the message without the mark."""
        found = _MARK.search(str(self))
        return found[2] if found else str(self)


class DiskFullError(RunFailedError):
    """The disk is full, or a quota or the largest file size is reached; nothing was published."""


class UnreadableFileError(RunFailedError):
    """An input file cannot be read although its footer could; nothing was published."""


class Failure(NamedTuple):
    """A failure that was found behind an error: exit status, first word of the line, and message."""

    exit_status: int
    label: str
    message: str


def find_failure(error: BaseException) -> Failure | None:
    """Find the HomeshelfError that an error is, was caused by, or carries as text from a worker; None: it is a bug."""
    for one in _chain(error):
        if isinstance(one, HomeshelfError) and not isinstance(one, RunFailedError):
            return Failure(one.exit_status, one.label, one.message)
        if mark := _MARK.search(str(one)):
            # a reason from elsewhere may have several lines
            return Failure(int(mark[1]), RunFailedError.label, " ".join(mark[2].split()))
    return None


def last_error_line(error: BaseException) -> str:
    """Return an error in one line: of one that a worker passed on as a traceback, the line that names the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if _ERROR_LINE.match(line)]
    if named:
        return named[-1]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or one behind it, is the kernel's refusal to write more.

    Polars and TensorFlow raise errors of their own without an errno; they have the kernel's words.
    """
    return any(
        one.errno in _DISK_FULL
        if isinstance(one, OSError) and one.errno is not None
        else any(os.strerror(code) in str(one) for code in _DISK_FULL)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
