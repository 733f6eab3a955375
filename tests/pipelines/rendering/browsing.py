"""Pages in a browser without a network."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

# looked at by people: what the pages were like in this test run
SCREENSHOTS = Path(__file__).parents[3] / "out" / "screenshots"
VIEW = {"width": 1440, "height": 900}


def opened(browser: Browser, path: Path, scheme: str = "light", width: int = 1440) -> Page:
    """The page; whatever goes wrong in it, or is asked of a network, fails the test that looks at `page.wrong`."""
    page = browser.new_context(viewport={**VIEW, "width": width}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.wrong = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.wrong.append(str(error)))  # type: ignore[attr-defined]
    page.on("request", lambda request: request.url.startswith("file:") or page.wrong.append(request.url))  # type: ignore[attr-defined]
    page.goto(f"file://{path}")
    return page


# opens what is folded, and leaves one row of each look in a table: axe takes long for each cell
UNFOLD = """() => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  for (const body of document.querySelectorAll("tbody")) {
    const seen = new Set(), lookOf = (row) => [row, ...row.cells].map((one) => one.className).join();
    for (const row of [...body.rows]) { if (seen.has(lookOf(row))) row.remove(); else seen.add(lookOf(row)); }
  }
}"""


def check_report(browser: Browser, path: Path, name: str) -> None:
    """Assert that a report has no error, cuts nothing off and keeps nobody out: light on a desk, dark on a phone."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for scheme, width in (("light", 1280), ("dark", 390)):
        page = opened(browser, path, scheme, width)
        assert page.wrong == [] and page.title()  # type: ignore[attr-defined]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        assert barriers(page) == []
        page.context.close()


def barriers(page: Page) -> list[str]:
    """What axe finds on the page that keeps some people from using it; the page is spoiled for other tests."""
    page.evaluate(UNFOLD)
    # drawings are hidden from readers of the page, and have thousands of elements
    found = Axe().run(page, {"exclude": ["svg"]}, {"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
