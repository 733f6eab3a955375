from dataclasses import fields

import pytest

from pipelines.cli import main
from pipelines.commands import COMMANDS
from pipelines.options.spelling import suggest, with_underscores


def test_the_name_that_resembles_most_is_suggested() -> None:
    assert suggest("chek", ["check", "runs"]) == " (is check meant?)" and suggest("xyz", ["check", "runs"]) == ""


def test_only_names_of_flags_get_underscores() -> None:
    given = ["a-b", "--num-buckets=1-2", "--as-of", "2026-01-01", "-v"]
    assert with_underscores(given) == ["a-b", "--num_buckets=1-2", "--as_of", "2026-01-01", "-v"]


def test_the_version_is_printed_and_an_unknown_command_hints_at_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0 and capsys.readouterr().out.startswith("homeshelf 0.")
    assert main(["chek", "--run=x"]) == 2
    assert 'Unknown command "chek". Did you mean "check"?' in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "runs", "prune", "rollback", "erase", "evaluate", "experiment", "replay"])
def test_a_flag_that_neither_a_command_nor_beam_has_is_answered_with_those_of_the_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--{name}=x" for name in ("output", "events", "erased_users", "impressions", "assignments", "exposures")]
    kind = next(one.options for one in COMMANDS if one.name == command)
    own = [flag for flag in flags if flag.partition("=")[0].removeprefix("--") in {one.name for one in fields(kind)}]
    assert main([command, *own, "--outputt=y"]) == 2
    said = capsys.readouterr().err
    assert f"unknown flag --outputt=y (is --output meant?); homeshelf {command} --help lists the flags" in said
