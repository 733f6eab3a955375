"""Flags from a file and from the environment: the command line goes first, then the file, then the environment."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.cli import main

YAML = """\
events: data/events
events_columns: {played_at: ts@s, ms_played: seconds*1000}
hidden_units: [64, 32]
match_recordings: no
label-days: 3.5
as_of: 2026-01-01
seed: 007
tracks:
evaluate:
  output: out/report
  seed: 9
output: out/home
keep: 3
"""
TOML = """\
events = "data/events"
hidden_units = [64, 32]
match_recordings = false
label_days = 3.5
as_of = 2026-01-01
tracks = ""
seed = 7
output = "out/home"
keep = 3

[events_columns]
played_at = "ts@s"
ms_played = "seconds*1000"

[evaluate]
output = "out/report"
seed = 9
"""


def held(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, tuple[str, str]]:
    """Return value and place of each flag that --print_config prints."""
    assert main([*argv, "--print_config"]) == 0
    lines = [line.partition(": ") for line in capsys.readouterr().out.splitlines()]
    return {name: (value.partition("  # ")[0], value.partition("  # ")[2]) for name, _, value in lines}


@pytest.fixture(params=["yaml", "toml"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"home.{request.param}"
    path.write_text(YAML if request.param == "yaml" else TOML)
    return path


def test_one_file_serves_all_commands(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = {name: value for name, (value, at) in held(capsys, "run", f"--config={file}").items() if at != "default"}
    assert run == {
        "events": "data/events",
        "events_columns": "played_at:ts@s,ms_played:seconds*1000",
        "hidden_units": "64,32",
        "match_recordings": "false",
        "label_days": "3.5",
        "as_of": "'2026-01-01 00:00:00+00:00'",
        "seed": "7",
        "output": "out/home",
        "tracks": "''",
    }
    evaluate = held(capsys, "evaluate", f"--config={file}")
    assert (evaluate["output"][0], evaluate["seed"][0]) == ("out/report", "9")
    assert held(capsys, "prune", "--config", str(file))["keep"][0] == "3"


def test_the_command_line_goes_before_the_file_and_that_before_the_environment(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ("SEED=1", "TOWER_SIZE=16", "SHELF_SIZE=3", "SEED_OF_ANOTHER=x", "TRUST=yes"):
        monkeypatch.setenv(*f"HOMESHELF_{given}".split("="))
    found = held(capsys, "run", f"--config={file}", "--shelf-size=4")
    lines = file.read_text().splitlines()
    seed = next(number for number, line in enumerate(lines, 1) if line.startswith("seed"))
    assert found["seed"] == ("7", f"{file} line {seed}")
    assert found["tower_size"] == ("16", "HOMESHELF_TOWER_SIZE") and found["shelf_size"] == ("4", "--shelf_size")
    assert found["trust"] == ("true", "HOMESHELF_TRUST") and found["num_epochs"] == ("6", "default")
    monkeypatch.setenv("HOMESHELF_CONFIG", str(file))
    assert held(capsys, "run")["seed"][0] == "7"


def test_what_is_printed_is_a_file_that_holds_the_same(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"--config={file}", "--print_config"]) == 0
    again = file.parent / "again.yaml"
    again.write_text(capsys.readouterr().out)
    first, second = (held(capsys, "run", f"--config={one}") for one in (file, again))
    assert {name: value for name, (value, _) in first.items()} == {name: value for name, (value, _) in second.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: e\nevnets: x", "home.yaml line 2: no command has a flag 'evnets' (is events meant?)"),
        ("events: e\noutput: o\nseed: x", "home.yaml line 3: Invalid value for --seed: 'x'"),
        ("evalute:\n  seed: 1", "home.yaml line 2: there is no command 'evalute' (is evaluate meant?)"),
        ("events: [a\noutput: b", "home.yaml: line 2: expected"),
        ("events: e\nevents: f", "home.yaml line 2: 'events' stands here twice"),
        ("run:\n  num-buckets: 1\n  num_buckets: 2", "home.yaml line 3: 'num_buckets' stands here twice"),
        ("? [a, b]\n: c", "home.yaml line 1: no command has a flag 'a,b'"),
        ("run:\n  ? {a: b}\n  : c", "home.yaml line 2: no command has a flag 'a:b'"),
        ("events: &all [*all]", "home.yaml: nested too deep"),
        ("events_columns: &all {user_id: *all}", "home.yaml: nested too deep"),
        ("- a", "it is no mapping of flags to values"),
        ("events: e\noutput: o\nmode: quick", "home.yaml line 3: Invalid value"),
        ("output: o", "--events requires an argument"),
    ],
)
def test_a_wrong_file_is_one_line(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home.yaml").write_text(text)
    assert main(["run", f"--config={tmp_path}/home.yaml"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert main(["run", f"--config={tmp_path}/none.yaml"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_flags_of_beam_stand_in_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def load(command: object) -> Callable[[object, Sequence[str]], int]:
        return lambda options, flags: len(given.extend(flags) or "")

    monkeypatch.setattr("pipelines.command.Command.load", load)
    (tmp_path / "home.yaml").write_text("output: o\nregion: europe-west1\n")
    assert main(["runs", f"--config={tmp_path}/home.yaml", "--project=p"]) == 0
    assert given == ["--region=europe-west1", "--project=p"]
