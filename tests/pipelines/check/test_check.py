"""Every page of two runs is what it claims; and whatever is damaged on one is found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.check.check import check_pages
from pipelines.check.facts import Truth, find_truth
from pipelines.check.shelves import SHELF_CLAIMS
from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from tests.runs import Published, cards
from transforms.pages.shelves.shelves import SHELVES

Row = dict[str, Any]


class Damaged(PublishedRun):
    """A run whose pages are others."""

    def __init__(self, run: PublishedRun, pages: pl.DataFrame, conflicts: dict[str, int] | None = None) -> None:
        self.__dict__.update(run.__dict__)
        self.damaged = pages
        self.manifest = run.manifest if conflicts is None else replace(run.manifest, conflicts=conflicts)

    def table(self, name: str) -> pl.LazyFrame:
        return self.damaged.lazy() if name == "pages" else super().table(name)


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
    assert min(count for name, count in found.items() if "manifest" not in name) > 100


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


def test_every_entry_has_a_claim_and_they_stand_on_pages(published: Published, ruled: Published) -> None:
    assert {claim.shelf_id for claim in SHELF_CLAIMS} == {shelf.id for shelf in SHELVES}
    stand = set(cards(published.table("pages"))["shelf_id"]) | set(
        pl.concat([ruled.table("pages")]).explode("shelves", empty_as_null=True)["shelves"].struct.field("shelf_id")
    )
    assert len(stand) >= 12


def page_with(pages: pl.DataFrame, shelf_id: str) -> int:
    is_there = pages["shelves"].list.eval(pl.element().struct.field("shelf_id") == shelf_id).list.any()
    return int(is_there.arg_max())


def shelf_of(page: Row, shelf_id: str) -> Row:
    return next(shelf for shelf in page["shelves"] if shelf["shelf_id"] == shelf_id)


def damage_title(page: Row) -> None:
    shelf_of(page, "genre_mix")["title"] = "Your polka mix"


def damage_kind(page: Row) -> None:
    shelf_of(page, "made_for_you")["shelf_id"] = "jump_back_in"


def damage_double(page: Row) -> None:
    first, second = page["shelves"][:2]
    second["tracks"][0] = {**first["tracks"][0], "position": 0}


def damage_order(page: Row) -> None:
    page["shelves"][0]["tracks"][1]["position"] = 7


def damage_place(page: Row) -> None:
    page["shelves"][0]["position"] = 9


def damage_chance(page: Row) -> None:
    page["shelves"][0]["tracks"][0]["propensity"] = 0.5


def damage_product(page: Row) -> None:
    page["propensity"] = 0.5


def damage_cause(page: Row) -> None:
    track = page["shelves"][0]["tracks"][0]
    track["seed_track_id"] = "nobody's song"


def damage_reason(page: Row) -> None:
    page["shelves"][0]["tracks"][0]["reason"] = "Played 77 times, last 3 days ago"


def damage_score(page: Row) -> None:
    page["shelves"][0]["score"] *= 1.5


def damage_size(page: Row) -> None:
    page["shelves"][0]["tracks"] = page["shelves"][0]["tracks"][:2]


def damage_unknown(page: Row) -> None:
    page["shelves"][0]["shelf_id"] = "polka"


DAMAGES: dict[str, tuple[Callable[[Row], None], str]] = {
    "what a shelf says is true of its tracks": (damage_title, "genre_mix"),
    "as many shelves of a kind as there may be": (damage_kind, "jump_back_in"),
    "no track twice on a page": (damage_double, "genre_mix"),
    "tracks stand at 0, 1, 2, ...": (damage_order, "genre_mix"),
    "shelves stand at 0, 1, 2, ...": (damage_place, "genre_mix"),
    "propensity is a probability of this policy": (damage_chance, "genre_mix"),
    "a page's propensity is the product of its choices'": (damage_product, "genre_mix"),
    "cards are candidates, with their score, source and cause": (damage_cause, "genre_mix"),
    "the reason of a card is true, and its seed track was listened to": (damage_reason, "genre_mix"),
    "a shelf's score is that of its tracks, discounted": (damage_score, "genre_mix"),
    "shelves hold to their sizes": (damage_size, "genre_mix"),
    "shelves are known": (damage_unknown, "genre_mix"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_found(name: str, plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    pages = run.table("pages").collect()
    damage, shelf_id = DAMAGES[name]
    place = page_with(pages, shelf_id)
    page = pages[place].to_dicts()[0]
    damage(page)
    others = pages.with_row_index().filter(pl.col("index") != place).drop("index")
    damaged = pl.concat([others, pl.DataFrame([page], schema=pages.schema)])
    assert name in violations(Damaged(run, damaged), truth)


def test_missing_and_double_pages_and_false_conflicts_are_found(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    pages = run.table("pages").collect()
    assert violations(Damaged(run, pages[1:]), truth) == {"every user with a candidate has a page": 1}
    assert violations(Damaged(run, pl.concat([pages, pages[:1]])), truth)["one page a user and surface"] == 2
    assert violations(Damaged(run, pages, {"a": 3}), truth) == {"conflicts are those of the manifest": 1}


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
    damaged = Damaged(run, run.table("pages").collect())
    damaged.manifest = replace(run.manifest, rules=f"rules:\n  - name: strict\n    {rule}\n")
    assert violations(damaged, truth)["rule: strict"] > 5


def test_a_run_whose_events_are_gone(published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"--run={published.folder}", f"--events={tmp_path}/gone"]) == 2
    assert "--events" in capsys.readouterr().err
