"""A worker process of a run on this machine: Beam's own program, which ends when the run is gone, and says nothing.

Beam's may wait for ever for a run that was killed, and prints the traceback of each error, which it also hands to the
run.
"""

import contextlib
import os
import sys
import threading
import time

from apache_beam.runners.worker import sdk_worker_main

from transforms.plugins import load_plugin, plugin_names

_SECONDS_BETWEEN_LOOKS = 1.0


def end_with(parent: int) -> None:
    """End this process when it is no longer a child of the process of the run."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    run = int(sys.argv[1])
    threading.Thread(target=end_with, args=(run,), daemon=True).start()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            # functions of a file arrive by the name of its module
            for name in plugin_names():
                load_plugin(name)
            sdk_worker_main.main(sys.argv)
    except Exception:
        # a run that is gone needs no explanation
        if os.getppid() == run:
            raise
        sys.exit(1)
