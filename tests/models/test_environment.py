"""What the environment says of threads does not change the bits of a model."""

import os
import subprocess
import sys

_SCRIPT = """
import models
import tensorflow as tf
import numpy as np
import zlib
tf.config.experimental.enable_op_determinism()
rng = np.random.default_rng(1)
values = tf.constant(rng.normal(size=(60_000, 24)).astype(np.float32))
sums = tf.reduce_sum(values, axis=0), tf.reduce_sum(values), tf.linalg.matmul(values, values, transpose_a=True)
print([zlib.crc32(one.numpy().tobytes()) for one in sums])
"""


def test_threads_of_the_environment_make_no_difference() -> None:
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    one, five = ({**os.environ, **dict.fromkeys(names, threads)} for threads in ("1", "5"))
    environments = (one, {**five, "TF_ENABLE_ONEDNN_OPTS": "1"})
    said = {
        subprocess.run([sys.executable, "-c", _SCRIPT], env=env, capture_output=True, text=True, check=True).stdout
        for env in environments
    }
    assert len(said) == 1
