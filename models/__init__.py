"""Models: dictionaries of numpy arrays in, arrays out; no Beam, no column names."""

import os

_BEFORE_TENSORFLOW_LOADS = {
    # TFRS raises ImportError without.
    "TF_USE_LEGACY_KERAS": "1",
    # What fails, fails as an exception; the rest is start-up noise.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Sums are split by the number of threads: a number of our own gives every machine the same bits. Beam starts
    # a process per core, so more would only get in each other's way.
    "TF_NUM_INTRAOP_THREADS": "2",
    # oneDNN chooses its kernels by shape and machine; here it is no faster.
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
for _name, _value in _BEFORE_TENSORFLOW_LOADS.items():
    os.environ.setdefault(_name, _value)
