"""Arms are flags of homeshelf run in YAML; a wrong one is one line that names it."""

from pathlib import Path

import pytest

from pipelines.loop.arms import Arm, read_arms
from pipelines.options.loop_options import LoopOptions
from pipelines.options.options import UsageError
from pipelines.options.parsing import parse_flags


def arms(tmp_path: Path, text: str, *flags: str) -> tuple[Arm, ...]:
    (tmp_path / "arms.yaml").write_text(text)
    return read_arms(parse_flags(LoopOptions, ["--output=out", f"--arms_file={tmp_path}/arms.yaml", *flags])[0])


def test_arms_have_the_flags_of_the_loop_and_their_own_before_these(tmp_path: Path) -> None:
    found = arms(
        tmp_path, "none: off\nwide: {max_candidates: 80}\nown: {}", "--max_candidates=90", "--seed=4", "--gate=warn"
    )
    assert [arm.name for arm in found] == ["none", "wide", "own"] and found[0].flags is None
    wide, own = (dict(flag[2:].split("=", 1) for flag in arm.flags or ()) for arm in found[1:])
    assert wide["max_candidates"] == "80" and own["max_candidates"] == "90"
    assert {wide["seed"], own["seed"]} == {"4"} and {wide["gate"], own["gate"]} == {"warn"}


def test_without_a_file_there_are_three_arms() -> None:
    found = read_arms(LoopOptions(output="out"))
    assert [arm.name for arm in found] == ["none", "greedy", "explorer"]
    assert "--exploration=0.02" in (found[2].flags or ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no arm"),
        ("[a, b]", "no arm"),
        ("a: {", "expected"),
        ("a: off", "no arm recommends anything"),
        ("a: 3", "a: neither `off` nor flags"),
        ("a: {explorashun: 0.1}", "no flag 'explorashun' of the stages of homeshelf run (is exploration meant?)"),
        ("a: {as_of: 2026-01-01}", "no flag 'as_of'"),
        ("a: {exploration: much}", "a: Invalid value"),
        ("../a: {}", "../a"),
    ],
)
def test_a_wrong_arm_is_an_error_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        arms(tmp_path, text)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--arms_file=nowhere"):
        read_arms(LoopOptions(output="out", arms_file="nowhere"))
