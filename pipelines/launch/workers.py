"""Supervision of worker processes on this machine (--direct_running_mode=multi_processing): a dead one ends the run.

Beam's local runner notices a dead worker while it waits for its elements. While it waits only for the end of a bundle,
as in the last stage of a graph, it would wait for ever.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import psutil
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler, WorkerHandler

from pipelines.rendering.console import error_console
from pipelines.rendering.output import say_error
from transforms.tables.failures import RunFailedError

# Seconds after which the runner will not notice the death by itself.
PATIENCE = 15.0
DIED = "a worker process died; the pointer moves last, so what is published is whole: start the run again"
# What is said when a signal ends the run.
_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
# Name of the thread in which Beam waits for the end of a worker process, and program of that process.
_THREAD, _PROGRAM = "run_worker", "sdk_worker_main"


class WorkerDiedError(RunFailedError):
    """A worker process died; nothing was published."""


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _BoundWorkerHandler(SubprocessSdkWorkerHandler):
    """Starts a worker process that ends with the run, and that Ctrl-C does not reach: a terminal sends it to all."""

    def __init__(self, worker_command_line: bytes, *others: Any) -> None:
        """Take the arguments of Beam's own handler, but start another program."""
        # a folder ./models of the user is not ours
        program = f"PYTHONSAFEPATH=1 exec {shlex.quote(sys.executable)} -m pipelines.launch.{_PROGRAM}"
        command = f"trap '' INT; {program} {os.getpid()}"
        super().__init__(command.encode(), *others)


@contextmanager
def watch_workers(at_signal: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise WorkerDiedError if a worker process dies within the block; kill the others if the block fails.

    Ctrl-C, and SIGTERM, as a scheduler sends it, end this process and its workers after a call of `at_signal`.

    If the runner has not noticed after PATIENCE seconds, the main thread cannot be woken: this process then prints the
    error and ends with the exit status of WorkerDiedError.
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
            error_console().show_cursor()
            say_error(f"failed: {DIED}")
            os._exit(WorkerDiedError.exit_status)

    threading.excepthook = hook
    try:
        with _ended_by_signals(at_signal):
            yield
    except BaseException as error:
        died = has_died.is_set()
        _kill_workers()
        if died:
            raise WorkerDiedError(DIED) from error
        raise
    finally:
        is_over.set()
        threading.excepthook = inherited


@contextmanager
def _ended_by_signals(at_signal: Callable[[], None]) -> Iterator[None]:
    """End this process and its workers when a signal of _SIGNALS comes; only the main thread can ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> NoReturn:
        # at once: Beam makes an error of its own of KeyboardInterrupt, and its threads would keep the interpreter
        _kill_processes()
        with suppress(Exception):
            at_signal()
        with suppress(Exception):
            error_console().show_cursor()
            say_error(_SIGNALS[signal.Signals(number)])
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill_workers() -> None:
    """Kill the remaining worker processes, and wait for the threads that wait for them."""
    _kill_processes()
    for thread in threading.enumerate():
        if thread.name == _THREAD:
            thread.join(timeout=PATIENCE)


def _kill_processes() -> None:
    for child in psutil.Process().children(recursive=True):
        try:
            if _PROGRAM in " ".join(child.cmdline()):
                child.kill()
        except psutil.NoSuchProcess:
            continue
