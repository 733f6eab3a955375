"""A thread that samples, fifty times a second, where a run spends its time outside of stages.

Time outside `measured` belongs to the innermost function of Beam or of ours on the stack (what is compiled has none).
"""

import sys
import threading
import time
from collections import defaultdict
from types import FrameType, TracebackType
from typing import Any

from tests.benchmarks.child_process import memory
from transforms.tables.stage_counters import StageCounters

PERIOD = 0.02
OURS = ("apache_beam", "pipelines", "transforms", "models")


class Sampler:
    """Context; afterwards `outside` holds seconds by function, `peak` the largest memory, and in which stage."""

    def __init__(self) -> None:
        """Sample the thread that enters the context."""
        self.outside: defaultdict[str, float] = defaultdict(float)
        self.peak = (0, "")
        self._stage = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True)

    def __enter__(self) -> "Sampler":
        """Note when stages start and end, and start sampling."""
        self._original = (StageCounters.__enter__, StageCounters.__exit__)
        enter, leave = self._original

        def entered(stage: StageCounters) -> StageCounters:
            self._stage = stage.stage
            return enter(stage)

        def left(stage: StageCounters, *error: Any) -> None:
            self._stage = ""
            leave(stage, *error)

        StageCounters.__enter__, StageCounters.__exit__ = entered, left  # type: ignore[method-assign]
        self._thread.start()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()
        StageCounters.__enter__, StageCounters.__exit__ = self._original  # type: ignore[method-assign]

    def report(self, most: int = 12) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        outside = sorted(self.outside.items(), key=lambda item: -item[1])[:most]
        return {"outside": dict(outside), "peak_stage": self.peak[1]}

    def _watch(self, thread: int) -> None:
        last = time.perf_counter()
        while not self._done.wait(PERIOD):
            now = time.perf_counter()
            stage = self._stage
            if not stage:
                self.outside[innermost(sys._current_frames().get(thread))] += now - last
            self.peak = max(self.peak, (memory("VmRSS"), stage or "between stages"))
            last = now


def innermost(frame: FrameType | None) -> str:
    """Name the innermost function of Beam or of ours on a stack."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.split(".")[0] in OURS:
            return f"{module}.{frame.f_code.co_name}".removeprefix("apache_beam.")
        frame = frame.f_back
    return "elsewhere"
