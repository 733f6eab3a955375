"""Render the documents' tables from the code: python -m pipelines.docs.render_docs (a test compares them)."""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from models.baselines.entries import BASELINES
from models.baselines.interactions import Parameters
from pipelines.evaluation.report import described
from pipelines.inputs.inputs import _plain_type
from pipelines.options.housekeeping_options import EraseOptions, PruneOptions, RollbackOptions, RunsOptions
from pipelines.options.options import CompareOptions, EvaluateOptions, RunOptions, _Options, flag_text
from pipelines.options.published_options import (
    BenchmarkOptions,
    CheckOptions,
    PreviewOptions,
    ReportOptions,
    RewardsOptions,
    SignalOptions,
    WhyOptions,
)
from pipelines.options.sample_options import SampleOptions
from transforms.candidates.sources import SOURCES
from transforms.features.features import FEATURES
from transforms.features.rewards import REWARDS
from transforms.pages.shelves import SHELVES, Shelf
from transforms.publishing.gates import LIMITS
from transforms.tables.columns import Schema
from transforms.tables.schemas import EVENTS, IMPRESSIONS, PAGES, REJECTED, TRACKS, USERS
from transforms.tables.stage_counters import RUN_METRICS, STAGE_METRICS

# one row for the ten of them says enough
DECILE = re.compile(r"exposure_decile_[1-9]")
ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "reference.md")


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
        "flags of runs": flags(RunsOptions),
        "flags of rollback": flags(RollbackOptions),
        "flags of prune": flags(PruneOptions),
        "flags of evaluate": table(("flag", "default", "meaning"), _own_flags(EvaluateOptions)),
        "flags of compare": flags(CompareOptions),
        "flags of sample": flags(SampleOptions),
        "flags of preview": flags(PreviewOptions),
        "flags of check": flags(CheckOptions),
        "flags of rewards": flags(RewardsOptions),
        "flags of benchmark": flags(BenchmarkOptions),
        "flags of signal": flags(SignalOptions),
        "flags of why": flags(WhyOptions),
        "flags of report": flags(ReportOptions),
        "stage metrics": table(("metric", "kind", "what"), STAGE_METRICS),
        "run metrics": table(("metric", "kind", "what"), RUN_METRICS),
        "metrics": table(
            ("metric", "what", "source"),
            ((name, one["sentence"], one["source"]) for name, one in described().items() if not DECILE.fullmatch(name)),
        ),
        "baselines": table(
            ("baseline", "what", "grid", "source"),
            ((b.name, b.sentence, _points(b.grid), b.source) for b in BASELINES),
        ),
        "flags of erase": flags(EraseOptions),
        "limits": table(
            ("limit", "bound", "figure"),
            ((one.name, f"{'at least' if one.is_least else 'at most'} {one.bound:g}", one.sentence) for one in LIMITS),
        ),
        "sources": table(("source", "at most", "what"), ((s.name, s.quota, s.sentence) for s in SOURCES)),
        "features": table(
            ("feature", "where missing", "fresh as of", "what"),
            ((f.name, f"{f.missing:g}", f.freshness, f.sentence) for f in FEATURES),
        ),
        "rewards": table(
            ("reward", "weight", "settled after", "what"),
            ((r.name, f"{r.weight:g}", f"{r.delay_days:g} further days", r.sentence) for r in REWARDS),
        ),
        "shelves": table(("shelf", "title", "what", "tracks", "for"), map(_shelf, SHELVES)),
    }


def columns(schema: Schema) -> str:
    """A schema as a Markdown table; what must be there is bold."""
    rows = (
        (
            f"**{column.name}**" if column.is_required else column.name,
            str(_plain_type(column.type)).replace("item: ", ""),
            column.unit,
            column.meaning,
        )
        for column in schema.columns
    )
    return table(("column", "type", "unit", "meaning"), rows)


def _shelf(shelf: Shelf) -> tuple[str, ...]:
    """An entry: its id, title, sentence, sizes and caps, and for whom and where it is."""
    most = shelf.max_tracks or "--shelf_size"
    caps = [
        f"{cap} by one {maker}"
        for cap, maker in ((shelf.max_artist_tracks, "artist"), (shelf.max_album_tracks, "album"))
        if cap
    ]
    several = [f"up to {shelf.max_instances} of them"] if shelf.max_instances > 1 else []
    sizes = ", ".join([f"{shelf.min_tracks} to {most}", *caps, *several])
    history = f"{shelf.min_history} plays or more; " if shelf.min_history else ""
    return shelf.id, shelf.title, shelf.sentence, sizes, history + ", ".join(shelf.surfaces)


def _points(grid: Sequence[Parameters]) -> str:
    """The points of a grid, in words."""
    points = (", ".join(f"{name} {value:g}" for name, value in point.items()) for point in grid)
    return "; ".join(point for point in points if point)


def flags(kind: type[_Options]) -> str:
    """A command's flags as a Markdown table; what must be given is bold."""
    return table(("flag", "default", "meaning"), _flag_rows(fields(kind)))


def _own_flags(kind: type[EvaluateOptions]) -> Iterable[Sequence[str]]:
    """The flags that homeshelf run does not have, or has with another meaning."""
    shared = {(one.name, one.metadata["help"]) for one in fields(RunOptions)}
    return _flag_rows([one for one in fields(kind) if (one.name, one.metadata["help"]) not in shared])


def _flag_rows(found: Sequence["Field[Any]"]) -> Iterable[Sequence[str]]:
    for one in sorted(found, key=lambda one: one.default is not MISSING):
        is_required = one.default is MISSING
        name = f"**`--{one.name}`**" if is_required else f"`--{one.name}`"
        yield name, "" if is_required else flag_text(one.default), one.metadata["help"]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    # no backslash within an f-string before Python 3.12
    escaped = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the documents."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    for path in DOCUMENTS:
        path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
