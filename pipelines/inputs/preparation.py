"""Preparation of a run before its graph is built: inputs, as_of, folder, reused artifacts, gate settings, manifest."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.event_times import check_times, default_as_of, find_event_times
from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.page_rules import check_surfaces, read_rules
from pipelines.inputs.plan import InputTables, RunPlan, num_buckets_for
from pipelines.inputs.reused_artifacts import find_artifact, find_carry_over_runs
from pipelines.inputs.run_folders import RunListing
from pipelines.inputs.state import plan_state, remark_on
from pipelines.options.clock import utc_now
from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import InputOptions, RunOptions, UsageError
from transforms.catalog.reject_tracks import REJECTED_TRACKS
from transforms.embeddings.embeddings import check_embeddings
from transforms.events.drop_erased import ERASED
from transforms.events.impressions import IMPRESSIONS, REJECTED_IMPRESSIONS
from transforms.events.reject_users import REJECTED_USERS
from transforms.features.feature_tables import FEATURE_ROWS, HOLDOUT_ROWS
from transforms.features.rewards import describe_rewards
from transforms.now_playing.queues.list_seeds import SEEDS
from transforms.now_playing.queues.queue_tables import CONTEXTS, QUEUES, QueuePolicy
from transforms.now_playing.successor_tables import SUCCESSORS
from transforms.pages.list_cards import CARDS
from transforms.pages.published_candidates import CANDIDATE_FEATURES, RANKED
from transforms.pages.shelves.shelves import RULE_SURFACES
from transforms.pages.write_carry_over import CARRY_OVER_PAGES
from transforms.plugins import plugin_hashes
from transforms.publishing.gates import LIMITS, GateSettings
from transforms.publishing.manifest import InputSummary, Manifest, RunMetrics
from transforms.publishing.run_paths import MANIFEST
from transforms.ranking.ranker_files import check_ranker
from transforms.state.state_days import StatePlan
from transforms.tables.artifacts import is_remote
from transforms.tables.columns import fingerprint
from transforms.tables.schemas import EVENTS, PAGES, REJECTED, TRACKS, USERS
from transforms.tables.surfaces import NOW_PLAYING


def prepare_run(options: RunOptions) -> RunPlan:
    """Check the options and inputs of a run, and return its plan (UsageError: the run cannot start)."""
    _check_mode(options)
    rules, surfaces = read_rules(options.rules), check_surfaces(options.surfaces, RULE_SURFACES)
    inputs = inspect_inputs(options)
    now = datetime.now(timezone.utc)
    times = find_event_times(inputs.events, needs_mass=options.as_of is None)
    as_of = options.as_of or default_as_of(times, now)
    check_times(times, as_of, min_played_at=options.min_played_at, label_days=options.label_days)
    folder = _run_folder(options.output, as_of, options.run_id or f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    if FileSystems.exists(f"{folder}/{MANIFEST}"):
        raise UsageError(f"--run_id={options.run_id}: {folder} is a published run")
    day = _day_of(as_of)
    ranker = find_artifact("ranker", options.ranker, day, partial(check_ranker, is_trusted=options.trust))
    embeddings = find_artifact(
        "embeddings", options.embeddings, day, partial(check_embeddings, size=options.tower_size)
    )
    carry_over = {
        date.fromisoformat(run.day): inspect_input(
            "carry_over_from", f"{run.path}/pages", None, schema=CARRY_OVER_PAGES
        )
        for run in find_carry_over_runs(options.carry_over_from, day)
    }
    state = _plan_state(options, inputs, folder)
    return RunPlan(
        options,
        **inputs._asdict(),
        carry_over=carry_over,
        as_of=as_of,
        folder=folder,
        ranker=ranker,
        embeddings=embeddings,
        mode=options.mode,
        rules_text=rules,
        surfaces=surfaces,
        remarks=tuple(filter(None, (times.remark, remark_on(state) if state else ""))),
        max_feature_users=options.max_feature_users,
        state=state,
        queues=_queue_policy(options, as_of) if NOW_PLAYING in surfaces else None,
    )


def _check_mode(options: RunOptions) -> None:
    """Check that flags go together (UsageError: they do not)."""
    if options.state and not options.as_of:
        raise UsageError("--state needs --as_of, whose day is added to it")
    if options.mode == "score" and not options.ranker:
        raise UsageError("--mode=score needs --ranker")
    if options.mode in ("features", "train") and options.ranker:
        raise UsageError(f"--mode={options.mode} does not use --ranker={options.ranker}")


def _queue_policy(options: RunOptions, as_of: datetime) -> QueuePolicy | None:
    """Return how queues are composed; None: the run ends before (UsageError: a context that queues cannot have)."""
    counts = dict(one.split(":") for one in options.queues_per_user.split(","))
    for name in counts.keys() - set(CONTEXTS):
        why = "no input table has the tracks of playlists" if name == "playlist" else f"contexts: {', '.join(CONTEXTS)}"
        raise UsageError(f"--queues_per_user={options.queues_per_user}: no queue goes on from a {name}: {why}")
    if options.mode in ("features", "train"):
        return None
    return QueuePolicy(as_of, options.seed, options.queue_length, {name: int(counts.get(name, 0)) for name in CONTEXTS})


def inspect_inputs(options: InputOptions) -> InputTables:
    """Check all input tables that the flags name (UsageError: see inspect_input())."""
    events = inspect_input("events", options.events, options.events_columns, schema=EVENTS)
    tracks = inspect_input("tracks", options.tracks, options.tracks_columns, schema=TRACKS) if options.tracks else None
    users = None
    if options.users_table:
        users = inspect_input("users_table", options.users_table, options.users_table_columns, schema=USERS)
    erase = None
    if options.erased_users:
        erase = inspect_input("erased_users", options.erased_users, None, schema=ERASED)
    impressions = None
    if options.impressions:
        impressions = inspect_input("impressions", options.impressions, options.impressions_columns, schema=IMPRESSIONS)
    return InputTables(events, tracks, users, erase, impressions)


def _plan_state(options: RunOptions, inputs: InputTables, folder: str) -> StatePlan | None:
    """Return what the run adds to its state; None: it has none (UsageError: see plan_state())."""
    if not options.state:
        return None
    plan = plan_state(options.state, options.output, folder, options.num_buckets)
    return plan if plan.num_buckets else replace(plan, num_buckets=num_buckets_for(inputs.events, inputs.users))


def _run_folder(output: str, as_of: datetime, run_id: str) -> str:
    """Return the folder of a run; a run as of midnight belongs to the day that ends."""
    return f"{output.rstrip('/')}/ds={_day_of(as_of)}/run={run_id}"


def _day_of(as_of: datetime) -> str:
    """Return the day that a run belongs to, as text."""
    return f"{(as_of - timedelta(microseconds=1)):%Y-%m-%d}"


def check_writable(folder: str, flag: str = "output") -> None:
    """Check that the folder that a flag names is writable, if it is local (UsageError: it is not)."""
    if is_remote(folder):
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"--{flag}={folder}: {error.strerror}") from error


def parse_limits(text: str) -> dict[str, float]:
    """Parse the value of --limits (UsageError: it names an unknown limit)."""
    names = [limit.name for limit in LIMITS]
    pairs = [pair.partition(":") for pair in text.split(",") if pair]
    for name, _, _ in pairs:
        if name not in names:
            raise UsageError(f"--limits: unknown limit {name!r}; the limits are {', '.join(names)}")
    return {name: float(bound) for name, _, bound in pairs}


def build_gate_settings(
    options: RunOptions, earlier: RunListing, as_of: datetime, limits: Mapping[str, float]
) -> GateSettings:
    """Build the settings of the gate: the limits, and the metrics of the newest run up to the run's day."""
    previous = None
    if options.gate != "off" and options.mode in ("full", "score"):
        before = [run for run in earlier.current if run.day <= _day_of(as_of)]
        previous = before[-1].manifest.metrics if before and before[-1].manifest else None
    # a run of a version with other metrics has none to compare with
    previous = None if previous == RunMetrics() else previous
    return GateSettings(options.max_rejected_fraction, options.gate, limits, previous)


def _left_out(earlier: RunListing) -> Iterator[str]:
    """Yield a sentence on the damage in an output: no run reuses anything of a damaged one."""
    if problems := earlier.problems:
        more = f" (and {len(problems) - 1:,} more: see homeshelf runs)" if len(problems) > 1 else ""
        yield f"of earlier runs, what is damaged was left out: {problems[0]}{more}"


def _summary_of_state(run: RunPlan) -> dict[str, InputSummary]:
    """Return the numbers of the events of earlier days, where the run starts from a state."""
    earlier = run.state.earlier if run.state else None
    return {"state": InputSummary(earlier.num_rows, len(earlier.files))} if earlier else {}


def draft_manifest(run: RunPlan, earlier: RunListing) -> Manifest:
    """Return the manifest of a run as far as it is known before the run; earlier: the runs of its output."""
    rejected = (REJECTED, REJECTED_IMPRESSIONS, REJECTED_TRACKS, REJECTED_USERS)
    schemas = (
        PAGES,
        CARDS,
        RANKED,
        CANDIDATE_FEATURES,
        SUCCESSORS,
        QUEUES,
        SEEDS,
        *rejected,
        FEATURE_ROWS,
        HOLDOUT_ROWS,
    )
    return Manifest(
        homeshelf=version("homeshelf"),
        started_at=utc_now(),
        as_of=run.as_of.isoformat(),
        options={name: flag_text(value) for name, value in vars(run.options).items()},
        policy=run.policy.settings,
        rules=run.rules_text,
        carry_over=tuple(
            sorted({row_group.path for pages in run.carry_over.values() for row_group in pages.row_groups})
        ),
        inputs={name: table.summary for name, table in run.input_tables.items()} | _summary_of_state(run),
        plugins=plugin_hashes(),
        remarks=(*run.remarks, *_left_out(earlier)),
        rewards=describe_rewards(),
        schemas={schema.name: fingerprint(schema) for schema in schemas},
    )
