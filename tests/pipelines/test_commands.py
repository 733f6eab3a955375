"""What every command has: a line of help, and a function of one signature."""

import inspect
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass

import pytest

from pipelines import cli
from pipelines.command import Command
from pipelines.commands import COMMANDS
from pipelines.docs.command_sections import FAILURES, describe_commands, list_commands, list_exit_statuses
from pipelines.options.parsing import parse_flags
from transforms.tables.failures import HomeshelfError, RunFailedError


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_whole(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.usage.split()[:2] == ["homeshelf", command.name] and command.sentence.endswith((".", "?"))
    assert is_dataclass(command.options) and all(status > 0 and meaning for status, meaning in command.statuses)
    signature = inspect.signature(command.load(), eval_str=True)
    kinds = [parameter.annotation for parameter in signature.parameters.values()]
    assert kinds == [command.options, *([Sequence[str]] if command.takes_beam_flags else [])]
    assert signature.return_annotation is int
    assert cli.main([command.name, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("\u2502", "").split())
    assert said.startswith(f"Usage: {command.usage}") and command.sentence in said
    assert all(one.name.rstrip("_") in said for one in fields(command.options))
    assert cli.main(["--help"]) == 0 and f" {command.name} " in capsys.readouterr().out
    assert command.sentence in list_commands()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_examples_of_a_command_are_accepted(command: Command) -> None:
    for example in command.examples:
        program, name, *words = shlex.split(example)
        assert (program, name) == ("homeshelf", command.name)
        # a file has the other flags
        others = [f"--{one.name}=x" for one in fields(command.options) if one.name in ("events", "output")]
        words = [*(word for word in words if not word.startswith("--config=")), *others * ("--config" in example)]
        assert parse_flags(command.options, words)[1] == []


def test_a_flag_is_of_one_kind_in_all_commands() -> None:
    kinds: dict[str, set[object]] = {}
    for command in COMMANDS:
        for one in fields(command.options):
            kinds.setdefault(one.name, set()).add(one.metadata["kind"])
    # evaluate has several moments, why one user, quote a number of tracks, and a log any name of an experiment
    assert {name for name, found in kinds.items() if len(found) > 1} == {"as_of", "user", "tracks", "experiment"}


def test_a_command_starts_without_the_libraries_that_do_the_work() -> None:
    heavy = "{'apache_beam', 'tensorflow', 'polars', 'pyarrow', 'numpy'}"
    for argv in (["--help"], ["run", "--help"], ["run", "--events=e", "--output=o", "--regoin=x"], ["rnu"]):
        code = f"import sys; from pipelines.cli import main; main({argv}); sys.exit(str({heavy} & set(sys.modules)))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stderr.splitlines()[-1] == "set()", argv


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
    absent = Command(
        "plot",
        "pipelines.options.housekeeping_options:RunsOptions",
        "a_module_that_is_not_installed:plot",
        extra="evaluate",
    )
    monkeypatch.setattr(cli, "COMMANDS", (absent, Command("bug", absent.flags, absent.function)))
    assert cli.main(["plot", "--output=o"]) == 2
    assert "pip install '.[evaluate]'" in capsys.readouterr().err
    assert cli.main(["bug", "--output=o"]) == 1
    assert "ModuleNotFoundError" in capsys.readouterr().err
