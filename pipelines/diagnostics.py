"""Warnings and tracebacks, of libraries too: they go to --log_file, and with -v to standard error, else nowhere."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipelines.options.common_options import CommonOptions
from pipelines.options.options import UsageError

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_failures = logging.getLogger("homeshelf_failures")

_is_verbose: ContextVar[bool] = ContextVar("is_verbose", default=False)


def is_verbose() -> bool:
    """Return whether -v asks for all that there is to say."""
    return _is_verbose.get()


@contextmanager
def diagnosed(options: CommonOptions) -> Iterator[None]:
    """Log within the block as the flags say (UsageError: the file cannot be written)."""
    root, hooks = logging.getLogger(), (threading.excepthook, sys.unraisablehook)
    handlers = _handlers(options.verbose, options.log_file)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
    threading.excepthook, sys.unraisablehook = _log_uncaught, _log_uncaught
    token = _is_verbose.set(options.verbose)
    try:
        yield
    finally:
        _is_verbose.reset(token)
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
