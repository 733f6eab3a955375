"""homeshelf assign and homeshelf experiment on tables: files, counts, refusals and exit statuses."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from tests.pipelines.rendering.browsing import check_report
from transforms.experiments.readout.user_days import BEFORE

START = datetime(2025, 12, 22, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def tables(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Assignments of all users, by the command, and their exposures with rows that do not count."""
    folder = tmp_path_factory.mktemp("experiment")
    flags = [f"--users_table={world / 'users'}", "--experiment=e", "--assigned_at=2025-12-01"]
    assert main(["assign", *flags, f"--file={folder}/assignments.parquet"]) == 0
    users = pl.read_parquet(folder / "assignments.parquet")["user_id"]
    late = [START + timedelta(hours=number % 40) for number in range(len(users))]
    rows = pl.DataFrame({"user_id": users, "exposed_at": late})
    strays = pl.DataFrame({"user_id": ["stranger", None, users[0]], "exposed_at": [START, START, START]})
    again = rows.with_columns(pl.col("exposed_at") + timedelta(days=1))
    pl.concat([rows, again, strays]).write_parquet(folder / "exposures.parquet")
    return folder


def flags_of(world: Path, tables: Path, output: Path) -> list[str]:
    inputs = [f"--events={world / 'events'}", f"--tracks={world / 'tracks'}", f"--users_table={world / 'users'}"]
    inputs += [f"--impressions={world / 'impressions'}", f"--assignments={tables}/assignments.parquet"]
    inputs += [f"--exposures={tables}/exposures.parquet", "--experiment=e", "--starts_at=2025-12-22"]
    return [
        "experiment",
        *inputs,
        "--num_days=10",
        "--as_of=2026-01-01",
        "--covariate_days=7",
        "--num_buckets=2",
        f"--output={output}",
    ]


def test_a_readout(world: Path, tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(flags_of(world, tables, tmp_path)) == 0
    found = json.loads((tmp_path / "readout.json").read_text())
    users = pl.read_parquet(tables / "assignments.parquet")
    counts = found["counts"]
    assert counts["assigned/0"] + counts["assigned/1"] == counts["exposed/0"] + counts["exposed/1"] == len(users)
    rejected = pl.read_parquet(tmp_path / "rejected_enrolments")
    reasons = dict(rejected["reason"].value_counts().rows())
    assert reasons == {"repeated": len(users) + 1, "not_assigned": 1, "missing_user": 1}
    assert counts["exposures/repeated"] == len(users) + 1
    # fewer than 100 users an arm: no interval, so no decision but at the planned end
    assert found["num_looks"] == 10 and found["decisions"]["treatment"]["verdict"] == "do not ship"
    days = pl.read_parquet(tmp_path / "user_days")
    assert sorted(days.filter(pl.col("day") == BEFORE)["user_id"]) == sorted(users["user_id"])
    reward = [one for one in found["estimates"] if one["metric"] == "reward" and one["segment"] == "all"][-1]
    control = days.filter(pl.col("arm") == 0).select("user_id", "exposed_at", "day", "reward").rows()
    last = datetime(2026, 1, 1, tzinfo=timezone.utc)
    settled = {user: (last - at) // timedelta(days=1) for user, at, _, _ in control}
    total = sum(reward for user, _, day, reward in control if 0 <= day < settled[user]) / 100
    assert reward["control_value"] == pytest.approx(total / sum(settled.values()))
    assert (tmp_path / "readout.html").stat().st_size > 10_000 and not (tmp_path / "catalog").exists()
    out = capsys.readouterr().out
    assert "do not ship" in out and "recommended_share" in out


def test_a_plan(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Browser) -> None:
    flags = [f"--events={world / 'events'}", f"--tracks={world / 'tracks'}", "--as_of=2026-01-01", "--num_buckets=2"]
    assert main(["experiment", *flags, "--plan=0.05", "--num_days=14", f"--output={tmp_path}"]) == 0
    found = json.loads((tmp_path / "plan.json").read_text())
    assert {one["days"] for one in found["powers"]} == {7, 14} and found["days_needed"] is None
    assert "14 days are too short" in capsys.readouterr().out
    assert (tmp_path / "plan.md").exists()
    check_report(browser, tmp_path / "plan.html", "plan")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--success=retention"], "--success: there is no metric 'retention'"),
        (["--success=coverage"], "--success: there is no metric 'coverage'"),
        (["--guardrails=reward:0.1"], "none may be a guardrail too"),
        (["--guardrails=loudness:0.1"], "--guardrails: there is no metric 'loudness'"),
        (["--guardrails=reward"], "is not of the form name:number"),
        (["--arms=control:1"], "does not name two arms or more"),
        (["--arms=a:1,a:1"], "is not of the form"),
        (["--arms=a:1,b:0"], "each with a share above 0"),
        (["--alpha=0"], "not between 0 and 0.5"),
        (["--starts_at=2026-02-01"], "the readout is as of 2026-01-01"),
        (["--plan=0.05"], "has no assignments"),
        (["--assignments="], "are needed (or --plan"),
        (["--exposures=/nowhere"], "--exposures"),
        (["--what=1"], "unknown flag --what"),
    ],
)
def test_refusals(
    world: Path, tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main([*flags_of(world, tables, tmp_path), *flags]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_invalid_and_unequal_assignments(
    world: Path, tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*flags_of(world, tables, tmp_path), "--num_days=2", "--covariate_days=1"]
    assert main([*flags, "--arms=control:1,other:1"]) == 1
    assert "rows are invalid (unknown_arm" in capsys.readouterr().err
    assert main([*flags, "--arms=control:9,treatment:1"]) == 3
    assert "blocked (sample ratio mismatch" in capsys.readouterr().out
    assert json.loads((tmp_path / "readout.json").read_text())["estimates"] == []


def test_assignments_of_two_slices(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = []
    for name, within in (("a", "0:0.4"), ("b", "0.4:1")):
        flags = [f"--users_table={world / 'users'}", f"--experiment={name}", f"--within={within}", "--layer=home"]
        assert main(["assign", *flags, "--assigned_at=2025-12-01", f"--file={tmp_path}/{name}.parquet"]) == 0
        users.append(set(pl.read_parquet(tmp_path / f"{name}.parquet")["user_id"]))
    everyone = set(pl.read_parquet(world / "users")["user_id"])
    assert not users[0] & users[1] and users[0] | users[1] <= everyone and len(users[0] | users[1]) > 140
    for flag in ("--within=0.5:0.5", "--within=x", "--within=0.2", f"--output={tmp_path}/a.csv"):
        given = [f"--users_table={world / 'users'}", "--experiment=a", "--assigned_at=2025-12-01"]
        assert main(["assign", *given, f"--file={tmp_path}/c.parquet", flag]) == 2
    assert capsys.readouterr().err
