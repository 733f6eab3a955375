"""Pages in a browser without a network."""

from pathlib import Path

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
