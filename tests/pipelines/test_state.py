"""Runs that start from a state: of the same events they publish the same bytes."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.preparation import prepare_run
from pipelines.inputs.state import remark_on
from pipelines.options.options import RunOptions, UsageError
from tests.pipelines.runs.test_erasure import files_with
from tests.runs import Published, reuse, run_on
from tests.stored_days import add_events, plan_day
from transforms.reading.read_tables import read_row_group
from transforms.state.state_days import day_path, list_days, read_day
from transforms.tables.columns import to_frame
from transforms.tables.schemas import EVENT_ROWS, EVENTS
from transforms.tables.stage_counters import StageError

LAST_DAY = datetime(2025, 12, 31, tzinfo=timezone.utc)


def rows_of(path: Path) -> pl.DataFrame:
    """Return EVENT_ROWS of the files of a path."""
    groups = inspect_input("events", str(path), None, schema=EVENTS).row_groups
    tables = [table for group in groups for table in read_row_group(group, schema=EVENT_ROWS, column_mapping={})]
    return EVENT_ROWS.conform(*map(to_frame, tables))


def test_a_run_that_starts_from_a_state_publishes_the_same_bytes(
    world: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, is_new = rows_of(world / "events"), pl.col("played_at") >= LAST_DAY
    rows_of(world / "events").filter(is_new).write_parquet(tmp_path / "day.parquet")
    state = str(tmp_path / "state")
    add_events(plan_day(state, "2025-12-29"), events.filter(pl.col("played_at") < LAST_DAY - timedelta(days=1)))
    add_events(
        plan_day(state, "2025-12-30"), events.filter(~is_new & (pl.col("played_at") >= LAST_DAY - timedelta(days=1)))
    )
    flags = [f"--state={state}", "--num_buckets=0", "--mode=score", "--max_feature_users=0", *reuse(published)]
    run = run_on(world, tmp_path / "out", *flags, events=tmp_path / "day.parquet")
    names = ("pages/", "candidates/", "rejected/", "rejected_users/", "rejected_tracks/")
    same = {path: digest for path, digest in published.hashes().items() if path.startswith(names)}
    assert {path: digest for path, digest in run.hashes().items() if path.startswith(names)} == same and len(same) == 5
    assert run.manifest["events"] == published.manifest["events"] and run.manifest["remarks"] == []
    stored, given = run.manifest["inputs"]["state"]["rows"], run.manifest["inputs"]["events"]["rows"]
    assert (stored, given) == (events.filter(~is_new).height, events.filter(is_new).height) and given
    # commands that count events again, or compute features, read those of earlier days too
    user = run.table("pages")["user_id"][3]
    assert main(["check", f"--run={tmp_path}/out"]) == 0
    assert main(["why", f"--run={tmp_path}/out", f"--user={user}"]) == 0
    # erasure finds the state by the run, and rewrites it
    pl.DataFrame({"user_id": [user]}).write_parquet(tmp_path / "forget.parquet")
    assert user in files_with_users(state)
    capsys.readouterr()
    assert main(["erase", f"--output={tmp_path}/out", f"--erased_users={tmp_path}/forget.parquet"]) == 0
    assert "hits left: 0" in capsys.readouterr().out
    assert user not in files_with_users(state) and files_with(tmp_path / "state", user) == []
    earlier = plan_day(state, "2026-01-01").earlier
    assert earlier and earlier.num_rows == events.height - events.filter(user_id=user).height


def files_with_users(state: str) -> set[str]:
    return set(pl.read_parquet(f"{state}/events/**/*.parquet")["user_id"])


def test_an_erasure_that_died_is_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, output = tmp_path / "state", tmp_path / "out"
    output.mkdir()
    (output / "note.txt").write_text("an output without runs")
    rows = [{"user_id": f"user-{n}", "track_id": "t", "played_at": LAST_DAY} for n in range(9)]
    for day in ("2025-12-29", "2025-12-30", "2025-12-31"):
        add_events(plan_day(str(state), day), EVENT_ROWS.frame(rows))
    before = {day: Path(day_path(str(state), day)).read_text() for day in ("2025-12-29", "2025-12-30", "2025-12-31")}
    dead = state / "events" / "ds=2025-12-31" / "run=dead" / "bucket-00000.parquet"
    dead.parent.mkdir()
    dead.write_bytes(b"PAR1 half of a file with user-3")
    pl.DataFrame({"user_id": ["user-3"]}).write_parquet(tmp_path / "forget.parquet")
    command = ["erase", f"--output={output}", f"--state={state}", f"--erased_users={tmp_path}/forget.parquet"]
    assert main(command) == 0 and "rows removed: 3" in capsys.readouterr().out
    assert not dead.exists() and files_with(state, "user-3") == []
    after = {day: read_day(str(state), day) for day in before}
    for day, text in before.items():
        Path(day_path(str(state), day)).write_text(text)
    assert main(command) == 0 and {day: read_day(str(state), day) for day in before} == after
    (state / "copy.parquet").write_bytes(b"user-3")
    assert main(command) == 1 and "no day of the state names it" in capsys.readouterr().out


def test_states_that_a_run_cannot_start_from(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert "is begun" in remark_on(plan_day(state, "2025-12-30"))
    add_events(plan_day(state, "2025-12-30"), EVENT_ROWS.frame())
    assert plan_day(state, "2025-12-30").earlier is None, "its first day is run again"
    assert "ends with 2025-12-30" in remark_on(plan_day(state, "2026-01-02"))
    assert remark_on(plan_day(state, "2025-12-31")) == ""
    with pytest.raises(UsageError, match="begins with 2025-12-30: no run as of 2025-12-29"):
        plan_day(state, "2025-12-29")
    with pytest.raises(UsageError, match="has 3 buckets"):
        plan_day(state, "2025-12-31", num_buckets=4)
    for inside in ("/elsewhere/state", "/elsewhere/x/../state/", "/elsewhere", "/"):
        with pytest.raises(UsageError, match="a folder of its own"):
            plan_day(inside, "2025-12-31")
    with pytest.raises(UsageError, match="--state=tape://state: Unable to get filesystem"):
        plan_day("tape://state", "2025-12-31")
    path = Path(day_path(state, "2025-12-30"))
    whole = json.loads(path.read_text())
    named = {"bucket": 0, "path": "events/../../x", "rows": 1, "bytes": 1, "sha256": "", "is_base": False}
    for damaged in ("{", "[]", json.dumps({**whole, "files": [named]}), json.dumps({**whole, "num_buckets": "3"})):
        path.write_text(damaged)
        with pytest.raises(UsageError, match="2025-12-30.json"):
            plan_day(state, "2025-12-31")


def test_days_are_added_in_order_or_again(tmp_path: Path) -> None:
    state = str(tmp_path)
    add_events(plan_day(state, "2025-12-29"), EVENT_ROWS.frame())
    earlier, later = plan_day(state, "2025-12-30"), plan_day(state, "2025-12-31")
    rows = [{"user_id": "u", "track_id": "t", "played_at": LAST_DAY}]
    # both are at work at once: the later one has not read what the earlier one adds
    add_events(earlier, EVENT_ROWS.frame(rows))
    with pytest.raises(StageError, match="2025-12-30 is the newest now.*run this day again"):
        add_events(later, EVENT_ROWS.frame())
    assert list_days(state) == ["2025-12-29", "2025-12-30"]
    # the later one is the first to end
    Path(day_path(state, "2025-12-30")).unlink()
    add_events(later, EVENT_ROWS.frame())
    add_events(earlier, EVENT_ROWS.frame(rows))
    with pytest.raises(UsageError, match="2025-12-30 was added after 2025-12-31.*run 2025-12-31 and the days after"):
        plan_day(state, "2026-01-01")
    add_events(plan_day(state, "2025-12-31"), EVENT_ROWS.frame())
    assert plan_day(state, "2026-01-01").earlier == read_day(state, "2025-12-31")


def test_what_a_damaged_day_may_name_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, output = tmp_path / "state", tmp_path / "out"
    output.mkdir()
    (output / "note.txt").write_text("an output without runs")
    days = [f"2025-12-{day}" for day in range(10, 25)]
    for number, day in enumerate(days):
        add_events(plan_day(str(state), day), EVENT_ROWS.frame([{"user_id": f"u{number}", "played_at": LAST_DAY}]))
    damaged = Path(day_path(str(state), days[-1]))
    whole, files = damaged.read_bytes(), sorted(state.rglob("*.parquet"))
    damaged.write_bytes(whole[:300])
    # a day before it is run again, and users are erased
    add_events(plan_day(str(state), days[-3], "run=b"), EVENT_ROWS.frame([{"user_id": "u12", "played_at": LAST_DAY}]))
    pl.DataFrame({"user_id": ["u14"]}).write_parquet(tmp_path / "forget.parquet")
    command = ["erase", f"--output={output}", f"--state={state}", f"--erased_users={tmp_path}/forget.parquet"]
    assert main(command) == 1 and "no day of the state names it" in capsys.readouterr().out
    assert {*files} <= {*state.rglob("*.parquet")}
    damaged.write_bytes(whole)
    assert main(command) == 0 and "rows removed: 1" in capsys.readouterr().out


def test_a_state_that_is_begun_has_the_buckets_of_its_run(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = [f"--events={world / 'events'}", f"--output={tmp_path}/out", "--as_of=2026-01-01", "--run_id=a"]
    options = RunOptions(events=str(world / "events"), output=f"{tmp_path}/out", as_of=LAST_DAY + timedelta(days=1))
    begun = [prepare_run(replace(options, state=f"{tmp_path}/new", num_buckets=given)).state for given in (0, 3)]
    assert [plan.num_buckets for plan in begun if plan] == [8, 3]
    add_events(plan_day(f"{tmp_path}/state", "2025-12-30"), rows_of(world / "events").head(7))
    assert main(["run", *tables, f"--state={tmp_path}/state", "--dry_run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inputs"]["state"]["rows"] == 7 and told["num_buckets"] == 3
    (tmp_path / "file").write_text("")
    assert main(["run", *tables, f"--state={tmp_path}/file"]) == 2
    assert f"--state={tmp_path}/file: File exists" in capsys.readouterr().err


def test_a_state_needs_a_day_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--events={tmp_path}", f"--output={tmp_path}/out", f"--state={tmp_path}/state"]
    assert main(["run", *flags]) == 2 and "--state needs --as_of" in capsys.readouterr().err
    assert main(["backfill", *flags, "--first_day=2025-12-30", "--last_day=2025-12-31"]) == 2
    assert "--state: backfill reads all events" in capsys.readouterr().err
