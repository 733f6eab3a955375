"""Worker processes on this machine (--direct_running_mode=multi_processing): the death of one ends the run.

Beam's local runner notices a dead worker where it waits for elements from it. Where it waits for the end of a bundle
only, as in the last stage of a graph, it would wait for ever.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from rich.console import Console

from transforms.tables.failures import RunFailedError

# seconds; what the runner notices by itself, it notices within a few
PATIENCE = 15.0
DIED = "a worker process died; the pointer moves last, so what is published is whole: start the run again"
# what Beam names the thread that waits for the end of a worker process, and the program of that
_THREAD, _PROGRAM = "run_worker", "sdk_worker_main"


class WorkerDiedError(RunFailedError):
    """A worker process died; nothing was published."""


@contextmanager
def watch_workers() -> Iterator[None]:
    """Raise WorkerDiedError where a worker process dies within the block; no worker outlives a block that fails.

    Where the runner has not noticed after PATIENCE, the main thread cannot be woken: this process then says what
    happened and ends with the exit status of WorkerDiedError.
    """
    has_died, is_over, inherited = threading.Event(), threading.Event(), threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.thread is None or args.thread.name != _THREAD:
            inherited(args)
        elif not has_died.is_set():
            has_died.set()
            threading.Thread(target=give_up, daemon=True).start()

    def give_up() -> None:
        if not is_over.wait(PATIENCE):
            _kill_workers()
            Console().show_cursor()
            print(f"homeshelf: failed: {DIED}", file=sys.stderr, flush=True)
            os._exit(WorkerDiedError.exit_status)

    threading.excepthook = hook
    try:
        yield
    except Exception as error:
        died = has_died.is_set()
        _kill_workers()
        if died:
            raise WorkerDiedError(DIED) from error
        raise
    finally:
        is_over.set()
        threading.excepthook = inherited


def _kill_workers() -> None:
    """Kill the worker processes that are left, and wait until the threads that wait for them have ended."""
    for child in psutil.Process().children(recursive=True):
        try:
            if _PROGRAM in " ".join(child.cmdline()):
                child.kill()
        except psutil.NoSuchProcess:
            continue
    for thread in threading.enumerate():
        if thread.name == _THREAD:
            thread.join(timeout=PATIENCE)
