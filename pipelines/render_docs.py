"""Render the README's tables from the code: python -m pipelines.render_docs (a test holds that nothing differs)."""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from pipelines.inputs import plain
from pipelines.options import RunOptions, SampleOptions
from transforms.columns import Schema
from transforms.features import FEATURES
from transforms.schemas import EVENTS, IMPRESSIONS, PAGES, REJECTED, TRACKS, USERS
from transforms.shelves import SHELVES
from transforms.sources import SOURCES

README = Path(__file__).parents[1] / "README.md"


def render(text: str) -> str:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` (KeyError: no such section)."""
    sections = _sections()

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- begin {name} -->\n\n{sections[name]}\n\n<!-- end {name} -->"

    return re.sub(r"<!-- begin ([\w ]+) -->.*?<!-- end \1 -->", replaced, text, flags=re.DOTALL)


def _sections() -> dict[str, str]:
    tables = {schema.name: columns(schema) for schema in (EVENTS, TRACKS, USERS, IMPRESSIONS, PAGES, REJECTED)}
    return {
        **tables,
        "flags of run": flags(RunOptions),
        "flags of sample": flags(SampleOptions),
        "sources": table(("source", "at most", "what"), ((s.name, s.quota, s.sentence) for s in SOURCES)),
        "features": table(
            ("feature", "where missing", "what"), ((f.name, f"{f.missing:g}", f.sentence) for f in FEATURES)
        ),
        "shelves": table(("shelf", "title", "what"), ((s.id, s.title, s.sentence) for s in SHELVES)),
    }


def columns(schema: Schema) -> str:
    """A schema as a Markdown table; what must be there is bold."""
    rows = (
        (
            f"**{column.name}**" if column.is_required else column.name,
            str(plain(column.type)).replace("item: ", ""),
            column.unit,
            column.meaning,
        )
        for column in schema.columns
    )
    return table(("column", "type", "unit", "meaning"), rows)


def flags(kind: type[RunOptions] | type[SampleOptions]) -> str:
    """A command's flags as a Markdown table; what must be given is bold."""
    rows = (
        (f"**`--{one.name}`**", "", one.metadata["help"])
        if one.default is MISSING
        else (f"`--{one.name}`", "" if one.default in ("", None) else str(one.default), one.metadata["help"])
        for one in fields(kind)
    )
    return table(("flag", "default", "meaning"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    # no backslash within an f-string before Python 3.12
    escaped = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the README."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
