"""The import of TensorFlow, without the messages that its libraries print before logging is set up."""

import os
import re
import sys
import tempfile
from typing import Any

_NOISE = re.compile(rb"All log messages before absl::InitializeLog|cudart_stub\.cc|port\.cc")

# C++ code writes these messages to file descriptor 2, past Python's loggers. Everything else is passed on.
sys.stderr.flush()
_stderr = os.dup(2)
with tempfile.TemporaryFile() as _held:
    os.dup2(_held.fileno(), 2)
    try:
        import tensorflow as tf
    finally:
        os.dup2(_stderr, 2)
        os.close(_stderr)
        _held.seek(0)
        os.write(2, b"".join(line for line in _held if not _NOISE.search(line)))

# TensorFlow's stubs do not tell the kinds of its tensors apart.
Tensor = Any

__all__ = ["Tensor", "tf"]
