"""Render the documents' tables from the code: python -m pipelines.docs.render_docs (a test compares them)."""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from models.baselines.entries import BASELINES
from models.baselines.interactions import Parameters
from pipelines.evaluation.report import describe_metrics
from pipelines.inputs.inputs import _plain_type
from pipelines.options.evaluation_options import CompareOptions, EvaluateOptions
from pipelines.options.housekeeping_options import EraseOptions, PruneOptions, RollbackOptions, RunsOptions
from pipelines.options.options import AnyOptions, RunOptions, flag_text
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
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.shelves import SHELVES
from transforms.publishing.gates import LIMITS
from transforms.tables.columns import Schema
from transforms.tables.schemas import EVENTS, IMPRESSIONS, PAGES, REJECTED, TRACKS, USERS
from transforms.tables.stage_counters import RUN_METRICS, STAGE_METRICS

# one row for the ten of them says enough
_DECILE = re.compile(r"exposure_decile_[1-9]")
_ROOT = Path(__file__).parents[2]
DOCUMENTS = (_ROOT / "README.md", _ROOT / "docs" / "reference.md")


def render_sections(text: str) -> str:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` (KeyError: no such section)."""
    sections = _sections()

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- begin {name} -->\n\n{sections[name]}\n\n<!-- end {name} -->"

    return re.sub(r"<!-- begin ([\w ]+) -->.*?<!-- end \1 -->", replaced, text, flags=re.DOTALL)


def _sections() -> dict[str, str]:
    tables = {schema.name: _schema_table(schema) for schema in (EVENTS, TRACKS, USERS, IMPRESSIONS, PAGES, REJECTED)}
    return {
        **tables,
        "flags of run": _flag_table(RunOptions),
        "flags of runs": _flag_table(RunsOptions),
        "flags of rollback": _flag_table(RollbackOptions),
        "flags of prune": _flag_table(PruneOptions),
        "flags of evaluate": _markdown_table(("flag", "default", "meaning"), _own_flags(EvaluateOptions)),
        "flags of compare": _flag_table(CompareOptions),
        "flags of sample": _flag_table(SampleOptions),
        "flags of preview": _flag_table(PreviewOptions),
        "flags of check": _flag_table(CheckOptions),
        "flags of rewards": _flag_table(RewardsOptions),
        "flags of benchmark": _flag_table(BenchmarkOptions),
        "flags of signal": _flag_table(SignalOptions),
        "flags of why": _flag_table(WhyOptions),
        "flags of report": _flag_table(ReportOptions),
        "stage metrics": _markdown_table(("metric", "kind", "what"), STAGE_METRICS),
        "run metrics": _markdown_table(("metric", "kind", "what"), RUN_METRICS),
        "metrics": _markdown_table(
            ("metric", "what", "source"),
            (
                (name, one["sentence"], one["source"])
                for name, one in describe_metrics().items()
                if not _DECILE.fullmatch(name)
            ),
        ),
        "baselines": _markdown_table(
            ("baseline", "what", "grid", "source"),
            ((b.name, b.sentence, _points(b.grid), b.source) for b in BASELINES),
        ),
        "flags of erase": _flag_table(EraseOptions),
        "limits": _markdown_table(
            ("limit", "bound", "figure"),
            (
                (one.name, f"{'at least' if one.is_minimum else 'at most'} {one.bound:g}", one.sentence)
                for one in LIMITS
            ),
        ),
        "sources": _markdown_table(("source", "at most", "what"), ((s.name, s.quota, s.sentence) for s in SOURCES)),
        "features": _markdown_table(
            ("feature", "where missing", "fresh as of", "what"),
            ((f.name, f"{f.missing:g}", f.freshness, f.sentence) for f in FEATURES),
        ),
        "rewards": _markdown_table(
            ("reward", "weight", "settled after", "what"),
            ((r.name, f"{r.weight:g}", f"{r.delay_days:g} further days", r.sentence) for r in REWARDS),
        ),
        "shelves": _markdown_table(("shelf", "title", "what", "tracks", "for"), map(_shelf, SHELVES)),
    }


def _schema_table(schema: Schema) -> str:
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
    return _markdown_table(("column", "type", "unit", "meaning"), rows)


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


def _flag_table(kind: type[AnyOptions]) -> str:
    """A command's flags as a Markdown table; what must be given is bold."""
    return _markdown_table(("flag", "default", "meaning"), _flag_rows(fields(kind)))


def _own_flags(kind: type[EvaluateOptions]) -> Iterable[Sequence[str]]:
    """The flags that homeshelf run does not have, or has with another meaning."""
    shared = {(one.name, one.metadata["help"]) for one in fields(RunOptions)}
    return _flag_rows([one for one in fields(kind) if (one.name, one.metadata["help"]) not in shared])


def _flag_rows(found: Sequence["Field[Any]"]) -> Iterable[Sequence[str]]:
    for one in sorted(found, key=lambda one: one.default is not MISSING):
        is_required = one.default is MISSING
        name = f"**`--{one.name}`**" if is_required else f"`--{one.name}`"
        yield name, "" if is_required else flag_text(one.default), one.metadata["help"]


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    # no backslash within an f-string before Python 3.12
    escaped = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the documents."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    for path in DOCUMENTS:
        path.write_text(render_sections(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    _main()
