"""What every command has: a line of help, and a function of one signature."""

import inspect
from collections.abc import Sequence
from dataclasses import is_dataclass

import pytest

from pipelines import cli
from pipelines.command import Command
from pipelines.commands import COMMANDS
from pipelines.docs.command_sections import FAILURES, describe_commands, list_commands, list_exit_statuses
from transforms.tables.failures import HomeshelfError, RunFailedError


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_whole(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.usage.split()[:2] == ["homeshelf", command.name] and command.sentence.endswith((".", "?"))
    assert is_dataclass(command.options) and all(status > 0 and meaning for status, meaning in command.statuses)
    function = command.load()
    (parameter,) = inspect.signature(function, eval_str=True).parameters.values()
    assert parameter.annotation == Sequence[str]
    assert inspect.signature(function, eval_str=True).return_annotation is int
    with pytest.raises(SystemExit) as ended:
        cli.main([command.name, "--help"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith(f"usage: {command.usage}")
    assert command.options.__doc__ in cli.usage() and command.sentence in list_commands()


def test_functions_and_names_are_of_one_command() -> None:
    names, functions = [one.name for one in COMMANDS], [one.function for one in COMMANDS]
    assert len(set(names)) == len(set(functions)) == len(COMMANDS)


def test_every_failure_is_in_the_table_of_exit_statuses() -> None:
    for command in COMMANDS:
        command.load()
    found: list[type[HomeshelfError]] = [HomeshelfError]
    for kind in found:
        found += kind.__subclasses__()
    assert set(found) == {HomeshelfError, RunFailedError, *FAILURES}
    rows = list_exit_statuses().splitlines()
    assert all(any(row.startswith(f"| {one.exit_status} | all |") for row in rows) for one in FAILURES)


def test_the_reference_has_flags_and_exit_statuses() -> None:
    text = describe_commands()
    assert "| **`--events`** |" in text and "Exit status 3: a column leaks; 4: " in text
    evaluate = text[text.index("## `homeshelf evaluate`") : text.index("## `homeshelf compare")]
    assert "--horizon_days" in evaluate and "--tower_size" not in evaluate


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    absent = Command("plot", COMMANDS[0].options, "a_module_that_is_not_installed:plot", extra="evaluate")
    monkeypatch.setattr(cli, "COMMANDS", (absent, Command("bug", absent.options, absent.function)))
    assert cli.main(["plot"]) == 2
    assert "pip install 'homeshelf[evaluate]'" in capsys.readouterr().err
    assert cli.main(["bug"]) == 1
    assert "ModuleNotFoundError" in capsys.readouterr().err
