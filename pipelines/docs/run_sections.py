"""Sections of the documents on published runs: files, keys of the manifest, and figures of the benchmarks."""

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pipelines.docs.markdown import markdown_table
from transforms.publishing.manifest import Manifest
from transforms.publishing.run_paths import RUN_FILES

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"


def list_run_files() -> str:
    """Return a table of what lies in the folder of a run."""
    return markdown_table(("name", "what"), ((f"`{name}`", meaning) for name, meaning in RUN_FILES))


def list_manifest_keys() -> str:
    """Return a table of the keys of the manifest; NAME stands for any name, [] for every value of a list."""
    rows = ((f"`{key}`", one.metadata["meaning"]) for key, one in _keys(Manifest, ""))
    return markdown_table(("key", "what"), rows)


def _keys(kind: type, above: str) -> "Iterator[tuple[str, Field[Any]]]":
    hints = get_type_hints(kind)
    for one in fields(kind):
        key, inner = f"{above}{one.name}", hints[one.name]
        if type(None) in get_args(inner):
            (inner,) = (kind for kind in get_args(inner) if kind is not type(None))
        yield key, one
        while origin := get_origin(inner):
            if origin is not tuple and not issubclass(origin, Mapping):
                break
            suffix, place = ("[]", 0) if origin is tuple else (".NAME", 1)
            key, inner = f"{key}{suffix}", get_args(inner)[place]
        if isinstance(inner, type) and is_dataclass(inner):
            yield from _keys(inner, f"{key}.")


def list_benchmark_figures() -> str:
    """Return a table of the figures of all benchmarks, each with its target and a link to its page."""
    rows = (row for page in sorted(BENCHMARKS.glob("*.md")) if page.stem != "index" for row in _figures(page))
    return markdown_table(("benchmark", "figure", "measured", "target", ""), rows)


def _figures(page: Path) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of figures on the page of a benchmark; some pages have none."""
    table = page.read_text(encoding="utf-8").partition("**Figures**\n\n")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        figure, measured, target, met, *_ = (cell.strip() for cell in line.strip("|").split(" | "))
        link = f"[{page.stem}]({page.name})"
        yield link, figure, measured, target, met if met in ("met", "MISSED") else ""
