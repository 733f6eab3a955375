"""The runs of a day: the graph of homeshelf run in processes that stay, with TensorFlow loaded once."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Protocol

import apache_beam as beam

from pipelines.home_shelves import build_home
from pipelines.inputs.announcements import beating
from pipelines.inputs.published import open_published
from pipelines.options.beam_flags import parse_beam
from pipelines.options.options import RunOptions
from pipelines.options.parsing import parse_flags
from transforms.publishing.gates import GateFailedError
from transforms.tables.failures import RunFailedError, find_failure


@dataclass(frozen=True)
class DailyRun:
    """A run of a day. folder: of the run; empty: the gate stopped it. violated: the limits out of their bounds."""

    folder: str
    violated: tuple[str, ...] = ()


class Runner(Protocol):
    """A function that runs homeshelf run with each of some sets of flags, and returns what became of them."""

    def __call__(self, flags: Sequence[Sequence[str]]) -> list[DailyRun]:
        """Run them all."""


def run_once(flags: Sequence[str]) -> DailyRun:
    """Run homeshelf run in this process (RunFailedError: it failed, and not by its gate)."""
    options, rest = parse_flags(RunOptions, flags)
    pipeline = beam.Pipeline(options=parse_beam(rest))
    folder = build_home(pipeline, options)
    try:
        with beating(folder):
            pipeline.run().wait_until_finish()
    except Exception as error:
        failure = find_failure(error)
        if failure is None or failure.exit_status != GateFailedError.exit_status:
            raise RunFailedError(failure.message if failure else str(error)) from error
        return DailyRun("", tuple(failure.message.partition("; /")[0].split("; ")))
    return DailyRun(folder, open_published(folder).manifest.gate.violated)


@contextmanager
def warm_processes(max_processes: int, num_arms: int) -> Iterator[Runner]:
    """Yield a Runner: the arms of a day work side by side, in at most as many processes as there are cores."""
    num_processes = min(max_processes, num_arms, os.cpu_count() or 1)
    if num_processes == 1:
        yield lambda flags: [run_once(one) for one in flags]
        return
    with ProcessPoolExecutor(num_processes, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        yield lambda flags: list(pool.map(run_once, flags))


def _quiet() -> None:
    """Keep warnings of libraries off standard error, as the command line does in its own process."""
    import logging

    logging.getLogger().addHandler(logging.NullHandler())
