"""The memory that this process holds, looked at fifty times a second while something wants to know its peak."""

import os
import threading
import time
from pathlib import Path

_PERIOD_SECONDS = 0.02
_STATM = Path("/proc/self/statm")
_watched: "set[PeakMemory]" = set()
_lock = threading.Lock()


def resident_bytes() -> int:
    """What is resident now; 0 where the system does not say."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if _STATM.exists() else 0


class PeakMemory:
    """From start() to stop(): the most that was resident, of the whole process, whatever its other threads did."""

    def start(self) -> None:
        """Watch; the first one in a process starts the thread that looks."""
        self.bytes = resident_bytes()
        with _lock:
            _watched.add(self)
            if not any(thread.name == __name__ for thread in threading.enumerate()):
                threading.Thread(target=_look, name=__name__, daemon=True).start()

    def stop(self) -> int:
        """Stop watching, and say what the peak was."""
        with _lock:
            _watched.discard(self)
        return max(self.bytes, resident_bytes())


def _look() -> None:
    while True:
        time.sleep(_PERIOD_SECONDS)
        with _lock:
            now = resident_bytes() if _watched else 0
            for one in _watched:
                one.bytes = max(one.bytes, now)
