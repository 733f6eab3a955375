"""The preview in a browser without a network, and what it is made from."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.runs.preview import Preview, render_preview
from tests.pipelines.rendering.browsing import SCREENSHOTS, opened
from tests.runs import Published, cards


@pytest.fixture(scope="module")
def preview(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("preview") / "preview.html"
    assert main(["preview", f"--run={published.folder}", f"--file={path}"]) == 0
    return path


def data_of(path: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_everything_on_it_is_what_was_published(published: Published, preview: Path) -> None:
    data = data_of(preview)
    shown = cards(published.table("pages"))
    assert [user["id"] for user in data["users"]] == sorted(set(shown["user_id"]))
    expected = shown.select(
        "user_id", "shelf_position", "shelf_title", "track_id", "source", "seed_track_id", "reason"
    ).rows()
    ids = [track[0] for track in data["tracks"]]
    found = [
        (
            user["id"],
            shelf["position"],
            shelf["title"],
            ids[card[0]],
            data["sources"][card[2]],
            None if card[3] is None else ids[card[3]],
            data["reasons"][card[4]],
        )
        for user in data["users"]
        for shelf in user["shelves"]
        for card in shelf["cards"]
    ]
    assert found == expected


def test_recent_listening_is_the_users_own(published: Published, preview: Path) -> None:
    data = data_of(preview)
    heard = published.table("candidates").filter(plays_of_track=0).select("user_id", "track_id")
    unheard = set(heard.rows())
    told = [(user["id"], data["tracks"][track][0]) for user in data["users"] for track, _, _ in user["recent"]]
    assert len(told) > 500 and not set(told) & unheard
    assert all(user["recent"] == sorted(user["recent"], key=lambda row: row[2]) for user in data["users"])


def test_two_hundred_users_take_less_than_five_megabytes(preview: Path) -> None:
    per_user = preview.stat().st_size / len(data_of(preview)["users"])
    assert 200 * per_user < 5e6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_listener_is_picked_and_shelves_are_read(browser: Browser, preview: Path, scheme: str) -> None:
    page = opened(browser, preview, scheme)
    other = data_of(preview)["users"][3]
    page.get_by_label("Listener", exact=True).last.select_option(other["id"])
    assert page.get_by_role("heading", level=1).inner_text() == f"Home of {other['id']}"
    main_part = page.get_by_role("main")
    assert main_part.get_by_role("heading", level=2).all_inner_texts() == [one["title"] for one in other["shelves"]]
    assert page.get_by_role("status").inner_text() == f"Home of {other['id']}: {len(other['shelves'])} shelves"
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"home-{scheme}.png")
    page.get_by_role("button", name="Switch light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") != scheme
    assert page.wrong == []  # type: ignore[attr-defined]


def test_details_show_scores_and_sources(browser: Browser, preview: Path) -> None:
    page = opened(browser, preview)
    facts = page.locator(".card .facts").first
    button = page.get_by_role("button", name="Details")
    assert not facts.is_visible() and button.get_attribute("aria-pressed") == "false"
    button.click()
    source = data_of(preview)["sources"][data_of(preview)["users"][0]["shelves"][0]["cards"][0][2]]
    assert facts.is_visible() and source in facts.inner_text() and button.get_attribute("aria-pressed") == "true"
    page.screenshot(path=SCREENSHOTS / "details.png")


def test_keys_alone_reach_every_card(browser: Browser, preview: Path) -> None:
    page, shelves = opened(browser, preview), data_of(preview)["users"][0]["shelves"]
    page.locator(".card").first.focus()
    tracks = data_of(preview)["tracks"]

    def focused() -> str:
        return str(page.evaluate("document.activeElement.querySelector('.title').textContent"))

    page.keyboard.press("ArrowRight")
    assert focused() == tracks[shelves[0]["cards"][1][0]][1]
    page.keyboard.press("ArrowDown")
    assert focused() == tracks[shelves[1]["cards"][1][0]][1]
    page.keyboard.press("End")
    assert focused() == tracks[shelves[1]["cards"][-1][0]][1]
    # the sentence is there for eyes and for screen readers
    reason = data_of(preview)["reasons"][shelves[1]["cards"][-1][4]]
    page.wait_for_function("getComputedStyle(document.activeElement.querySelector('.why')).opacity === '1'")  # fades in
    described = "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    assert page.evaluate(described) == reason
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible() and reason in dialog.inner_text()
    page.screenshot(path=SCREENSHOTS / "card.png")
    page.keyboard.press("Escape")
    assert not dialog.is_visible() and focused() == tracks[shelves[1]["cards"][-1][0]][1]


def test_it_fits_a_telephone(browser: Browser, preview: Path) -> None:
    page = opened(browser, preview, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=SCREENSHOTS / "telephone.png")


def test_names_are_text_whatever_they_hold(browser: Browser, tmp_path: Path) -> None:
    odd = "</script><script>document.title = 'gone'</script><img src=x onerror=alert(1)> /* script */"
    card = [0, 0.5, 0, None, 0, 1]
    shelf = {"surface": "home", "position": 0, "title": odd, "reason": odd, "score": 1, "propensity": 1, "id": "x"}
    data = Preview(
        as_of="2026-01-01 00:00",
        run="x",
        tracks=[[odd, odd, odd, odd]],
        reasons=[odd],
        sources=[odd],
        users=[{"id": odd, "shelves": [{**shelf, "cards": [card]}], "recent": [[0, 3, 1.5]]}],
    )
    path = tmp_path / "odd.html"
    path.write_text(render_preview(data))
    page = opened(browser, path)
    assert page.get_by_role("main").get_by_role("heading", level=2).all_inner_texts() == [odd]
    assert page.title() == "Home preview" and page.locator("img").count() == 0 and page.wrong == []  # type: ignore[attr-defined]


def test_users_who_were_asked_for(published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = published.table("pages")["user_id"].to_list()[5:7]
    day = published.pointer.parent
    for run in (published.folder, day, day.parent):
        flags = [f"--run={run}", f"--user={','.join(reversed(asked))}", f"--file={tmp_path}/p.html"]
        assert main(["preview", *flags]) == 0
        assert [user["id"] for user in data_of(tmp_path / "p.html")["users"]] == asked[::-1]
    assert main(["preview", f"--run={published.folder}", "--user=nobody", f"--file={tmp_path}/q.html"]) == 2
    assert main(["preview", f"--run={tmp_path}", f"--file={tmp_path}/q.html"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert "nobody has no page" in err[0] and "no published run there" in err[1]
    assert not (tmp_path / "q.html").exists()
