"""homeshelf evaluate --task=next_track from flags to report, on a small world of habits."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from tests.pipelines.rendering.browsing import check_report

FLAGS = ("--task=next_track", "--num_replicates=40", "--num_buckets=2", "--max_users=1000")


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four albums of ten tracks each, played in order; a third of the sessions begin with the user's favourite."""
    rng = np.random.default_rng(1)
    rows = []
    for user in range(40):
        at = datetime(2025, 11, 1, tzinfo=timezone.utc) + timedelta(hours=float(rng.uniform(0, 24)))
        while at < datetime(2025, 12, 1, tzinfo=timezone.utc):
            album = int(rng.integers(4))
            tracks = [f"favourite {user}"] if rng.random() < 0.33 else []
            for track in [*tracks, *(f"album {album}, {number}" for number in range(int(rng.integers(2, 6))))]:
                rows.append((f"u{user}", track, at))
                at += timedelta(minutes=4)
            at += timedelta(days=float(rng.uniform(1, 4)))
    folder = tmp_path_factory.mktemp("habits")
    pl.DataFrame(rows, schema=["user_id", "track_id", "played_at"], orient="row").write_parquet(folder / "e.parquet")
    return folder / "e.parquet"


@pytest.fixture(scope="module")
def output(habits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report")
    assert main(["evaluate", f"--events={habits}", f"--output={output}", *FLAGS]) == 0
    assert {"report.json", "report.html", "report.md", "tuning"} <= {path.name for path in output.iterdir()}
    return output


@pytest.fixture(scope="module")
def report(output: Path) -> dict:
    return json.loads((output / "report.json").read_text())


def test_the_page_fits_and_keeps_nobody_out(browser: Browser, output: Path) -> None:
    check_report(browser, output / "report.html", "next-track")


def value(report: dict, system: str, segment: str, metric: str = "ndcg@10", targets: str = "all") -> float:
    key = (system, metric, targets, segment)
    (found,) = [
        one for one in report["values"] if (one["system"], one["metric"], one["targets"], one["segment"]) == key
    ]
    assert found["low"] <= found["value"] <= found["high"]
    return found["value"]


def test_each_system_is_good_at_what_it_knows_and_the_mixture_at_all_of_it(report: dict) -> None:
    assert report["tuning_cutoff"][:10] == "2025-11-16"
    assert value(report, "markov", "in session") > 2 * value(report, "act_r", "in session")
    assert value(report, "act_r", "first of session") > value(report, "markov", "first of session")
    assert value(report, "act_r", "first of session", "recall@20") > 1.3 * value(
        report, "markov", "first of session", "recall@20"
    )
    best = max(value(report, one["name"], "every play") for one in report["systems"])
    assert value(report, "mixture", "every play") >= 0.95 * best
    cases = {tuple(one[:2]): one[2] for one in report["cases"]}
    assert cases["all", "every play"] == cases["repeats", "every play"] + cases["discoveries", "every play"]
    assert cases["all", "every play"] == report["counts"]["cases"] > 200


def test_a_report_on_some_users_is_learned_from_everyone(report: dict, habits: Path, tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [f"u{number}" for number in range(12)]}).write_parquet(tmp_path / "users.parquet")
    given = (f"--report_users={tmp_path / 'users.parquet'}", "--baselines=markov")
    assert main(["evaluate", f"--events={habits}", f"--output={tmp_path / 'report'}", *FLAGS, *given]) == 0
    some = json.loads((tmp_path / "report" / "report.json").read_text())
    assert some["counts"]["users"] == 12 and some["counts"]["events"] == report["counts"]["events"]
    assert some["counts"]["cases"] < report["counts"]["cases"]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--baselines=page", "there is no 'page'"),
        ("--lists=other:x.parquet", "--lists: evaluations with --task=next_track do not have it"),
        ("--task=week_ahead", "--sequence_model: only evaluations with --task=next_track have it"),
        ("--task=tomorrow", "'tomorrow' is none of week_ahead, next_track"),
    ],
)
def test_flags_that_mean_nothing_here_are_refused(
    flag: str, message: str, habits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [one for one in FLAGS if one.split("=")[0] != flag.split("=")[0]]
    assert main(["evaluate", f"--events={habits}", f"--output={tmp_path}", *others, "--sequence_model=yes", flag]) == 2
    assert message in capsys.readouterr().err
