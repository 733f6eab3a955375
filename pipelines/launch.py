"""homeshelf run: check the input, start the graph, show what came out."""

import re
import secrets
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions
from rich.console import Console

from pipelines.beam_flags import is_local, parse_beam
from pipelines.home_shelves import Run, build
from pipelines.inputs import inspect, just_after
from pipelines.options import InputOptions, RunOptions, UsageError, parse
from pipelines.page_rules import check_surfaces, read_rules
from pipelines.progress import shown_progress
from pipelines.summary import show_summary
from transforms.artifacts import is_remote
from transforms.columns import fingerprint
from transforms.features import FEATURE_ROWS, HOLDOUT_ROWS, RANKED
from transforms.publish_run import MANIFEST
from transforms.rankers import check_ranker
from transforms.schemas import EVENTS, PAGES, REJECTED, TRACKS, USERS
from transforms.vectors import check_embeddings


def run(argv: Sequence[str]) -> int:
    """Check everything, run the graph, and where that happens on this machine show what came out.

    Returns 1 where too many events were rejected: nothing is published then (UsageError: nothing was started).
    """
    options, rest = parse(RunOptions, argv)
    beam_options = parse_beam(rest)
    if beam_options.view_as(GoogleCloudOptions).template_location and options.as_of is None:
        raise UsageError("a template is launched again on other days: give --as_of")
    prepared = prepare(options)
    console = Console()
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, prepared, describe(prepared), options.max_rejected_fraction)
    with shown_progress(console):
        try:
            result = pipeline.run()
            if not is_local(beam_options):
                return 0
            result.wait_until_finish()
        except Exception as error:
            if too_many := reason_of(error, "TooManyRejectedError"):
                print(f"homeshelf: failed: {too_many}", file=sys.stderr)
                return 1
            raise
    show_summary(console, prepared.folder)
    return 0


def reason_of(error: Exception, kind: str) -> str:
    """The message of an error of that class name behind this one; empty: there is none."""
    # a worker process hands its error over as text
    found = re.search(rf"{kind}: (.+?)(?: \[while running|\n|$)", _chain(error))
    return found[1] if found else ""


def _chain(error: BaseException | None) -> str:
    """The text of an error and of those behind it."""
    return "" if error is None else f"{type(error).__name__}: {error}\n{_chain(error.__cause__ or error.__context__)}"


def prepare(options: RunOptions) -> Run:
    """Look at the input and settle what the run needs to know (UsageError: it cannot start)."""
    rules, surfaces = read_rules(options.rules), check_surfaces(options.surfaces)
    inputs = look_at(options, newest="" if options.as_of else "played_at")
    now = datetime.now(timezone.utc)
    as_of = options.as_of or just_after(inputs["events"].newest, now)
    folder = run_folder(options.output, as_of, options.run_id or f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    if FileSystems.exists(f"{folder}/{MANIFEST}"):
        raise UsageError(f"--run_id={options.run_id}: {folder} is a published run")
    if options.ranker:
        try:
            check_ranker(options.ranker)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(f"--ranker={options.ranker}: {error}") from error
    check_writable(options.output)
    if options.embeddings:
        try:
            check_embeddings(options.embeddings, options.tower_size)
        except (OSError, ValueError) as error:
            raise UsageError(f"--embeddings={options.embeddings}: {error}") from error
    return Run(
        options,
        **inputs,
        as_of=as_of,
        folder=folder,
        ranker=options.ranker,
        embeddings=options.embeddings,
        rules_text=rules,
        surfaces=surfaces,
    )


def look_at(options: InputOptions, *, newest: str) -> dict[str, Any]:
    """Look at all tables that the flags name; None for one that they do not (UsageError: see inspect())."""
    events = inspect("events", options.events, options.events_columns, schema=EVENTS, newest=newest)
    tracks = inspect("tracks", options.tracks, options.tracks_columns, schema=TRACKS) if options.tracks else None
    users = None
    if options.users_table:
        users = inspect("users_table", options.users_table, options.users_table_columns, schema=USERS)
    return {"events": events, "tracks": tracks, "users": users}


def run_folder(output: str, as_of: datetime, run_id: str) -> str:
    """Say where a run lies; one at midnight belongs to the day that ends."""
    return f"{output.rstrip('/')}/ds={(as_of - timedelta(microseconds=1)):%Y-%m-%d}/run={run_id}"


def check_writable(output: str) -> None:
    """Hold that runs can be written below a local folder (UsageError: they cannot)."""
    if is_remote(output):
        return
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise UsageError(f"--output={output}: {error.strerror}") from error


def describe(run: Run) -> dict[str, Any]:
    """What the manifest says of a run apart from its results."""
    return {
        "homeshelf": version("homeshelf"),
        "as_of": run.as_of.isoformat(),
        "options": {name: str(value) for name, value in vars(run.options).items()},
        "policy": {name: value for name, value in vars(run.policy).items() if name != "as_of"},
        "rules": run.rules_text,
        "schemas": {
            schema.name: fingerprint(schema) for schema in (PAGES, RANKED, REJECTED, FEATURE_ROWS, HOLDOUT_ROWS)
        },
    }
