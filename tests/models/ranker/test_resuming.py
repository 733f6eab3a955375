"""A killed training resumes from its checkpoint and ends in the same bits as an undisturbed one."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.ranker import training
from models.ranker.contract import Examples, ExampleStream
from models.ranker.progress import read_progress
from models.ranker.training import train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, training_data
from tests.models.ranker.test_training import fingerprint
from transforms.tables.checkpoints import CheckpointFolder

ROWS, CHUNK = 12_000, 2_000
SHORT = dataclasses.replace(OPTIONS, num_epochs=3, batch_size=512)
EXAMPLES, VALIDATION = planted_examples(ROWS, 1), planted_examples(ROWS // 2, 2)
ROOT = Path(__file__).parents[3]


class KilledError(Exception):
    """Stands in for the death of a worker."""


def dying(examples: ExampleStream, after: int) -> ExampleStream:
    """Return the same examples; reading them raises after `after` chunks of all passes."""
    left = iter(range(after))

    def read() -> Iterator[Examples]:
        for chunk in examples():
            if next(left, None) is None:
                raise KilledError
            yield chunk

    return read


def train(
    folder: Path, wrap: Callable[[ExampleStream], ExampleStream] = lambda passes: passes
) -> tuple[str, list[dict[str, float]]]:
    log: list[dict[str, float]] = []
    streams = wrap(in_chunks(EXAMPLES, CHUNK)), in_chunks(VALIDATION, CHUNK)
    kept = CheckpointFolder(str(folder), "t")
    return fingerprint(train_dcn(training_data(*streams, on_epoch=log.append, checkpoints=kept), SHORT)), log


@pytest.fixture(scope="module")
def undisturbed() -> tuple[str, list[dict[str, float]]]:
    log: list[dict[str, float]] = []
    streams = in_chunks(EXAMPLES, CHUNK), in_chunks(VALIDATION, CHUNK)
    return fingerprint(train_dcn(training_data(*streams, on_epoch=log.append), SHORT)), log


# one pass is six chunks; there is a pass for the scales, then one for each epoch
@pytest.mark.parametrize("deaths", [(3,), (8,), (14,), (16, 8, 9)])
def test_a_training_that_dies_ends_in_the_same_bits(
    deaths: tuple[int, ...],
    undisturbed: tuple[str, list[dict[str, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "ROWS_PER_CHECKPOINT", 1_500)
    monkeypatch.setattr("models.ranker.batches.SHUFFLE_ROWS", CHUNK)
    reference, log = train(tmp_path / "undisturbed")
    for after in deaths:
        with pytest.raises(KilledError):
            train(tmp_path / "killed", lambda passes, after=after: dying(passes, after))  # type: ignore[misc]
    assert train(tmp_path / "killed") == (reference, log)
    assert log and [one["epoch"] for one in log] == [0, 1, 2]


def test_training_resumes_from_the_saved_weights(
    undisturbed: tuple[str, list[dict[str, float]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "ROWS_PER_CHECKPOINT", 1_500)
    monkeypatch.setattr("models.ranker.batches.SHUFFLE_ROWS", CHUNK)
    with pytest.raises(KilledError):
        train(tmp_path, lambda passes: dying(passes, 6 + 6 + 4))
    kept = CheckpointFolder(str(tmp_path), "t")
    state = kept.latest()
    assert state is not None
    found = read_progress(state, f"{SHORT} {SPEC.to_json()}")
    assert found is not None and found[0].epoch == 1 and len(found[0].log) == 1 and found[0].num_batches > 0
    # a training that began anew would not show the spoiled weights
    kept.save({**state, **{name: 0 * array for name, array in state.items() if name.startswith("weight/")}})
    spoiled, log = train(tmp_path)
    assert log[0] == found[0].log[0] and spoiled != undisturbed[0]


def test_a_checkpoint_of_another_training_is_ignored(tmp_path: Path) -> None:
    train(tmp_path)
    state = CheckpointFolder(str(tmp_path), "t").latest()
    assert state is not None
    assert read_progress(state, f"{SHORT} {SPEC.to_json()}") is not None
    assert read_progress(state, f"{dataclasses.replace(SHORT, seed=9)} {SPEC.to_json()}") is None


def test_another_process_resumes_after_a_killed_one(
    undisturbed: tuple[str, list[dict[str, float]]], tmp_path: Path
) -> None:
    lines = f"from pathlib import Path; from {__name__} import train; print(train(Path({str(tmp_path)!r})))"
    process = subprocess.Popen([sys.executable, "-c", lines], cwd=ROOT, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("*.npz")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(tmp_path.glob("t-*.npz"))
    assert train(tmp_path) == undisturbed
