from pathlib import Path

import numpy as np
import pytest

from transforms.tables.checkpoints import CheckpointFolder, training_name
from transforms.tables.files import list_files


def state(number: int) -> dict[str, np.ndarray]:
    return {"plain": np.array("text"), "weight/0": np.full(3, number, np.float32)}


def test_the_newest_state_comes_back_and_two_files_are_kept(tmp_path: Path) -> None:
    first = CheckpointFolder(str(tmp_path / "c"), "a")
    assert first.latest() is None
    for number in range(1, 12):
        first.save(state(number))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["a-000010.npz", "a-000011.npz"]
    second = CheckpointFolder(str(tmp_path / "c"), "a")
    found = second.latest()
    assert found is not None and str(found["plain"]) == "text"
    np.testing.assert_array_equal(found["weight/0"], np.full(3, 11, np.float32))
    second.save(state(12))
    assert (tmp_path / "c" / "a-000012.npz").exists()


def test_files_of_another_training_and_partial_files_are_ignored(tmp_path: Path) -> None:
    CheckpointFolder(str(tmp_path), "a").save(state(1))
    (tmp_path / ".b-000009.npz.123abc").write_bytes(b"half")
    other = CheckpointFolder(str(tmp_path), "b")
    assert other.latest() is None
    other.save(state(2))
    other.clear()
    assert not tmp_path.exists()


def test_an_attempt_that_is_behind_keeps_newer_files(tmp_path: Path) -> None:
    ahead, behind = CheckpointFolder(str(tmp_path), "a"), CheckpointFolder(str(tmp_path), "a")
    for number in (1, 2, 3):
        ahead.save(state(number))
    behind.save(state(1))
    found = CheckpointFolder(str(tmp_path), "a").latest()
    assert found is not None and found["weight/0"][0] == 3


@pytest.mark.parametrize("store", ["s3", "gs"])
def test_an_object_store_holds_the_same_checkpoints(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = f"{request.getfixturevalue(store)}/{tmp_path.name}/run=a b/checkpoints"
    first = CheckpointFolder(folder, "a")
    assert first.latest() is None
    for number in (1, 2, 3):
        first.save(state(number))
    assert [file.path.rsplit("/")[-1] for file in list_files(folder)] == ["a-000002.npz", "a-000003.npz"]
    found = CheckpointFolder(folder, "a").latest()
    assert found is not None and found["weight/0"][0] == 3
    first.clear()
    assert list_files(folder) == [] and CheckpointFolder(folder, "a").latest() is None


def test_the_name_depends_on_every_part() -> None:
    assert training_name(["a", "b"]) == training_name(["a", "b"]) != training_name(["a", "c"])
