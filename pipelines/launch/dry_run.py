"""homeshelf run --dry_run: what a run would read, do and write."""

import json
import sys

import apache_beam as beam
from rich.text import Text

from pipelines.home_shelves import PlannedHome, build_planned
from pipelines.launch.graph_stages import earlier_seconds, find_stages
from pipelines.rendering.console import PlainConsole

_WRITES = "write_"


def print_plan(console: PlainConsole, pipeline: beam.Pipeline, planned: PlannedHome) -> None:
    """Build the graph of a run, and print its plan; as JSON where a program may read it."""
    build_planned(pipeline, planned)
    run, stages = planned.run, find_stages(pipeline)
    seconds = earlier_seconds(planned.draft.options["output"], stages)
    tables = [name.removeprefix(_WRITES) for name in stages if name.startswith(_WRITES)]
    plan = {
        "as_of": run.as_of.isoformat(),
        "mode": run.mode,
        "inputs": {name: {"rows": one.rows, "files": one.files} for name, one in planned.draft.inputs.items()},
        "ranker": run.ranker,
        "embeddings": run.embeddings,
        "catalogs_as_of": [moment.isoformat() for moment in run.moments],
        "num_buckets": run.num_buckets,
        "num_shards": run.num_shards,
        "stages": list(stages),
        "folder": run.folder,
        "tables": tables,
        "seconds_before": seconds,
        "remarks": list(planned.draft.remarks),
    }
    if not sys.stdout.isatty():
        print(json.dumps(plan))
    _print_sentences(console, planned, stages, tables, seconds)


def _print_sentences(
    console: PlainConsole, planned: PlannedHome, stages: tuple[str, ...], tables: list[str], seconds: float | None
) -> None:
    run = planned.run
    lines = [f"reads {name}: {one.describe()}" for name, one in planned.draft.inputs.items()]
    lines += [
        f"reuses the {what} of {path}" for what, path in (("ranker", run.ranker), ("towers", run.embeddings)) if path
    ]
    lines.append(f"runs {len(stages)} stages in {run.num_buckets:,} buckets of users (--mode={run.mode})")
    if seconds is not None:
        lines.append(f"which took {seconds:,.0f} s before")
    lines.append(f"writes {', '.join(tables)} to {run.folder}")
    console.print(Text(f"a run as of {run.as_of:%Y-%m-%d %H:%M:%S}", "bold"))
    for line in (*lines, *planned.draft.remarks, "nothing was written"):
        console.print(line, highlight=False, soft_wrap=True)
