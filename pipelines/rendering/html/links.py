"""Links between the pages that lie beside each other."""

from html import escape
from pathlib import Path

from transforms.tables.artifacts import is_remote
from transforms.tables.files import write_atomically

_PAGES = {
    "preview.html": "Preview of Homes",
    "report.html": "Report",
    "loop.html": "Loop",
    "readout.html": "Readout",
    "plan.html": "Plan",
    "replay.html": "Replay",
}
_BEGIN, _END = "<!-- pages beside -->", "<!-- end of pages beside -->"
# Where a page has its links.
LINKS = f'<nav class="others" aria-label="Other pages">{_BEGIN}{_END}</nav>'


def write_page(path: str, page: str) -> None:
    """Write a page with LINKS; it and the pages in its folder lead to each other, of remote ones none."""
    write_atomically(path, page.encode())
    if is_remote(path):
        return
    for name in {Path(path).name, *_PAGES}:
        file = Path(path).with_name(name)
        if file.is_file():
            _renew(file)


def _renew(file: Path) -> None:
    """Write the links of a page anew, where they are others than it has; a page without LINKS stays as it is."""
    text = file.read_text(encoding="utf-8", errors="replace")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    beside = (name for name in _PAGES if name != file.name and file.with_name(name).is_file())
    links = "".join(f'<a href="{name}">{escape(_PAGES[name])}</a> ' for name in beside)
    renewed = f"{before}{begin}{links}{end}{after}"
    if end and renewed != text:
        write_atomically(str(file), renewed.encode())
