"""Graphs that do more than compute are refused, wherever the operation stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models._tensorflow import tf
from models.ranker.saved_graph import check_saved_graph


def write(x: Any, folder: Path) -> Any:
    with tf.control_dependencies([tf.io.write_file(str(folder / "owned"), "x")]):
        return tf.identity(x)


HARMS: dict[str, tuple[str, Callable[[Any, Path], Any]]] = {
    "writes": ("WriteFile", write),
    "reads": ("ReadFile", lambda x, folder: x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)),
    "lists": ("MatchingFiles", lambda x, folder: x + tf.cast(tf.size(tf.io.matching_files("/*")), tf.float32)),
    "calls Python": ("EagerPyFunc", lambda x, folder: tf.py_function(lambda y: y, [x], tf.float32)),
    "prints": ("PrintV2", lambda x, folder: (tf.print("x"), tf.identity(x))[1]),
    "saves": ("SaveV2", lambda x, folder: (tf.raw_ops.SaveV2(
        prefix=str(folder), tensor_names=["x"], shape_and_slices=[""], tensors=[x]), tf.identity(x))[1]),
}  # fmt: skip


def save(folder: Path, function: Callable[[Any], Any]) -> Path:
    module = tf.Module()
    module.weight = tf.Variable([2.0])
    signature = [tf.TensorSpec([None], tf.float32)]
    module.score = tf.function(lambda x: {"y": function(x * module.weight)}, input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures=module.score)
    return folder


@pytest.mark.parametrize("name", HARMS)
@pytest.mark.parametrize("within", ["directly", "in a branch", "in a loop"])
def test_it_is_refused(name: str, within: str, tmp_path: Path) -> None:
    operation, harm = HARMS[name]
    wrapped = {
        "directly": lambda x: harm(x, tmp_path),
        "in a branch": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: harm(x, tmp_path), lambda: x),
        "in a loop": lambda x: tf.while_loop(
            lambda y: tf.reduce_sum(y) < 0, lambda y: [tf.reshape(harm(y, tmp_path), [-1])], [x]
        )[0],
    }
    with pytest.raises(ValueError, match=f"{operation}.*--trust=yes"):
        check_saved_graph(save(tmp_path / "model", wrapped[within]))


def test_a_graph_that_only_computes_is_not(tmp_path: Path) -> None:
    check_saved_graph(tmp_path)
    check_saved_graph(save(tmp_path / "model", lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x), lambda: x)))


@given(cut=st.floats(0, 1))
def test_half_a_graph_is_an_error_of_its_own(cut: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "half"
    if not folder.exists():
        save(folder, tf.exp)
        (folder / "whole").write_bytes((folder / "saved_model.pb").read_bytes())
    content = (folder / "whole").read_bytes()
    (folder / "saved_model.pb").write_bytes(content[: int(cut * (len(content) - 1))])
    with pytest.raises(ValueError, match="no SavedModel|TensorFlow 1"):
        check_saved_graph(folder)
