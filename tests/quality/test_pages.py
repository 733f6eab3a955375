"""Pages of whole runs hold their claims, with and without rules and sampling; homeshelf why states a track's score."""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from pipelines.check.check import check_pages
from pipelines.check.facts import find_truth
from pipelines.cli import main
from pipelines.explain.replay import Replay
from pipelines.inputs.published import PublishedRun, card_rows
from tests.built_once import built_once
from tests.quality.listens import needs_listens
from tests.runs import Published

# Rules that bind on any log, and one that can hold for no user.
RULES = """
rules:
  - pin: {shelf: because_you_listened, position: 1}
    when: {min_plays: 20}
  - exclude: {explicit: true}
  - cap: {artist: 4}
  - quota: {unplayed: 20, shelves: 3}
  - space: {shelf: because_you_listened, apart: 2}
  - name: much too much
    quota: {unplayed: 1000, shelves: 1}
    when: {surfaces: [discover]}
"""
BENT = ("--exploration=0.4", "--diversity=0.5", "--calibration=0.5", "--surfaces=home,discover")
# Of each world: 30 in all. Where rules are relaxed, each page is composed many times.
PAIRS = {"home": 10, "discover": 5}


class Runs(NamedTuple):
    """Two runs of the same models: one with default flags, and one for two surfaces with rules and sampling."""

    plain: Published
    ruled: Published


@pytest.fixture(scope="module", params=["planted", pytest.param("music", marks=needs_listens)])
def runs(request: pytest.FixtureRequest) -> Runs:
    plain: Published = request.getfixturevalue(request.param)
    ruled = built_once(f"ruled {request.param}", lambda folder: run_with_rules(plain, folder))
    return Runs(plain, Published(ruled / "out"))


def run_with_rules(plain: Published, folder: Path) -> None:
    (folder / "rules.yaml").write_text(RULES)
    given = plain.manifest["options"]
    same = [f"--{name}={given[name]}" for name in ("events", "tracks", "users_table", "events_columns") if given[name]]
    models = [f"--{name}={plain.folder}" for name in ("ranker", "embeddings")]
    moment = f"--as_of={plain.manifest['as_of']}"
    flags = [*same, moment, *models, "--mode=score", "--num_warm_epochs=0", *BENT, f"--rules={folder}/rules.yaml"]
    assert main(["run", *flags, f"--output={folder}/out"]) == 0


def violations(run: Published) -> dict[str, int]:
    published = PublishedRun(str(run.folder))
    return {name: len(wrong) for name, _, wrong in check_pages(published, find_truth(published, "", "")) if len(wrong)}


def test_no_page_is_wrong(runs: Runs) -> None:
    assert violations(runs.plain) == {}


def test_no_page_with_rules_and_sampling_is_wrong(runs: Runs) -> None:
    assert violations(runs.ruled) == {}
    pages = runs.ruled.table("pages")
    assert len(pages) == 2 * len(runs.plain.table("pages")) and pages["shelves"].list.len().min() >= 1
    assert (pages["propensity"] < 1).mean() > 0.9
    # the rule that cannot hold is listed as relaxed on each page that it is meant for, and counted
    is_named = pl.col("relaxed").list.contains("much too much")
    on = pages.group_by("surface").agg(is_named.sum()).sort("surface").rows()
    assert on == [("discover", len(pages) // 2), ("home", 0)]
    assert runs.ruled.manifest["conflicts"]["much too much"] == len(pages) // 2


@pytest.mark.parametrize("surface", PAIRS)
def test_a_track_is_shown_with_the_score_that_why_states(runs: Runs, surface: str) -> None:
    run, stated = PublishedRun(str(runs.ruled.folder)), 0
    shown = card_rows(run.table("pages").filter(surface=surface).collect()).select("user_id", "track_id")
    scored = run.table("candidates").select("user_id", "track_id", "score").collect()
    others = scored.join(shown, on=["user_id", "track_id"], how="anti").sort("user_id", "track_id")
    for user, track, score in others.sample(PAIRS[surface], seed=4).rows():
        replay = Replay(run, user, surface)
        assert not replay.is_shown(track, score)
        least = replay.min_score_to_show(track, score)
        stated += least is not None
        assert least is None or (least > score and replay.is_shown(track, least))
    assert stated >= PAIRS[surface] / 5
