"""The page of a report in a browser: what is on top, where links lead, how tables sort, what marks say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from pipelines.evaluation.report_data import EvaluationReport
from pipelines.evaluation.report_page import report_to_html, write_report
from pipelines.evaluation.report_tables import tables_of
from pipelines.evaluation.report_values import ReportValues
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.parts import anchors_of
from pipelines.runs.preview.preview import Preview, render_preview
from tests.pipelines.evaluation.reports import sample_report
from tests.pipelines.rendering.browsing import SCREENSHOTS, barriers, opened

# Of a page at 1,280 px, with all that is folded shut.
MAX_HEIGHT = 4_000


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return sample_report()


@pytest.fixture(scope="module")
def path(report: EvaluationReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_to_html(report))
    return path


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    page = opened(browser, path, width=1280)
    yield page
    assert page.wrong == []  # type: ignore[attr-defined]
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_it_is_short_fits_and_keeps_nobody_out(browser: Browser, path: Path, scheme: str, width: int) -> None:
    page = opened(browser, path, scheme, width)
    if width == 1280:
        assert page.evaluate("document.documentElement.scrollHeight") <= MAX_HEIGHT
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"evaluation-{scheme}-{width}.png", full_page=True)
    assert barriers(page) == []


def test_the_numbers_that_it_is_opened_for_are_on_top(report: EvaluationReport, page: Page) -> None:
    figures = page.locator("dl.key > div")
    found = dict(zip(figures.locator("dt").all_inner_texts(), figures.locator("b").all_inner_texts(), strict=True))
    values = ReportValues(report)
    for label, system, targets in (
        ("NDCG@10, page", "page", "all"),
        ("NDCG@10, ranker", "ranker", "all"),
        ("discoveries, page", "page", "discoveries"),
    ):
        value = values.find(system, "ndcg@10", targets)
        assert value and found[label] == f"{value.value:.3f}"
    assert found["suspected leaks"] == "1" and figures.last.get_attribute("class") == "worse"
    bottom = figures.last.bounding_box()
    assert bottom and bottom["y"] < 300


def test_contents_lead_to_every_chart_and_table_and_open_what_is_folded(report: EvaluationReport, page: Page) -> None:
    links = page.get_by_role("navigation", name="Contents").get_by_role("link")
    titles = page.locator("h2").all_text_contents()
    assert links.all_inner_texts() == titles and {table.title for table in tables_of(report)} <= set(titles)
    for link in links.all():
        link.click()
        target = page.locator(link.get_attribute("href") or "")
        assert target.get_by_role("heading").first.inner_text() == link.inner_text()
        assert target.locator("table, svg").last.is_visible() and target.bounding_box()["y"] < 900  # type: ignore[index]


def test_a_link_from_elsewhere_opens_what_is_folded(browser: Browser, path: Path) -> None:
    page = opened(browser, path)
    page.goto(f"file://{path}#systems")
    page.reload()
    assert page.locator("#systems table").is_visible()


def names_of(table: Locator) -> list[str]:
    return table.locator("tbody th").all_inner_texts()


def test_a_table_is_sorted_by_the_head_that_is_pressed(page: Page) -> None:
    table = page.locator("#accuracy table")
    as_made, head = names_of(table), table.locator("thead tr").last.locator("th").nth(1)
    columns = table.locator("tbody tr").all()
    values = {row.locator("th").inner_text(): float(row.locator("td").first.inner_text().split()[0]) for row in columns}
    head.get_by_role("button").focus()
    for state, reverse in (("descending", True), ("ascending", False)):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == state
        assert [values[name] for name in names_of(table)] == sorted(values.values(), reverse=reverse)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") is None and names_of(table) == as_made
    table.get_by_role("button", name="system").click()
    assert names_of(table) == sorted(as_made)


@pytest.mark.parametrize(
    ("texts", "descending"),
    [
        (["1,234", "56", "–", "789"], ["1,234", "789", "56", "–"]),
        (["▲ +0.02", "▼ -0.10", "= -0.01"], ["▲ +0.02", "= -0.01", "▼ -0.10"]),
        (["9.5%", "10%", "", "-3%"], ["10%", "9.5%", "-3%", ""]),
        (["3 of 7", "b", "a"], ["b", "a", "3 of 7"]),
    ],
)
def test_numbers_sort_by_value_words_as_words_and_what_is_missing_last(
    page: Page, texts: list[str], descending: list[str]
) -> None:
    order = """texts => {
      const noted = text => text && `${text}<small>9</small>`;
      const body = texts.map(text => `<tr><th>x</th><td>${noted(text)}</td></tr>`).join("");
      const made = document.createElement("table");
      made.innerHTML = `<tbody>${body}</tbody>`;
      return sorted([...made.rows], 1, -1).map(row => textOf(row.cells[1]));
    }"""
    assert page.evaluate(order, texts) == descending


def test_marks_say_their_values_under_a_pointer_and_with_keys(report: EvaluationReport, page: Page) -> None:
    values = ReportValues(report)
    chart, said = page.locator("#repeats-against-discoveries .chart"), page.get_by_role("status")
    # the system whose point lies under no other one
    mark = chart.locator("path[data-tip^=theirs]")
    # a page that still scrolls takes the mark away from under the pointer
    for _ in range(10):
        mark.hover()
        if said.inner_text():
            break
        page.mouse.move(5, 5)
    x, y = (values.find("theirs", "ndcg@10", targets) for targets in ("repeats", "discoveries"))
    assert (
        x
        and y
        and said.inner_text().splitlines()
        == [
            "theirs",
            f"NDCG@10, repeats {x.value:.4f}",
            f"NDCG@10, discoveries {y.value:.4f}",
        ]
    )
    page.mouse.move(5, 5)
    assert said.inner_text() == ""
    chart.focus()
    page.keyboard.press("ArrowRight")
    first = said.inner_text()
    page.keyboard.press("ArrowRight")
    assert first.startswith("page") and said.inner_text().startswith("ranker")
    page.keyboard.press("Escape")
    assert said.inner_text() == ""


def test_every_chart_has_marks_that_say_something(page: Page) -> None:
    for chart in page.locator(".chart").all():
        tips = [mark.get_attribute("data-tip") for mark in chart.locator("[data-tip]").all()]
        assert tips and all(tips)


def test_anchors_differ_whatever_the_titles_are() -> None:
    found = anchors_of(["Page", "page", "<b>Page</b>", "音", "音", "theme", "Tip"])
    assert found == ["page", "page-2", "b-page-b", "part", "part-2", "theme-2", "tip-2"]


def test_links_lead_to_the_pages_that_are_there_and_to_no_other(
    report: EvaluationReport, browser: Browser, tmp_path: Path
) -> None:
    nobody = Preview(as_of="2026-01-01 00:00", run="x", tracks=[], reasons=[], sources=[], users=[])
    write_page(str(tmp_path / "preview.html"), render_preview(nobody))
    alone = opened(browser, tmp_path / "preview.html")
    assert alone.locator("nav.others a").count() == 0 and not alone.locator("nav.others").is_visible()
    for name in ("notes.html", "loop.html"):
        (tmp_path / name).write_text("of somebody else")
    # the page that was there before leads to the new one, too
    write_report(report, str(tmp_path))
    assert (tmp_path / "loop.html").read_text() == "of somebody else"
    (tmp_path / "loop.html").unlink()
    write_report(report, str(tmp_path))
    page = opened(browser, tmp_path / "report.html")
    links = page.get_by_role("navigation", name="Other pages").get_by_role("link")
    assert links.all_inner_texts() == ["Preview of Homes"]
    links.click()
    assert page.title() == "Home preview"
    page.get_by_role("navigation", name="Other pages").get_by_role("link", name="Report").click()
    assert page.title() == "Evaluation 2026-01-01"
