"""Every page of whole runs is what it claims, with and without rules and chance."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.check import check
from pipelines.check_facts import find_truth
from pipelines.cli import main
from pipelines.published import PublishedRun
from tests.quality.listens import needs_listens
from tests.runs import Published

# Rules that bind on any log, and one that can hold for nobody.
RULES = """
rules:
  - pin: {shelf: because_you_listened, position: 1}
    when: {min_plays: 20}
  - exclude: {explicit: true}
  - cap: {artist: 4}
  - quota: {unheard: 20, shelves: 3}
  - space: {shelf: because_you_listened, apart: 2}
  - name: much too much
    quota: {unheard: 1000, shelves: 1}
    when: {surfaces: [discover]}
"""
BENT = ("--exploration=0.4", "--diversity=0.5", "--calibration=0.5", "--surfaces=home,discover")
WORLDS = ("planted", pytest.param("music", marks=needs_listens))


def violations(run: Published) -> dict[str, int]:
    published = PublishedRun(str(run.folder))
    return {name: len(wrong) for name, _, wrong in check(published, find_truth(published, "", "")) if len(wrong)}


@pytest.mark.parametrize("world", WORLDS)
def test_no_page_is_wrong(world: str, request: pytest.FixtureRequest) -> None:
    run: Published = request.getfixturevalue(world)
    assert violations(run) == {}


@pytest.mark.parametrize("world", WORLDS)
def test_no_page_under_rules_and_chance_is_wrong(world: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    before: Published = request.getfixturevalue(world)
    (tmp_path / "rules.yaml").write_text(RULES)
    same = ("events", "tracks", "users_table", "events_columns")
    options = [f"--{name}={before.manifest['options'][name]}" for name in same if before.manifest["options"][name]]
    models = [f"--{name}={before.folder}" for name in ("ranker", "embeddings")]
    flags = [*options, *models, "--num_warm_epochs=0", *BENT, f"--rules={tmp_path}/rules.yaml"]
    assert main(["run", *flags, f"--output={tmp_path}/out"]) == 0
    run = Published(tmp_path / "out")
    assert violations(run) == {}
    pages = run.table("pages")
    assert len(pages) == 2 * len(before.table("pages")) and pages["shelves"].list.len().min() >= 1
    assert (pages["propensity"] < 1).mean() > 0.9
    # what nobody's page can hold is named on each that it is for, and counted
    is_named = pl.col("relaxed").list.contains("much too much")
    on = pages.group_by("surface").agg(is_named.sum()).sort("surface").rows()
    assert on == [("discover", len(pages) // 2), ("home", 0)]
    assert run.manifest["conflicts"]["much too much"] == len(pages) // 2
