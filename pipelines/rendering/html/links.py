"""Links to the pages that lie beside a page."""

from pathlib import Path

from transforms.tables.artifacts import is_remote

_PAGES = {"preview.html": "Preview of Homes", "report.html": "Report", "loop.html": "Loop", "readout.html": "Readout"}


def pages_beside(path: str) -> list[tuple[str, str]]:
    """Return text and address of each other page that is in the folder of a local file."""
    if is_remote(path):
        return []
    others = (Path(path).with_name(name) for name in _PAGES if name != Path(path).name)
    return [(_PAGES[other.name], other.name) for other in others if other.is_file()]
