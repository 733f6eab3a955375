"""Models: dictionaries of numpy arrays in, arrays out; no Beam, no column names."""

import os

# Whatever the environment says: these change the bits of a trained model, or whether one can be trained.
BEFORE_TENSORFLOW_LOADS = {
    # TFRS raises ImportError without.
    "TF_USE_LEGACY_KERAS": "1",
    # Sums are split by the number of threads: a number of our own gives every machine the same bits. Beam starts
    # a process per core, so more would only get in each other's way.
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "2",
    # oneDNN chooses its kernels by shape and machine; here it is no faster.
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
os.environ.update(BEFORE_TENSORFLOW_LOADS)
# What fails, fails as an exception; the rest is start-up noise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
