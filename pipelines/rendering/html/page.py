"""An HTML page that needs no network: style and script are in it."""

from collections.abc import Sequence
from importlib.resources import files

from pipelines.rendering.html.parts import html_text


def html_page(title: str, heading: str, about: str, parts: Sequence[str], footer: str) -> str:
    """Return a whole page around its parts; `footer` is HTML."""
    style, script = ((files(__package__) / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html_text(title)}</title>",
            f"<style>{style}</style></head><body>",
            f"<header><h1>{html_text(heading)}</h1>"
            '<button id="theme" type="button" aria-label="switch light and dark">◐</button>',
            f"<p>{html_text(about)}</p></header><main>",
            *(part for part in parts if part),
            f"</main><footer>{footer}</footer>",
            f'<div id="tip" role="status"></div><script>{script}</script></body></html>',
        ]
    )
