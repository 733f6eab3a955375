"""Warnings and tracebacks, of libraries too: they go to --log_file, and with -v to standard error, else nowhere."""

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipelines.options.options import UsageError
from pipelines.options.parsing import FlagParser

FLAGS = {
    "-v": "prints warnings and tracebacks to standard error",
    "--log_file=PATH": "appends them to a file",
}
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_failures = logging.getLogger("homeshelf_failures")


@contextmanager
def diagnosed(argv: Sequence[str]) -> Iterator[list[str]]:
    """Yield the flags of a command without those of FLAGS, which hold within the block.

    Raises:
        UsageError: the file cannot be written.
    """
    parser = FlagParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("--log_file", default="")
    given, rest = parser.parse_known_args(argv)
    root, hooks = logging.getLogger(), (threading.excepthook, sys.unraisablehook)
    handlers = _handlers(given.v, given.log_file)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
    threading.excepthook, sys.unraisablehook = _log_uncaught, _log_uncaught
    try:
        yield rest
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def log_traceback(error: BaseException) -> None:
    """Log an error that ends a command."""
    _failures.error("%s", error, exc_info=error)


def _handlers(is_verbose: bool, log_file: str) -> list[logging.Handler]:
    # without any handler, logging prints warnings itself
    handlers: list[logging.Handler] = [logging.StreamHandler() if is_verbose else logging.NullHandler()]
    try:
        return [*handlers, logging.FileHandler(log_file)] if log_file else handlers
    except OSError as error:
        raise UsageError(f"--log_file={log_file}: {error.strerror}") from error


def _log_uncaught(args: "threading.ExceptHookArgs | sys.UnraisableHookArgs") -> None:
    """Log what a thread or a finalizer did not catch, instead of printing it."""
    error = args.exc_value
    _failures.warning("not caught: %s", error, exc_info=error)
