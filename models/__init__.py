"""Models: dictionaries of numpy arrays in, arrays out; no Beam, no column names."""

import os

# TFRS raises ImportError unless this stands before TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
