"""Readouts of made-up sums: decisions, blocks, signs, and the page in a browser."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser

from pipelines.experiment.duration import make_duration_plan
from pipelines.experiment.readout import make_readout
from pipelines.experiment.readout_data import Readout, readout_to_json
from pipelines.experiment.readout_page import readout_to_html, readout_to_markdown
from pipelines.experiment.readout_tables import readout_tables
from tests.pipelines.experiment.made_up_sums import measured_of, plan_of
from tests.pipelines.hostile import TEXTS
from tests.pipelines.rendering.browsing import SCREENSHOTS, barriers, opened

NUM_USERS = 2_000
# Wide enough for so few users.
MARGINS = "skip_share:0.1,new_artists:0.1,coverage:0.05"
FLAGS: dict[str, Any] = {"guardrails": MARGINS, "num_days": 12}
BETTER = {"reward": 0.1}


def read_out(days: int = 12, effects: dict[str, float] = BETTER, users: tuple[int, ...] = (), **flags: Any) -> Readout:
    plan = plan_of(days, **(FLAGS | flags))
    return make_readout(plan, measured_of(plan, NUM_USERS, effects, users), "homeshelf experiment")


@pytest.fixture(scope="module")
def shipped() -> Readout:
    return read_out()


@pytest.mark.parametrize(
    ("days", "effects", "verdict"),
    [
        (12, {}, "do not ship"),
        (12, BETTER | {"skip_share": 0.3}, "do not ship"),
        (12, BETTER | {"skip_share": -0.3}, "ship"),
        (12, {"reward": -0.1}, "do not ship"),
        (6, {}, "continue"),
        (6, {"coverage": -0.2}, "do not ship"),
        (2, {"reward": 0.005}, "continue"),
    ],
)
def test_decisions(days: int, effects: dict[str, float], verdict: str) -> None:
    assert read_out(days, effects, success=("reward",)).decisions["treatment"].verdict == verdict


def test_a_clear_winner_ships_with_its_effect_inside_the_interval(shipped: Readout) -> None:
    found = shipped.find("treatment", "reward")
    assert shipped.decisions["treatment"].verdict == "ship" and found is not None
    assert found.relative_low is not None and found.relative_high is not None
    assert 0 < found.relative_low < 0.1 < found.relative_high < 0.2 and found.verdict == "better"
    assert found.variance_cut is not None and found.variance_cut > 0.5
    # a look a day, each with its interval; the first are wider
    widths = [
        one.high - one.low
        for one in shipped.estimates
        if (one.metric, one.segment) == ("reward", "all") and one.high is not None and one.low is not None
    ]
    assert len(widths) > 6 and widths[-1] == min(widths)
    assert {one.segment for one in shipped.estimates} == {"all", "new", "returning", "capped"}


def test_a_sample_ratio_mismatch_blocks_and_shows_no_figure() -> None:
    found = read_out(users=(202_000, 198_000))
    assert found.decisions["treatment"].verdict == "blocked" and not found.estimates
    assert {table.title for table in readout_tables(found)} == {"Sample ratio", "Data"}
    assert read_out(users=(20_200, 19_900)).decisions["treatment"].verdict == "ship"


def test_only_success_metrics_share_alpha() -> None:
    """Guardrails must all hold, so they do not; two treatments are two chances."""
    one = read_out(success=("reward",))
    two, arms = read_out(success=("reward", "listening_days")), read_out(arms="control:1,a:1,b:1", success=("reward",))
    bounds = [found.find(arm, "reward") for found, arm in ((one, "treatment"), (two, "treatment"), (arms, "a"))]
    safe = [found.find("treatment", "skip_share") for found in (one, two)]
    assert all(bounds) and all(safe)
    assert bounds[0].bound < bounds[1].bound == pytest.approx(bounds[2].bound, abs=0.02)  # type: ignore[union-attr]
    assert safe[0].bound == pytest.approx(safe[1].bound, abs=0.02)  # type: ignore[union-attr]


def test_before_the_first_look_there_is_no_figure_and_no_decision() -> None:
    found = read_out(0)
    assert found.decisions["treatment"].verdict == "continue" and not found.estimates
    assert readout_to_html(found) and readout_to_markdown(found)


def test_json_has_every_number_and_no_nan(shipped: Readout) -> None:
    found = json.loads(readout_to_json(shipped))
    assert found["decisions"]["treatment"]["verdict"] == "ship"
    assert len(found["estimates"]) == len(shipped.estimates)
    assert found["estimates"][0].keys() == vars(shipped.estimates[0]).keys()


def test_markdown_has_the_tables_of_the_page(shipped: Readout) -> None:
    text = readout_to_markdown(shipped)
    assert all(f"## {table.title}" in text for table in readout_tables(shipped))
    assert "skip_share ↓" in text and "**better**" in text


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_page(shipped: Readout, browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    path = tmp_path / "readout.html"
    path.write_text(readout_to_html(shipped))
    page = opened(browser, path, scheme, width)
    assert page.title() == "Readout: longer_shelves: ship" and page.wrong == []  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure").count() == 3
    page.screenshot(path=SCREENSHOTS / f"readout-{scheme}.png", full_page=True)
    assert barriers(page) == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_names_are_text(shipped: Readout, browser: Browser, tmp_path: Path, text: str) -> None:
    path, decision = tmp_path / "readout.html", shipped.decisions["treatment"]
    changed = Readout(**{**vars(shipped), "experiment": text, "command": text, "decisions": {text: decision}})
    path.write_text(readout_to_html(changed))
    page = opened(browser, path)
    assert page.wrong == []  # type: ignore[attr-defined]
    assert page.locator("img, iframe, [onerror]").count() == 0 and page.locator("script").count() == 1
    lines = readout_to_markdown(changed).split("\n")
    # the command is code, in which nothing is markup
    assert not any(re.search(r"<|[\x00-\x1f]", line) for line in lines if not line.startswith("`"))


def test_a_plan_needs_fewer_users_the_longer_it_runs() -> None:
    plan = plan_of(12, **FLAGS, plan=0.05)
    measured = measured_of(plan, NUM_USERS, {})
    found = make_duration_plan(plan, measured, "homeshelf experiment --plan=0.05")
    users = {one.days: one.users for one in found.powers if one.metric == "reward"}
    assert list(users) == [7, 12] and users[12] < users[7]
    for one in found.powers:
        # the effect that all users find, and the users that find the effect, are the same statement
        at = (pl.col("metric") == one.metric) & (pl.col("look") == one.days - 1) & (pl.col("arm") == 0)
        users_then = measured.sums.filter(at & (pl.col("segment") == "all"))["n"][0]
        assert one.users == pytest.approx((one.detectable / one.effect) ** 2 * users_then, abs=2)
    assert found.days_needed in (7, 12, None)
    assert np.isfinite([one.detectable for one in found.powers]).all()
