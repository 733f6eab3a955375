"""The plan of a replay, complete before its graph is built: the log, the target's runs, the events that followed."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.inputs.page_rules import read_rules
from pipelines.inputs.preparation import check_writable
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.options.replay_options import ReplayOptions
from transforms.experiments.off_policy.attribute_outcomes import attributable_rewards
from transforms.experiments.off_policy.schemas import LOGGED_CARDS, OUTCOME_EVENTS
from transforms.experiments.off_policy.score_logged_pages import TargetPolicy, target_candidates
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS, SURFACES
from transforms.tables.columns import Schema

_END_OF_TIME = datetime(9998, 1, 1, tzinfo=timezone.utc)
_ROWS_PER_BUCKET, _MIN_BUCKETS = 500_000, 8


@dataclass(frozen=True)
class TargetRun:
    """A published run of the target: its policy and its time, its candidates, and the paths of its artifacts."""

    target: TargetPolicy
    candidates: InputTable
    catalog: str
    embeddings: str


@dataclass(frozen=True)
class ReplayPlan:
    """The log, the runs of the target (none: the log says what it would do) and the events (None: it has outcomes)."""

    options: ReplayOptions
    impressions: InputTable
    events: InputTable | None
    runs: tuple[TargetRun, ...]

    @property
    def folder(self) -> str:
        """Return the folder of the report."""
        return self.options.output.rstrip("/")

    @property
    def num_buckets(self) -> int:
        """Return the number of buckets: the given one, or one per 500,000 impressions."""
        return self.options.num_buckets or max(_MIN_BUCKETS, -(-self.impressions.num_rows // _ROWS_PER_BUCKET))


def prepare_replay(options: ReplayOptions) -> ReplayPlan:
    """Check the flags and the input (UsageError: the replay cannot start)."""
    if options.run and options.surface not in SURFACES:
        raise UsageError(f"--surface={options.surface} is none of {', '.join(SURFACES)}")
    events = _inspect_events(options) if options.events else None
    needed = {"propensity"} | (set() if events else {"outcome"}) | (set() if options.run else {"target_propensity"})
    columns = tuple(replace(one, is_required=one.is_required or one.name in needed) for one in LOGGED_CARDS.columns)
    schema = Schema(LOGGED_CARDS.name, columns)
    impressions = inspect_input("impressions", options.impressions, options.impressions_columns, schema=schema)
    runs = _target_runs(options)
    check_writable(options.output)
    return ReplayPlan(options, impressions, events, runs)


def _inspect_events(options: ReplayOptions) -> InputTable:
    """Check the events and the outcome that is made of them (UsageError: the replay cannot start)."""
    if options.outcome not in attributable_rewards():
        known = ", ".join(attributable_rewards())
        raise UsageError(f"--outcome={options.outcome} is none of {known}, which events alone settle")
    return inspect_input("events", options.events, options.events_columns, schema=OUTCOME_EVENTS)


def _target_runs(options: ReplayOptions) -> tuple[TargetRun, ...]:
    """Return the target's runs in order of time, each until the next one or the end of its horizon."""
    paths = [path for path in options.run.split(",") if path]
    runs = sorted((PublishedRun(path, needs_pages=False) for path in paths), key=lambda run: run.as_of)
    ends = [*(run.as_of for run in runs[1:]), _END_OF_TIME]
    horizon = timedelta(days=options.horizon_days)
    return tuple(_target_run(run, options, min(end, run.as_of + horizon)) for run, end in zip(runs, ends, strict=False))


def _target_run(run: PublishedRun, options: ReplayOptions, until: datetime) -> TargetRun:
    own = run.policy
    policy = replace(
        own,
        exploration=own.exploration if options.exploration is None else options.exploration,
        diversity=own.diversity if options.diversity is None else options.diversity,
        calibration=own.calibration if options.calibration is None else options.calibration,
    )
    rules = (
        parse_rules(read_rules(options.rules), SHELF_IDS, RULE_SURFACES, options.rules) if options.rules else run.rules
    )
    paths = {name: run.artifact(name) for name in ("catalog", "embeddings")}
    for name, path in paths.items():
        if not path:
            raise UsageError(f"--run: {run.folder} has no {name} of its own")
    candidates = inspect_input("run", ",".join(run.paths("candidates")), None, schema=target_candidates())
    target = TargetPolicy(policy, rules, options.surface, run.as_of, until)
    return TargetRun(target, candidates, paths["catalog"], paths["embeddings"])
