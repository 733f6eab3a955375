"""Peak memory of this process, sampled fifty times a second while something measures it."""

import os
import threading
import time
from pathlib import Path

_PERIOD_SECONDS = 0.02
_STATM = Path("/proc/self/statm")
_watched: "set[PeakMemory]" = set()
_lock = threading.Lock()


def resident_bytes() -> int:
    """Return the resident memory in bytes; 0 on systems without /proc."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if _STATM.exists() else 0


class PeakMemory:
    """Peak resident memory of the whole process, all threads included, between start() and stop()."""

    def start(self) -> None:
        """Start measuring; the first measurement in a process starts the sampling thread."""
        self.bytes = resident_bytes()
        with _lock:
            _watched.add(self)
            if not any(thread.name == __name__ for thread in threading.enumerate()):
                threading.Thread(target=_sample_forever, name=__name__, daemon=True).start()

    def stop(self) -> int:
        """Stop measuring, and return the peak in bytes."""
        with _lock:
            _watched.discard(self)
        return max(self.bytes, resident_bytes())


def _sample_forever() -> None:
    while True:
        time.sleep(_PERIOD_SECONDS)
        with _lock:
            now = resident_bytes() if _watched else 0
            for one in _watched:
                one.bytes = max(one.bytes, now)
