"""Sections of the documents that are rendered from schemas and from tuples of entries."""

import re
from collections.abc import Sequence

from models.baselines.interactions import Parameters
from pipelines.docs.markdown import markdown_table
from pipelines.evaluation.baselines import BASELINES
from pipelines.evaluation.report import describe_metrics
from pipelines.inputs.inputs import plain_type
from pipelines.next_track.baselines import ALL_NEXT_TRACK_BASELINES
from transforms.candidates.sources import SOURCES
from transforms.experiments.readout.readout_metric import ReadoutMetric
from transforms.experiments.readout.readout_metrics import DECILES, READOUT_METRICS
from transforms.features.features import FEATURES
from transforms.features.rewards import REWARDS
from transforms.pages.rules.read_rules import AUDIENCE_FIELDS
from transforms.pages.rules.rule_kinds import RULE_KINDS
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.shelves import SHELVES
from transforms.publishing.gates import LIMITS
from transforms.ranking.rankers import RANKERS
from transforms.tables.columns import Schema
from transforms.tables.stage_counters import RUN_METRICS, STAGE_METRICS, BeamMetric

# One row for the ten of them is enough.
_DECILE = re.compile(r"exposure_decile_[1-9]")


def schema_table(schema: Schema) -> str:
    """Return the columns of a schema; required ones are bold."""
    rows = (
        (
            f"**{column.name}**" if column.is_required else column.name,
            str(plain_type(column.type)).replace("item: ", ""),
            column.unit,
            column.meaning,
        )
        for column in schema.columns
    )
    return markdown_table(("column", "type", "unit", "meaning"), rows)


def entry_tables() -> dict[str, str]:
    """Return the table of each tuple of entries, by the name of its section."""
    return {
        "stage metrics": _beam_metrics(STAGE_METRICS),
        "run metrics": _beam_metrics(RUN_METRICS),
        "metrics": _metrics(),
        "readout metrics": markdown_table(
            ("metric", "what", "unit", "better is", "settled after"),
            map(_readout_metric, (one for one in READOUT_METRICS if one not in DECILES)),
        ),
        "baselines": markdown_table(
            ("baseline", "what", "grid", "source"),
            ((one.name, one.sentence, _points(one.grid), one.source) for one in BASELINES),
        ),
        "next track baselines": markdown_table(
            ("baseline", "what", "grid", "source"),
            ((one.name, one.sentence, _points(one.grid), one.source) for one in ALL_NEXT_TRACK_BASELINES),
        ),
        "limits": markdown_table(
            ("limit", "bound", "metric"), ((one.name, one.describe(one.bound), one.sentence) for one in LIMITS)
        ),
        "sources": markdown_table(
            ("source", "at most", "what"), ((one.name, one.quota, one.sentence) for one in SOURCES)
        ),
        "features": markdown_table(
            ("feature", "where missing", "fresh as of", "what"),
            ((one.name, f"{one.missing:g}", one.freshness, one.sentence) for one in FEATURES),
        ),
        "rewards": markdown_table(
            ("reward", "weight", "settled after", "what"),
            ((one.name, f"{one.weight:g}", f"{one.delay_days:g} further days", one.sentence) for one in REWARDS),
        ),
        "rules": markdown_table(
            ("rule", "fields", "what"),
            ((f"`{one.key}`", ", ".join(f"`{name}`" for name in one.fields()), _first_line(one)) for one in RULE_KINDS),
        ),
        "conditions": ", ".join(f"`{name}`" for name in AUDIENCE_FIELDS),
        "rankers": markdown_table(("model", "what"), ((one.name, one.sentence) for one in RANKERS)),
        "shelves": markdown_table(("shelf", "title", "what", "tracks", "for"), map(_shelf, SHELVES)),
    }


def _first_line(one: type) -> str:
    return (one.__doc__ or "").partition("\n")[0]


def _beam_metrics(metrics: Sequence[BeamMetric]) -> str:
    return markdown_table(("metric", "kind", "what"), metrics)


def _metrics() -> str:
    rows = ((name, one.sentence, one.source) for name, one in describe_metrics().items() if not _DECILE.fullmatch(name))
    return markdown_table(("metric", "what", "source"), rows)


def _readout_metric(one: ReadoutMetric) -> tuple[str, ...]:
    return one.name, one.sentence, one.unit, "higher" if one.is_higher_better else "lower", f"{one.delay_days} days"


def _shelf(shelf: Shelf) -> tuple[str, ...]:
    """Return the row of a shelf: id, title, sentence, sizes and caps, and the pages that it is for."""
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
    """Return the points of a grid in words."""
    points = (", ".join(f"{name} {value:g}" for name, value in point.items()) for point in grid)
    return "; ".join(point for point in points if point)
