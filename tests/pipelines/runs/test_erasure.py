"""Users to be forgotten: by the next run, and in the runs that were published."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.run_folders import list_run_folders
from pipelines.runs import erasure
from tests.pipelines.runs.outputs import put_run
from tests.runs import FAST, Published, reuse


def files_with(folder: Path, *ids: str) -> list[str]:
    """The files that hold an id, as bytes anywhere or in a string column of Parquet."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts = path.read_bytes().decode("latin1")
        if path.suffix == ".parquet":
            texts += " ".join(pl.read_parquet(path).select(pl.col(pl.String).cast(pl.String)).write_csv().splitlines())
        found += [str(path.relative_to(folder)) for one in ids if one in texts]
    return found


def test_a_run_without_the_erased_is_one_that_never_knew_them(
    world: Path, published: Published, tmp_path: Path
) -> None:
    events, users = (pl.read_parquet(world / name / "*.parquet") for name in ("events", "users"))
    flagged, listed = events["user_id"].unique().sort()[3], events["user_id"].unique().sort()[7]
    pl.DataFrame({"user_id": [listed]}).write_parquet(tmp_path / "forget.parquet")
    marked = users.with_columns(erased=pl.col("user_id") == flagged)
    others = ~pl.col("user_id").is_in([flagged, listed])
    # the towers' own examples are those of the test without tracks
    flags = ["--num_buckets=3", "--run_id=r", f"--tracks={world}/tracks", *reuse(published, ranker=False)]
    worlds = {"with": (events, marked, [f"--erased_users={tmp_path}/forget.parquet"])}
    worlds["without"] = (events.filter(others), marked.filter(others), [])
    for name, (seen, table, more) in worlds.items():
        seen.write_parquet(tmp_path / f"events_{name}.parquet")
        table.write_parquet(tmp_path / f"users_{name}.parquet")
        tables = [f"--events={tmp_path}/events_{name}.parquet", f"--users_table={tmp_path}/users_{name}.parquet"]
        assert main(["run", *tables, f"--output={tmp_path}/{name}", *FAST, *flags, *more]) == 0
    forgot, never = Published(tmp_path / "with"), Published(tmp_path / "without")
    assert forgot.hashes() == never.hashes()
    assert forgot.manifest["events"]["erased"] == len(events) - events.filter(others).height
    assert files_with(tmp_path / "with", flagged, listed) == []


@pytest.fixture
def output(published: Published, tmp_path: Path) -> Path:
    """A published run, and what a dead attempt left."""
    day = tmp_path / "out" / "ds=2025-12-31"
    shutil.copytree(published.folder.parent, day)
    dead = day / "run=dead" / "pages" / "part-0.parquet"
    dead.parent.mkdir(parents=True)
    shutil.copy(next((published.folder / "pages").iterdir()), dead)
    return tmp_path / "out"


def rows_of(table: pl.DataFrame, users: list[str]) -> int:
    return table.filter(pl.col("user_id").is_in(users)).height if "user_id" in table.columns else 0


def test_published_runs_forget(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Published(output)
    pages = before.table("pages")
    gone = pages["user_id"][2:4].to_list()
    pl.DataFrame({"user_id": [*gone, "nobody"]}).write_parquet(tmp_path / "forget.parquet")
    rows = {name: rows_of(before.table(name), gone) for name in before.manifest["tables"]}
    command = ["erase", f"--output={output}", f"--erased_users={tmp_path}/forget.parquet", "--grace_hours=0"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "users to forget: 3" in said and "hits left: 0" in said and "runs deleted: 1" in said
    # the dead attempt, which had a copy of the pages, is deleted as a whole
    assert f"rows removed: {sum(rows.values()):,}" in said
    assert files_with(output, *gone) == [] and not (output / "ds=2025-12-31" / "run=dead").exists()
    after = Published(output)
    assert after.table("pages").equals(pages.filter(~pl.col("user_id").is_in(gone)))
    assert after.read_hashes() == after.hashes()
    num_rows = {name: table["rows"] for name, table in after.manifest["tables"].items()}
    assert num_rows == {name: before.manifest["tables"][name]["rows"] - n for name, n in rows.items()}
    manifest = (after.folder / "manifest.json").read_bytes()
    assert main(command) == 0 and "rows removed: 0" in capsys.readouterr().out
    assert (after.folder / "manifest.json").read_bytes() == manifest


def test_an_erasure_that_died_before_the_manifest_is_completed(output: Path, tmp_path: Path) -> None:
    run = Published(output)
    user = run.table("pages")["user_id"][0]
    pl.DataFrame({"user_id": [user]}).write_parquet(tmp_path / "forget.parquet")
    stale = json.dumps(run.manifest)
    command = ["erase", f"--output={output}", f"--erased_users={tmp_path}/forget.parquet"]
    main(command)
    (run.folder / "manifest.json").write_text(stale)
    main(command)
    assert Published(output).hashes() == Published(output).read_hashes()


def test_a_run_at_work_is_no_success(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user = Published(output).table("pages")["user_id"][0]
    pl.DataFrame({"user_id": [user]}).write_parquet(tmp_path / "forget.parquet")
    dead = output / "ds=2025-12-31" / "run=dead" / "pages" / "part-0.parquet"
    os.utime(dead)
    assert main(["erase", f"--output={output}", f"--erased_users={tmp_path}/forget.parquet"]) == 1
    said = capsys.readouterr().out
    assert "hits left: 1" in said and "still at work" in said and dead.exists()


def test_the_erased_leave_no_track_behind_where_tracks_are_those_of_the_events(world: Path, tmp_path: Path) -> None:
    events = pl.read_parquet(world / "events" / "*.parquet")
    user = events["user_id"].unique().sort()[5]
    # what only the erased have heard must not become a track of the catalog
    own = events.filter(user_id=user).head(1).with_columns(track_id=pl.lit("heard by one"))
    pl.concat([events, own]).write_parquet(tmp_path / "events.parquet")
    pl.DataFrame({"user_id": [user]}).write_parquet(tmp_path / "forget.parquet")
    flags = [f"--events={tmp_path}/events.parquet", f"--erased_users={tmp_path}/forget.parquet", "--mode=features"]
    assert main(["run", *flags, f"--output={tmp_path}/out", *FAST]) == 0
    assert files_with(tmp_path / "out", user, "heard by one") == []
    (manifest,) = (tmp_path / "out").glob("ds=*/run=*/manifest.json")
    told = json.loads(manifest.read_text())
    assert told["events"]["erased"] == events.filter(user_id=user).height + 1 and told["events"]["kept"] > 10_000


def test_files_of_anyone_below_the_output_are_named(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Published(output)
    user = run.table("pages")["user_id"][0]
    pl.DataFrame({"user_id": [user]}).write_parquet(tmp_path / "forget.parquet")
    found = {
        output / "preview.html": f'[{{"id":"{user}"}}]'.encode(),
        run.folder / "look.ipynb": json.dumps({"cells": [{"source": [f"user = '{user}'"]}]}).encode(),
        run.folder / "pages" / ".part-0.parquet.0123456789ab": b"PAR1 half of a file",
        run.folder / next(iter(run.manifest["artifacts"].values())) / "spec.json": f'"{user}"'.encode(),
    }
    clean = output / "notes.txt"
    for path, content in {**found, clean: f"{user}0 is another user".encode()}.items():
        path.write_bytes(content)
    assert main(["erase", f"--output={output}", f"--erased_users={tmp_path}/forget.parquet", "--grace_hours=0"]) == 1
    said = capsys.readouterr().out
    assert all(f"{path}: it " in said for path in found) and str(clean) not in said
    assert f"hits left: {len(found)}" in said
    for path in found:
        path.unlink()
    assert main(["erase", f"--output={output}", f"--erased_users={tmp_path}/forget.parquet"]) == 0


@pytest.mark.parametrize(("listing", "calls"), [("list_run_folders", 1), ("list_files", 2)])
def test_what_a_prune_deletes_meanwhile_holds_nobody(
    listing: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, users = f"{tmp_path}/out", tmp_path / "users.parquet"
    for number in (1, 2, 3):
        put_run(output, f"2026-01-0{number}", "daily", current=True)
    pl.DataFrame({"user_id": ["u"]}).write_parquet(users)
    real, seen = getattr(erasure, listing), []

    def list_then_prune(folder: str) -> Any:
        found = real(folder)
        seen.append(found)
        if len(seen) == calls:
            assert main(["prune", f"--output={output}", "--keep=1", "--grace_hours=0"]) == 0
        return found

    monkeypatch.setattr(erasure, listing, list_then_prune)
    assert main(["erase", f"--output={output}", f"--erased_users={users}"]) == 0
    assert len(seen) >= calls and "hits left: 0" in capsys.readouterr().out
    assert not list_run_folders(output).problems and len(list_run_folders(output).runs) == 1
