"""homeshelf replay from argv to its report, on pages that a run's policy served."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from tests.built_once import built_once
from tests.pipelines.rendering.browsing import check_report
from tests.runs import Published
from tests.served_pages import serve_pages, value_of, write_log
from transforms.pages.composition.policy import Policy

SMALL = ("--num_buckets=3", "--num_replicates=100")
NUM_DRAWS = 15


@pytest.fixture(scope="module")
def run(published: Published) -> PublishedRun:
    return PublishedRun(str(published.folder))


@pytest.fixture(scope="module")
def policy(run: PublishedRun) -> Policy:
    """What was served: two shelves of three tracks."""
    return replace(run.policy, max_shelves=2, shelf_size=3, exploration=0.5)


@pytest.fixture(scope="module")
def run_of_small_pages(published: Published, policy: Policy) -> Path:
    """The run with the policy in its manifest: pages of this size take no run of their own."""

    def build(folder: Path) -> None:
        copied = folder / "ds=2025-12-31" / "run=small"
        shutil.copytree(published.folder, copied)
        manifest = published.manifest
        manifest["policy"] |= {"max_shelves": 2, "shelf_size": 3, "exploration": 0.5}
        (copied / "manifest.json").write_text(json.dumps(manifest))
        write_log(folder, PublishedRun(str(published.folder)), policy, NUM_DRAWS)

    return built_once("served", build)


def replay(log: Path, output: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    tables = [f"--impressions={log}/impressions.parquet", f"--events={log}/events.parquet"]
    status = main(["replay", *tables, f"--output={output}", *SMALL, *flags])
    path = output / "replay.json"
    return status, json.loads(path.read_text()) if path.is_file() else {}


def test_the_logging_policy_itself_has_the_value_of_the_log(
    run_of_small_pages: Path, tmp_path: Path, browser: Browser
) -> None:
    served = run_of_small_pages / "ds=2025-12-31" / "run=small"
    status, report = replay(run_of_small_pages, tmp_path, f"--run={served}")
    assert (status, report["reasons"]) == (0, [])
    *weighed, robust = report["estimates"]
    for estimate in weighed:
        assert estimate["value"] == pytest.approx(report["logged"]["value"], rel=1e-4)
        assert estimate["difference"] == pytest.approx(0, abs=1e-4)
    # an interval of 95 % misses in one world of twenty; its whole width is four standard errors
    assert abs(robust["difference"]) < min(0.01, robust["difference_high"] - robust["difference_low"])
    assert report["requests"] == report["users"] * NUM_DRAWS and report["users"] > 140
    page = (tmp_path / "replay.html").read_text()
    assert "item-position IPS" in page and "cascade DR" in page
    check_report(browser, tmp_path / "replay.html", "replay")


def test_the_value_of_another_exploration_lies_in_every_interval(
    run_of_small_pages: Path, run: PublishedRun, policy: Policy, tmp_path: Path
) -> None:
    served = run_of_small_pages / "ds=2025-12-31" / "run=small"
    status, report = replay(run_of_small_pages, tmp_path, f"--run={served}", "--exploration=0.4")
    assert (status, report["reasons"]) == (0, [])
    truth = value_of(run, replace(policy, exploration=0.4), 8)
    for estimate in report["estimates"]:
        width = estimate["high"] - estimate["low"]
        assert estimate["low"] - width / 4 < truth < estimate["high"] + width / 4, (estimate, truth)


def test_a_greedy_target_is_refused_without_a_number(
    run_of_small_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = run_of_small_pages / "ds=2025-12-31" / "run=small"
    status, report = replay(run_of_small_pages, tmp_path, f"--run={served}", "--exploration=0")
    assert status == 3 and report["reasons"]
    assert (report["estimates"], report["diagnostics"], report["clipped"]) == ([], [], [])
    assert report["support"] and "The log cannot tell" in capsys.readouterr().out
    assert "The log cannot tell" in (tmp_path / "replay.html").read_text()


def test_scored_pages_have_the_propensities_that_were_published(
    run: PublishedRun, policy: Policy, run_of_small_pages: Path, tmp_path: Path
) -> None:
    """Of the shelves alone, of the items alone, and of both: every weight is 1 where target and log are one policy."""
    served = run_of_small_pages / "ds=2025-12-31" / "run=small"
    for choices in ("shelves", "items"):
        status, report = replay(run_of_small_pages, tmp_path, f"--run={served}", f"--choices={choices}")
        assert status == 0
        assert all(one["effective"] == pytest.approx(one["choices"], rel=1e-4) for one in report["support"])
    cards = serve_pages(run, policy, 1)
    assert cards["propensity"].min() < 0.5  # type: ignore[operator]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--surface=radio", "--run={run}"], "--surface=radio is none of"),
        (["--outcome=completed", "--run={run}"], "--outcome=completed is none of"),
        ([], "no column 'target_propensity'"),
        (["--run={run}", "--choices=some"], "'some' is none of page, shelves, items"),
        (["--run=/nowhere"], "/nowhere"),
    ],
)
def test_bad_requests_get_one_line_before_any_work(
    flags: list[str], message: str, run_of_small_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = str(run_of_small_pages / "ds=2025-12-31" / "run=small")
    status, _ = replay(run_of_small_pages, tmp_path / "out", *(flag.replace("{run}", served) for flag in flags))
    said = capsys.readouterr().err
    assert status == 2 and message in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_number_without_an_impression_of_the_target(
    run_of_small_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = run_of_small_pages / "ds=2025-12-31" / "run=small"
    status, _ = replay(run_of_small_pages, tmp_path, f"--run={served}", "--policy=another")
    assert status == 1 and "no impression could be scored" in capsys.readouterr().err


def test_impressions_without_outcomes_need_events(
    run_of_small_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = run_of_small_pages / "impressions.parquet"
    given = pl.read_parquet(log).with_columns(target_propensity="propensity", target_shelf_propensity="propensity")
    given.write_parquet(tmp_path / "log.parquet")
    flags = [f"--impressions={tmp_path}/log.parquet", f"--output={tmp_path}/out"]
    assert main(["replay", *flags, *SMALL]) == 2
    assert "no column 'outcome'" in capsys.readouterr().err
