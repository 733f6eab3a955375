"""The preview in a browser without a network, and what it is made from."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.runs.preview.preview import Preview, render_preview
from tests.pipelines.rendering.browsing import SCREENSHOTS, barriers, opened
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


def test_shelves_stand_apart_each_in_its_format(browser: Browser, published: Published, preview: Path) -> None:
    page = opened(browser, preview)
    first = published.table("pages").sort("user_id").row(0, named=True)
    formats = page.locator(".shelf").evaluate_all("found => found.map((one) => one.className)")
    assert formats == [f"shelf as-{shelf['format']}" for shelf in first["shelves"]]
    gaps = page.locator(".shelf").evaluate_all("found => found.map((one) => getComputedStyle(one).marginBottom)")
    assert len(gaps) > 3 and all(float(gap.removesuffix("px")) > 24 for gap in gaps)


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
    assert barriers(page) == []
    page.get_by_role("button", name="Switch light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") != scheme
    assert page.wrong == []  # type: ignore[attr-defined]


def test_of_whom_something_is_known_without_genres_it_is_said(browser: Browser, preview: Path, tmp_path: Path) -> None:
    data = data_of(preview)
    (place, user), *_ = ((n, one) for n, one in enumerate(data["users"]) if one["recent"])
    data["tracks"] = [[*track[:3], None] for track in data["tracks"]]
    stranger = next(n for n in range(len(data["users"])) if n != place)
    data["users"][stranger]["recent"] = []
    bare = json.dumps(data).replace("<", "\\u003c")
    given = re.search(r'id="data">(.*?)</script>', preview.read_text(), re.DOTALL)
    assert given
    (tmp_path / "bare.html").write_text(preview.read_text().replace(given[1], bare))
    page = opened(browser, tmp_path / "bare.html")
    for number, said in ((place, "Last played"), (stranger, "Nothing is known of this listener yet")):
        page.get_by_label("Listener", exact=True).last.select_option(data["users"][number]["id"])
        assert page.locator("#about").inner_text().startswith(said)
    assert user["recent"] and page.wrong == []  # type: ignore[attr-defined]


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
    assert barriers(page) == []
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
    odd_queue = {
        "context": "track",
        "name": odd,
        "start": 0,
        "familiar": 5,
        "relaxed": [odd],
        "tracks": [[0, 0.5, 0.5, 0, 1, 0, 1]] * 3,
        "branches": [[2, 1]],
    }
    data = Preview(
        as_of="2026-01-01 00:00",
        run="x",
        tracks=[[odd, odd, odd, odd]],
        reasons=[odd],
        sources=[odd],
        users=[{"id": odd, "shelves": [{**shelf, "cards": [card]}], "recent": [[0, 3, 1.5]], "queues": [odd_queue]}],
    )
    path = tmp_path / "odd.html"
    path.write_text(render_preview(data))
    page = opened(browser, path)
    assert page.get_by_role("main").get_by_role("heading", level=2).all_inner_texts() == [odd]
    page.get_by_label("Surface").select_option("now_playing")
    page.get_by_role("button", name="Skip", exact=True).click()
    assert page.locator("#up-next .title").all_inner_texts() == [odd]
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


@pytest.fixture(scope="module")
def queue_preview(playing: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("preview") / "queues.html"
    assert main(["preview", f"--run={playing.folder}", f"--file={path}", "--num_users=12"]) == 0
    return path


def test_queues_on_it_are_what_was_published(playing: Published, queue_preview: Path) -> None:
    data = data_of(queue_preview)
    ids, shown = [track[0] for track in data["tracks"]], {user["id"]: user["queues"] for user in data["users"]}
    assert len(shown) == 12
    kinds = ("track", "album", "artist", "session")
    for user, queues in shown.items():
        rows = playing.table("queues").filter(user_id=user).to_dicts()
        rows.sort(key=lambda row: kinds.index(row["context"]))
        assert [(one["context"], one["familiar"]) for one in queues] == [
            (row["context"], row["familiar_per_10"]) for row in rows
        ]
        for view, row in zip(queues, rows, strict=True):
            found = [
                (ids[track], data["sources"][source], bool(known), data["reasons"][reason])
                for track, _, _, source, known, reason, _ in view["tracks"]
            ]
            assert found == [
                (one["track_id"], one["source"], one["is_familiar"], one["reason"]) for one in row["tracks"]
            ]
            for place, branch in enumerate(view["branches"]):
                assert sorted(branch) == list(range(place + 1, len(found)))


def titles(data: dict, queue: dict, places: list[int]) -> list[str]:
    return [data["tracks"][queue["tracks"][place][0]][1] for place in places]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_skip_shows_what_comes_next_instead_and_is_undone(browser: Browser, queue_preview: Path, scheme: str) -> None:
    page, data = opened(browser, queue_preview, scheme), data_of(queue_preview)
    user = data["users"][0]
    queue = user["queues"][0]
    assert page.get_by_role("heading", level=1).inner_text() == f"Now Playing of {user['id']}"
    assert not page.get_by_role("complementary").is_visible()  # this run does not know what was played lately
    next_up = page.locator("#up-next .title")
    places = list(range(len(queue["tracks"])))
    assert next_up.all_inner_texts() == titles(data, queue, places[1:])
    assert data["reasons"][queue["tracks"][1][5]] in page.locator("#up-next li").first.inner_text()
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_role("button", name="Skip", exact=True).click()
    branch = queue["branches"][1]
    assert [page.locator("#now-title").inner_text(), *next_up.all_inner_texts()] == titles(data, queue, branch)
    skipped = data["tracks"][queue["tracks"][1][0]]
    assert f"Skipped {skipped[1]} by {skipped[2]}" in page.get_by_role("status").inner_text()
    later = next(place for index, place in enumerate(branch) if place < index + 2)
    mark = page.locator("#up-next li").nth(branch.index(later) - 1).locator(".moved")
    assert mark.inner_text() == f"▼ {branch.index(later) + 2 - later}"
    # one skip is known of a queue: a second one says so and changes nothing
    page.keyboard.press("Enter")
    assert "Undo it" in page.get_by_role("status").inner_text()
    assert next_up.all_inner_texts() == titles(data, queue, branch[1:])
    page.screenshot(path=SCREENSHOTS / f"queue-{scheme}.png")
    page.get_by_role("button", name="Undo").click()
    assert next_up.all_inner_texts() == titles(data, queue, places[2:])
    assert page.wrong == []  # type: ignore[attr-defined]


def test_a_queue_is_read_and_skipped_by_keys_alone(browser: Browser, queue_preview: Path) -> None:
    page, data = opened(browser, queue_preview), data_of(queue_preview)
    other = data["users"][0]["queues"][1]
    page.get_by_label("Queue").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("status").inner_text().endswith(f"{len(other['tracks'])} tracks")
    page.get_by_role("button", name="Skip", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("#now-title").inner_text() == titles(data, other, other["branches"][0])[0]
    page.keyboard.press("Tab")  # Next
    page.keyboard.press("Tab")  # Undo
    page.keyboard.press("Tab")  # the first of the next tracks
    page.keyboard.press("ArrowDown")
    third = other["branches"][0][2]
    focused = "document.activeElement.querySelector('.title').textContent"
    assert page.evaluate(focused) == titles(data, other, [third])[0]
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert data["reasons"][other["tracks"][third][5]] in dialog.inner_text() and "propensity" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == titles(data, other, [third])[0]


def test_a_queue_fits_a_telephone(browser: Browser, queue_preview: Path) -> None:
    page = opened(browser, queue_preview, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Skip", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=SCREENSHOTS / "queue-telephone.png")


def test_without_queues_nothing_of_them_is_shown(browser: Browser, preview: Path) -> None:
    page = opened(browser, preview)
    assert all(user["queues"] == [] for user in data_of(preview)["users"])
    assert not page.locator("#queues").is_visible() and not page.get_by_label("Surface").is_visible()
