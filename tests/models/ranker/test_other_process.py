"""Another process, in another environment and with another past, scores and trains with the same bits.

One process does it all, because each takes seconds to load TensorFlow: it scores where Keras cannot be loaded, adds up,
trains as its first training, trains again, and is killed in the third.
"""

import os
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models._tensorflow import tf
from models.ranker.contract import Examples, Ranker
from models.ranker.entries import DCN_V2, save_ranker
from models.ranker.training import train_dcn
from tests.built_once import ROOT, built_once
from tests.models.ranker.planted import in_chunks, training_data
from tests.models.ranker.test_resuming import CHUNK, EXAMPLES, SHORT, VALIDATION
from tests.models.ranker.test_resuming import train as train_with_checkpoints
from tests.models.ranker.test_training import fingerprint
from tests.models.ranker.test_training import train as train_four_heads
from transforms.tables.checkpoints import CheckpointFolder

OTHER_ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "5", "TF_NUM_INTEROP_THREADS": "5", "TF_ENABLE_ONEDNN_OPTS": "1"}
# Keras numbers layers of a kind through a process: after these, one training has layers numbered 9 and 10 of each kind.
NUMBERED = {"tfrs.layers.dcn.Cross()": 7, "tf.keras.layers.Embedding(1, 1)": 7, "tf.keras.layers.Dense(1)": 6}
NUMBERED |= {"tfrs.tasks.Ranking()": 5}
SCRIPT = """
import sys
from pathlib import Path
hidden = dict.fromkeys(["tf_keras", "keras", "tensorflow_recommenders"])
sys.modules.update(hidden)  # importing them fails
import numpy as np
from models.ranker.entries import BUILT_IN_RANKERS, open_ranker
folder = Path(sys.argv[1])
ranker = open_ranker(str(folder / "ranker"), BUILT_IN_RANKERS)
np.save(folder / "scores.npy", ranker.score(np.load(folder / "batch.npz")))
for file in (sys.stdout, sys.stderr):
    print("scored", file=file, flush=True)
for name in hidden:
    del sys.modules[name]
from tests.models.ranker import test_other_process as other
other.print_bits(folder)
"""


def sums_by_threads() -> int:
    """Return the bits of sums and a product that threads divide among them."""
    tf.config.experimental.enable_op_determinism()
    values = tf.constant(np.random.default_rng(1).normal(size=(60_000, 24)).astype(np.float32))
    sums = tf.reduce_sum(values, axis=0), tf.reduce_sum(values), tf.linalg.matmul(values, values, transpose_a=True)
    return zlib.crc32(b"".join(one.numpy().tobytes() for one in sums))


def print_bits(folder: Path) -> None:
    """Print sums and weights of two trainings; then train until the first checkpoint, which kills the process."""
    import tensorflow_recommenders as tfrs

    print(sums_by_threads(), train_four_heads(), flush=True)
    for layer, count in NUMBERED.items():
        for _ in range(count):
            eval(layer, {"tf": tf, "tfrs": tfrs})
    print(train_four_heads(), flush=True)
    save = CheckpointFolder.save

    def save_and_die(kept: CheckpointFolder, state: Mapping[str, np.ndarray]) -> None:
        save(kept, state)
        os.kill(os.getpid(), signal.SIGKILL)

    CheckpointFolder.save = save_and_die  # type: ignore[method-assign]
    train_with_checkpoints(folder / "killed")


@pytest.fixture(scope="module")
def elsewhere(trained: Ranker, holdout: Examples) -> Path:
    """Return a folder with what the other process printed and wrote before it was killed."""

    def run(folder: Path) -> None:
        save_ranker(trained, DCN_V2.name, str(folder / "ranker"))
        np.savez(folder / "batch.npz", **holdout.features)
        with open(folder / "stdout", "w") as stdout, open(folder / "stderr", "w") as stderr:
            command, environment = [sys.executable, "-c", SCRIPT, str(folder)], {**os.environ, **OTHER_ENVIRONMENT}
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)
        assert done.returncode == -signal.SIGKILL, (folder / "stderr").read_text()

    return built_once("another process", run)


def test_a_process_without_keras_and_tfrs_scores_with_the_same_bits_in_silence(
    elsewhere: Path, trained: Ranker, holdout: Examples
) -> None:
    assert [(elsewhere / name).read_text().split("\n")[0] for name in ("stdout", "stderr")] == ["scored"] * 2
    np.testing.assert_array_equal(np.load(elsewhere / "scores.npy"), trained.score(holdout.features))


def test_its_environment_its_first_training_and_those_before_make_no_difference(elsewhere: Path, weights: str) -> None:
    assert (elsewhere / "stdout").read_text().split()[1:] == [str(sums_by_threads()), weights, weights]


def test_this_process_resumes_after_the_killed_one(elsewhere: Path, tmp_path: Path) -> None:
    assert len(list((elsewhere / "killed").glob("t-*.npz"))) == 1
    log: list[dict[str, float]] = []
    streams = in_chunks(EXAMPLES, CHUNK), in_chunks(VALIDATION, CHUNK)
    undisturbed = fingerprint(train_dcn(training_data(*streams, on_epoch=log.append), SHORT))
    shutil.copytree(elsewhere / "killed", tmp_path / "resumed")
    assert train_with_checkpoints(tmp_path / "resumed") == (undisturbed, log)
