"""Every page of two runs is what it claims; and whatever is damaged on one is found."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.check.check import check_pages
from pipelines.check.facts import Truth, find_truth
from pipelines.check.shelves import SHELF_CLAIMS
from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from tests.pipelines.check.test_corruptions import Corrupted
from tests.runs import Published, cards
from transforms.pages.shelves.shelves import SHELVES


@pytest.fixture(scope="module")
def plain(published: Published) -> tuple[PublishedRun, Truth]:
    run = PublishedRun(str(published.folder))
    return run, find_truth(run, "", "")


def violations(run: PublishedRun, truth: Truth) -> dict[str, int]:
    return {name: len(wrong) for name, _, wrong in check_pages(run, truth) if len(wrong)}


def test_no_page_of_a_plain_run_is_wrong(
    plain: tuple[PublishedRun, Truth], world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"--run={plain[0].folder}"]) == 0
    assert "0 violations" in capsys.readouterr().out
    found = {name: count for name, count, _ in check_pages(*plain)}
    known = pl.read_parquet(world / "users").filter(~pl.col("erased"))
    assert found["every user with a candidate has a page"] == len(known) == 149
    numbers = ("manifest", "add up", "metrics")
    assert min(count for name, count in found.items() if not any(word in name for word in numbers)) > 100


def test_no_page_under_rules_and_chance_is_wrong(ruled: Published, capsys: pytest.CaptureFixture[str]) -> None:
    run = PublishedRun(str(ruled.folder))
    truth = find_truth(run, "", "")
    assert violations(run, truth) == {}
    counts = {name: count for name, count, _ in check_pages(run, truth)}
    pages = ruled.table("pages")
    assert set(pages["surface"]) == {"home", "discover"} and (pages["propensity"] < 1).mean() > 0.9
    # an infeasible rule is named, counted, and every page is still there
    assert ruled.manifest["conflicts"]["much too much"] == (pages["surface"] == "discover").sum() == len(pages) / 2
    assert counts["rule: much too much"] == 0
    for name in ("new music second", "nothing explicit", "at home in genres", "cap of line 12"):
        assert counts[f"rule: {name}"] > 20, name
    assert "much too much" in (ruled.folder / "manifest.json").read_text()
    assert capsys.readouterr().err == ""


def test_no_page_of_a_hostile_world_is_wrong(bad_day: Published) -> None:
    run = PublishedRun(str(bad_day.folder))
    assert violations(run, find_truth(run, "", "")) == {}


def test_every_entry_has_a_claim_and_they_stand_on_pages(published: Published, ruled: Published) -> None:
    assert {claim.shelf_id for claim in SHELF_CLAIMS} == {shelf.id for shelf in SHELVES}
    stand = set(cards(published.table("pages"))["shelf_id"]) | set(
        pl.concat([ruled.table("pages")]).explode("shelves", empty_as_null=True)["shelves"].struct.field("shelf_id")
    )
    assert len(stand) >= 12


@pytest.mark.parametrize(
    "rule",
    [
        "pin: {shelf: rediscover, position: 0}",
        "exclude: {explicit: true}",
        "exclude: {genres: [rock]}",
        "cap: {artist: 1}",
        "quota: {unplayed: 60, shelves: 3}",
        "space: {shelf: genre_mix, apart: 6}",
    ],
)
def test_pages_made_without_a_rule_break_it(rule: str, plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    strict = Corrupted(run)
    strict.state("rules", lambda now: f"rules:\n  - name: strict\n    {rule}\n")
    assert violations(strict, truth)["rule: strict"] > 5


def test_a_run_whose_events_are_gone(published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"--run={published.folder}", f"--events={tmp_path}/gone"]) == 2
    assert "--events" in capsys.readouterr().err
