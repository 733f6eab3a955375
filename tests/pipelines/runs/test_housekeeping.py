"""homeshelf runs, rollback and prune, on local disks and in object stores."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.run_folders import list_run_folders
from tests.pipelines.runs.outputs import names, point, put_run
from transforms.tables.files import list_files, read_bytes, write_atomically

NOW = "--grace_hours=0"
# commands that look into a published run
READING = (["preview"], ["report"], ["check"], ["why", "--user=u"])
# paths that lead out of a run, and the places where each is tried: a store differs by its own scheme
OUTSIDE = [
    ("local", "../../../../etc/passwd"),
    ("local", "/etc"),
    ("local", "gs://elsewhere/catalogs"),
    ("gs", "gs://elsewhere/catalogs"),
    ("gs", "../../../../catalogs/c"),
    ("s3", "s3://elsewhere/models"),
]
outside = pytest.mark.parametrize(("output", "path"), OUTSIDE, indirect=["output"])


@pytest.fixture(params=["local", "gs", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    root = tmp_path if request.param == "local" else f"{request.getfixturevalue(request.param)}/{tmp_path.name}"
    return f"{root}/home pages ü"


def current(output: str, day: str) -> str:
    return read_bytes(f"{output}/ds={day}/CURRENT").decode().strip()


def test_runs_are_listed_with_what_became_of_them(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(output, "2026-01-01", "old", minute=1)
    put_run(output, "2026-01-01", "new", minute=2, current=True)
    put_run(output, "2026-01-02", "bad", minute=1, gate={"failed": ["pages"]})
    write_atomically(f"{output}/ds=2026-01-03/run=dead/pages/part-0.parquet", b"half")
    assert main(["runs", f"--output={output}/", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["day"], row["run"], row["state"]) for row in rows] == [
        ("2026-01-01", "run=old", "whole"),
        ("2026-01-01", "run=new", "current"),
        ("2026-01-02", "run=bad", "gated"),
        ("2026-01-03", "run=dead", "unfinished"),
    ]
    assert (rows[1]["events"], rows[1]["pages"], rows[1]["seconds"], rows[1]["homeshelf"]) == (1_000, 7, 30.0, "1.2")
    assert rows[1]["ranker"] == f"{output}/ds=2026-01-01/run=new/models/m" and rows[3]["pages"] is None
    assert main(["runs", f"--output={output}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["day", "run", "state", "events", "pages", "seconds", "homeshelf", "ranker"]
    assert lines[2].split()[2:6] == ["current", "1,000", "7", "30"]


def test_a_folder_without_runs_is_said(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", f"--output={output}/elsewhere"]) == 0
    assert capsys.readouterr().out.startswith(f"no run below {output}/elsewhere")
    assert main(["runs", f"--output={output}/elsewhere", "--json"]) == 0 and capsys.readouterr().out == ""


def test_a_pointer_to_nothing_is_said(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(output, "2026-01-01", "one")
    point(output, "2026-01-01", "gone")
    assert main(["runs", f"--output={output}"]) == 1
    assert "CURRENT names a run that is not there" in capsys.readouterr().out


def test_rollback_goes_back_run_by_run_then_day_by_day(output: str) -> None:
    put_run(output, "2026-01-01", "a", current=True)
    put_run(output, "2026-01-02", "b", minute=1)
    put_run(output, "2026-01-02", "gated", minute=2, gate={"failed": ["pages"]})
    put_run(output, "2026-01-02", "c", minute=3, current=True)
    assert main(["rollback", f"--output={output}"]) == 0
    assert current(output, "2026-01-02") == "run=b"
    assert main(["rollback", f"--output={output}"]) == 0
    assert "ds=2026-01-02/CURRENT" not in names(output)
    newest = list_run_folders(output).newest
    assert (newest.day, newest.name) == ("2026-01-01", "run=a")


def test_rollback_to_a_run_by_name(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(output, "2026-01-01", "a", minute=1)
    put_run(output, "2026-01-01", "b", minute=2)
    put_run(output, "2026-01-01", "c", minute=3, current=True)
    put_run(output, "2026-01-02", "d", current=True)
    assert main(["rollback", f"--output={output}", "--day=2026-01-01", "--to=a"]) == 0
    assert current(output, "2026-01-01") == "run=a" and current(output, "2026-01-02") == "run=d"
    assert main(["rollback", f"--output={output}", "--day=2026-01-01", "--to=d"]) == 2
    assert main(["rollback", f"--output={output}", "--day=2026-01-03"]) == 2
    assert "--to=d" in (said := capsys.readouterr().err) and "2026-01-03" in said
    assert current(output, "2026-01-01") == "run=a"


def test_prune_keeps_the_newest_and_whatever_they_need(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    ranker = "../../ds=2026-01-01/run=weekly/models/m"
    put_run(output, "2026-01-01", "weekly", current=True)
    for day in range(2, 6):
        artifacts = {"catalog": "catalogs/c", "ranker": ranker}
        put_run(output, f"2026-01-0{day}", "daily", current=True, artifacts=artifacts)
    put_run(output, "2026-01-05", "second", minute=9)
    for name in ("stages.jsonl", "report.html"):
        write_atomically(f"{output}/ds=2026-01-05/run=daily/{name}", b"what the run said of itself")
    write_atomically(f"{output}/ds=2026-01-05/run=daily/models/orphan/spec.json", b"of an attempt that died")
    write_atomically(f"{output}/ds=2026-01-05/run=daily/checkpoints/orphan-000001.npz", b"of a training that died")
    write_atomically(f"{output}/ds=2026-01-05/run=dead/pages/part-0.parquet", b"half")
    write_atomically(f"{output}/ds=2026-01-05/.CURRENT.0123", b"draft")
    before = names(output)
    assert main(["prune", f"--output={output}", "--keep=1", NOW, "--dry_run"]) == 0
    assert names(output) == before
    foreseen = capsys.readouterr().out
    assert main(["prune", f"--output={output}", "--keep=1", NOW]) == 0
    assert capsys.readouterr().out == foreseen
    # kept: the newest run, the one that the newest pointer names, and the one whose ranker that uses
    left = list_run_folders(output)
    assert [(run.day, run.name) for run in left.runs] == [
        ("2026-01-01", "run=weekly"),
        ("2026-01-05", "run=daily"),
        ("2026-01-05", "run=second"),
    ]
    gone = {name for name in before if "=dead/" in name or "orphan" in name or ".CURRENT." in name}
    # of its own: the run was made with the weekly one
    gone.add("ds=2026-01-05/run=daily/models/m/spec.json")
    gone |= {name for name in before if name.startswith(("ds=2026-01-02", "ds=2026-01-03", "ds=2026-01-04"))}
    assert before - names(output) == gone
    assert current(output, "2026-01-05") == "run=daily" and left.problems == ()
    assert main(["prune", f"--output={output}", "--keep=1", NOW]) == 0
    assert capsys.readouterr().out == "nothing to delete\n"


def test_prune_leaves_a_run_at_work_alone(output: str) -> None:
    put_run(output, "2026-01-01", "a", current=True)
    write_atomically(f"{output}/ds=2026-01-01/run=at-work/pages/part-0.parquet", b"half")
    before = names(output)
    assert main(["prune", f"--output={output}", "--keep=1"]) == 0
    assert names(output) == before


def test_what_is_old_is_what_was_written_long_ago(tmp_path: Path) -> None:
    put_run(str(tmp_path), "2026-01-01", "a", current=True)
    for name, hours in (("dead", 50), ("at-work", 40)):
        write_atomically(f"{tmp_path}/ds=2026-01-01/run={name}/pages/part-0.parquet", b"half")
        (file,) = list_files(f"{tmp_path}/ds=2026-01-01/run={name}")
        os.utime(file.path, (file.modified - hours * 3600,) * 2)
    assert main(["prune", f"--output={tmp_path}"]) == 0
    assert {run.name for run in list_run_folders(str(tmp_path)).runs} == {"run=a", "run=at-work"}


@outside
def test_a_manifest_that_points_outside_is_refused(output: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(output, "2026-01-01", "evil", current=True, tables={"pages": {"rows": 1, "files": [{"path": path}]}})
    for command, status in (("runs", 1), ("prune", 0)):
        assert main([command, f"--output={output}"]) == status
        assert "is not below" in capsys.readouterr().out
    for command in READING:
        assert main([*command, f"--run={output}"]) == 2
        assert "is not below" in capsys.readouterr().err


@outside
def test_a_catalog_outside_is_not_opened(output: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put_run(output, "2026-01-01", "evil", current=True, artifacts={"catalog": path})
    for command in READING:
        for run in (output, f"{output}/ds=2026-01-01", folder):
            assert main([*command, f"--run={run}"]) == 2
            assert "is not below" in capsys.readouterr().err


@outside
def test_a_ranker_outside_is_not_taken_from_a_manifest(
    output: str, path: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    artifacts = {"catalog": "catalogs/c", "ranker": path, "embeddings": path}
    folder = put_run(output, "2026-01-01", "evil", current=True, artifacts=artifacts)
    flags = ["run", f"--events={write_event(tmp_path)}", f"--output={tmp_path}/out"]
    for flag in ("ranker", "embeddings"):
        for source in (folder, output):
            assert main([*flags, f"--{flag}={source}"]) == 2
            assert "is not below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "content"),
    [
        ("local", "../../elsewhere"),
        ("local", "run=../x"),
        ("local", "\n"),
        ("gs", "run=a/b"),
        ("s3", "../../elsewhere"),
    ],
    indirect=["output"],
)
def test_a_pointer_that_is_no_name_is_refused(output: str, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(output, "2026-01-01", "a")
    write_atomically(f"{output}/ds=2026-01-01/CURRENT", content.encode())
    assert main(["runs", f"--output={output}"]) == 1
    assert "which is no run" in capsys.readouterr().out
    for command in READING:
        assert main([*command, f"--run={output}"]) == 2
        assert "which is no run" in capsys.readouterr().err


def test_a_link_that_leads_outside_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(put_run(f"{tmp_path}/out", "2026-01-01", "a", current=True))
    (tmp_path / "secrets").mkdir()
    (folder / "pages" / "part-0.parquet").unlink()
    (folder / "pages").rmdir()
    (folder / "pages").symlink_to(tmp_path / "secrets")
    assert main(["runs", f"--output={tmp_path}/out"]) == 1
    assert "is not below" in capsys.readouterr().out


def write_event(folder: Path) -> Path:
    played_at = pl.datetime(2026, 1, 2, time_zone="UTC")
    path = folder / "event.parquet"
    pl.select(user_id=pl.lit("u"), track_id=pl.lit("t"), played_at=played_at).write_parquet(path)
    return path
