"""A killed training resumes from its checkpoint and ends in the same bits as an undisturbed one."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.ranker import training
from models.ranker.contract import Examples, ExampleStream
from models.ranker.entry import RankerOptions
from models.ranker.progress import TrainingProgress, read_progress
from models.ranker.training import train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, training_data
from tests.models.ranker.test_training import fingerprint
from transforms.tables.checkpoints import CheckpointFolder

ROWS, CHUNK = 12_000, 2_000
SHORT = dataclasses.replace(OPTIONS, num_epochs=3, batch_size=512)
EXAMPLES, VALIDATION = planted_examples(ROWS, 1), planted_examples(ROWS // 2, 2)


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


# One pass is six chunks; there is a pass for the scales, then one for each epoch. The first attempt dies before any
# epoch, the next within the first, two within the second.
DEATHS = (3, 6 + 2, 6 + 6 + 4, 6 + 3)


def test_a_training_that_dies_again_and_again_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "ROWS_PER_CHECKPOINT", 1_500)
    monkeypatch.setattr("models.ranker.batches.SHUFFLE_ROWS", CHUNK)
    reference, log = train(tmp_path / "undisturbed")
    assert [one["epoch"] for one in log] == [0, 1, 2]
    epochs = []
    for after in DEATHS:
        with pytest.raises(KilledError):
            train(tmp_path / "killed", lambda passes, after=after: dying(passes, after))  # type: ignore[misc]
        found = progress_in(tmp_path / "killed")
        epochs.append((found.epoch, found.num_batches > 0) if found else None)
    assert epochs == [None, (0, True), (1, True), (1, True)]
    # a training that began anew would not show the spoiled weights
    shutil.copytree(tmp_path / "killed", tmp_path / "spoiled")
    kept = CheckpointFolder(str(tmp_path / "spoiled"), "t")
    state = kept.latest() or {}
    kept.save({**state, **{name: 0 * array for name, array in state.items() if name.startswith("weight/")}})
    spoiled, log_of_spoiled = train(tmp_path / "spoiled")
    assert log_of_spoiled[0] == log[0] and spoiled != reference
    assert train(tmp_path / "killed") == (reference, log)
    assert progress_in(tmp_path / "killed", dataclasses.replace(SHORT, seed=9)) is None, "of another training"


def progress_in(folder: Path, options: RankerOptions = SHORT) -> TrainingProgress | None:
    state = CheckpointFolder(str(folder), "t").latest()
    found = read_progress(state, f"{options} {SPEC.to_json()}") if state is not None else None
    return found[0] if found else None
