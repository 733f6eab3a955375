import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.ranker.contract import FeatureSpec, check_batch, check_spec

SPEC = FeatureSpec(("plays", "age"), num_tracks=5, num_artists=3, recent_length=2, heads=("played",))
BATCH = {
    "dense": np.zeros((4, 2), np.float32),
    "track": np.array([0, 1, 5, 2], np.int32),
    "artist": np.array([0, 3, 1, 1], np.int32),
    "recent": np.zeros((4, 2), np.int32),
}


def refusal(check: Callable[..., None], *arguments: object) -> str:
    """Return the message with which a check refuses its arguments; empty: it accepts them."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def test_a_spec_comes_back_from_json() -> None:
    assert FeatureSpec.from_json(SPEC.to_json()) == SPEC


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 1}', '{"version": 2, "dense": ["a"]}', "not json"])
def test_other_json_is_no_spec(text: str) -> None:
    with pytest.raises(ValueError):
        FeatureSpec.from_json(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dense": ("plays",)}, "only the model has the feature 'age'"),
        ({"dense": ("plays", "age", "skips")}, "only the data has the feature 'skips'"),
        ({"dense": ("age", "plays")}, "dense feature 0 is 'plays' in the model, 'age' in the data"),
        ({"dense": ("plays", "years")}, "the feature 'age'; only the data has the feature 'years'"),
        ({"num_tracks": 6}, "num_tracks is 5 in the model, 6 in the data"),
        ({"num_artists": 4}, "num_artists is 3 in the model, 4 in the data"),
        ({"heads": ("saved",)}, "the rewards are played in the model, saved in the data"),
        ({"recent_length": 9}, "recent_length is 2 in the model, 9 in the data"),
    ],
)
def test_check_spec_names_every_difference(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_spec(SPEC, dataclasses.replace(SPEC, **changes))


def test_equal_specs_are_accepted() -> None:
    assert refusal(check_spec, SPEC, dataclasses.replace(SPEC)) == ""
    assert refusal(check_spec, SPEC, dataclasses.replace(SPEC, num_tracks=6)) != ""


@pytest.mark.parametrize("rows", [4, 1, 0])
def test_batches_of_any_number_of_rows_are_accepted(rows: int) -> None:
    part = {name: array[:rows] for name, array in BATCH.items()}
    assert refusal(check_batch, part, SPEC) == ""
    assert refusal(check_batch, {**part, "track": np.zeros(rows + 1, np.int32)}, SPEC) != ""


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("dense", np.zeros((4, 2)), "dense is float64"),
        ("dense", np.zeros((3, 2), np.float32), r"dense is float32 \(3, 2\); expected float32 \(4, 2\)"),
        ("dense", np.array([[0, 1], [0, np.nan], [0, 1], [0, 1]], np.float32), "not finite: age"),
        ("dense", np.full((4, 2), np.inf, np.float32), "not finite: plays, age"),
        ("track", np.array([0, 1, 6, 2], np.int32), "track has ids from 0 to 6; expected 0 to 5"),
        ("artist", np.array([0, -1, 1, 2], np.int32), "artist has ids from -1 to 2; expected 0 to 3"),
        ("recent", np.zeros((4, 3), np.int32), r"recent is int32 \(4, 3\); expected int32 \(4, 2\)"),
        ("recent", np.zeros((4, 2), np.int64), "recent is int64"),
    ],
)
def test_check_batch_names_the_array(name: str, array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_batch({**BATCH, name: array}, SPEC)


def test_check_batch_names_a_missing_array() -> None:
    with pytest.raises(ValueError, match="no artist, recent"):
        check_batch({"dense": BATCH["dense"], "track": BATCH["track"]}, SPEC)


def test_contract_entries_batches_and_metrics_load_no_tensorflow() -> None:
    modules = ("ranker.training_run", "ranker.entries", "ranker.batches", "baselines.interactions", "metrics")
    program = f"import sys, {', '.join(f'models.{name}' for name in modules)}; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
