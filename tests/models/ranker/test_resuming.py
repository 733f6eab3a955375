"""A training that is killed goes on from where it was saved, to the bits of one that was left alone."""

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
from tests.models.ranker.planted import OPTIONS, SPEC, NoCheckpoints, in_chunks, planted_examples
from tests.models.ranker.test_training import fingerprint
from transforms.ranking.checkpoints import CheckpointFolder

ROWS, CHUNK = 12_000, 2_000
SHORT = dataclasses.replace(OPTIONS, num_epochs=3, batch_size=512)
EXAMPLES, LATER = planted_examples(ROWS, 1), planted_examples(ROWS // 2, 2)
ROOT = Path(__file__).parents[3]


class KilledError(Exception):
    """What stands in for the death of a worker."""


def dying(examples: ExampleStream, after: int) -> ExampleStream:
    """The same examples, whose reading breaks off after so many chunks of all passes."""
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
    given = wrap(in_chunks(EXAMPLES, CHUNK)), in_chunks(LATER, CHUNK)
    ranker = train_dcn(*given, SPEC, SHORT, log.append, CheckpointFolder(str(folder), "t"))
    return fingerprint(ranker), log


@pytest.fixture(scope="module")
def undisturbed() -> tuple[str, list[dict[str, float]]]:
    log: list[dict[str, float]] = []
    given = in_chunks(EXAMPLES, CHUNK), in_chunks(LATER, CHUNK)
    ranker = train_dcn(*given, SPEC, SHORT, log.append, NoCheckpoints())
    return fingerprint(ranker), log


# six chunks are a pass: for the scales, then for each epoch
@pytest.mark.parametrize("deaths", [(3,), (8,), (14,), (16, 8, 9)])
def test_a_training_that_dies_ends_in_the_same_bits(
    deaths: tuple[int, ...],
    undisturbed: tuple[str, list[dict[str, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "ROWS_PER_CHECKPOINT", 1_500)
    monkeypatch.setattr("models.ranker.batches.SHUFFLE_ROWS", CHUNK)
    reference, log = train(tmp_path / "left alone")
    for after in deaths:
        with pytest.raises(KilledError):
            train(tmp_path / "killed", lambda passes, after=after: dying(passes, after))  # type: ignore[misc]
    assert train(tmp_path / "killed") == (reference, log)
    assert log and [one["epoch"] for one in log] == [0, 1, 2]


def test_what_was_saved_is_what_is_gone_on_from(
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
    # were it learned anew, nothing of this would be seen
    kept.save({**state, **{name: 0 * array for name, array in state.items() if name.startswith("weight/")}})
    spoiled, log = train(tmp_path)
    assert log[0] == found[0].log[0] and spoiled != undisturbed[0]


def test_a_checkpoint_of_another_training_is_none(tmp_path: Path) -> None:
    train(tmp_path)
    state = CheckpointFolder(str(tmp_path), "t").latest()
    assert state is not None
    assert read_progress(state, f"{SHORT} {SPEC.to_json()}") is not None
    assert read_progress(state, f"{dataclasses.replace(SHORT, seed=9)} {SPEC.to_json()}") is None


def test_a_process_that_is_killed_leaves_what_another_goes_on_from(
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
