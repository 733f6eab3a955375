"""homeshelf runs: list the runs of an output."""

import json
import sys
from collections.abc import Sequence

from pipelines.inputs.run_folders import RunFolder, list_run_folders
from pipelines.options.beam_flags import use_object_stores
from pipelines.options.housekeeping_options import RunsOptions
from pipelines.options.options import UsageError
from pipelines.rendering.output import say
from pipelines.rendering.plain_text import printable

_COLUMNS = ("day", "run", "state", "events", "pages", "seconds", "homeshelf", "ranker")


def list_runs(options: RunsOptions, beam_flags: Sequence[str]) -> int:
    """Print all runs, oldest first; return 1 if a file is damaged, or a pointer names a run that is not there."""
    use_object_stores(beam_flags)
    found = list_run_folders(options.output)
    rows = [_row(run) for run in found.runs]
    if options.json:
        for row in rows:
            print(json.dumps(dict(zip(_COLUMNS, row, strict=True))))
    elif not rows:
        say(f"no run below {options.output}: runs lie in its folders ds=YYYY-MM-DD")
    else:
        texts = [_COLUMNS, *(tuple(_text(cell) for cell in row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        say("\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in texts))
    for problem in found.problems:
        print(printable(problem), file=sys.stderr if options.json else sys.stdout)
    return 1 if found.problems else 0


def _row(run: RunFolder) -> tuple[object, ...]:
    """Return the row of a run, one value per column; None where an unpublished run has none."""
    manifest = run.manifest
    if manifest is None:
        return run.day, run.name, run.state, None, None, None, None, None
    pages = manifest.tables["pages"].rows if "pages" in manifest.tables else None
    return run.day, run.name, run.state, manifest.events.kept, pages, run.seconds, manifest.homeshelf, _ranker(run)


def _ranker(run: RunFolder) -> str | None:
    """Return the path of the ranker; one from outside the output stands as the manifest has it."""
    try:
        return run.artifact("ranker")
    except UsageError:
        return run.manifest.artifacts.get("ranker") if run.manifest else None


def _text(cell: object) -> str:
    return "-" if cell is None else f"{cell:,.0f}" if isinstance(cell, int | float) else printable(str(cell))
