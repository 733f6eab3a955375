"""Take the README's screenshot of a Home: python -m tests.screenshot PREVIEW USER IMAGE (make screenshot)."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.pipelines.rendering.browsing import opened


def main(preview: str, user: str, image: str) -> None:
    """Open a preview at the Home of a user, with one card's reason in sight, and save what a screen shows of it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = opened(browser, Path(preview).resolve(), width=1280)
        page.get_by_label("Listener", exact=True).last.select_option(user)
        page.locator(".as-tracks .card").nth(2).focus()
        page.wait_for_function("getComputedStyle(document.activeElement.querySelector('.why')).opacity === '1'")
        page.screenshot(path=image)
        assert page.wrong == []  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
