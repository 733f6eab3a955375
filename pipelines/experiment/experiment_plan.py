"""The plan of an experiment, complete before the graph is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pipelines.inputs.event_times import default_as_of, find_event_times
from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.preparation import check_writable, inspect_inputs
from pipelines.options.experiment_options import ExperimentOptions, arms_of
from pipelines.options.options import StageOptions, UsageError
from transforms.experiments.inference.power import Design
from transforms.experiments.readout.clean_enrolments import ExperimentWindow
from transforms.experiments.readout.readout_metrics import COVERAGE, METRICS_BY_NAME
from transforms.experiments.readout.schemas import ASSIGNMENTS, EXPOSURES
from transforms.experiments.readout.sum_looks import Looks

# The flags of a run that read the events.
_SHARED_FLAGS = ("min_played_at", "match_recordings", "max_user_events", "num_buckets")


@dataclass(frozen=True)
class ExperimentPlan:
    """An experiment: its inputs, its window and its rules.

    run: reads the events, as of the readout. assignments: None: every listener of the history is exposed at the start,
    in one arm, to plan an experiment. arms: shares by name; the first is the control. margins: of guardrails, by name.
    """

    run: RunPlan
    options: ExperimentOptions
    window: ExperimentWindow
    assignments: InputTable | None
    exposures: InputTable | None
    arms: Mapping[str, float]
    margins: Mapping[str, float]

    @property
    def looks(self) -> Looks:
        """Return the daily looks so far; the last possible one is at the planned end."""
        days = (min(self.window.as_of, self.window.ends_at) - self.window.starts_at) // timedelta(days=1)
        return Looks(self.window.starts_at, max(days, 0), self.options.covariate_days)

    @property
    def design(self) -> Design:
        """Return the error rates."""
        treatments = len(self.arms) - 1
        return Design(
            alpha=self.options.alpha,
            power=self.options.power,
            num_success=len(self.options.success) * treatments,
            num_guardrails=len(self.margins),
            num_looks=self.options.num_days,
        )


def prepare_experiment(options: ExperimentOptions) -> ExperimentPlan:
    """Check flags and inputs (UsageError: the command cannot start)."""
    margins = arms_of(options.guardrails)
    _check_metrics(options, margins)
    inputs = inspect_inputs(options)
    assignments, exposures = _inspect_enrolments(options)
    times = find_event_times(inputs.events, needs_mass=options.as_of is None)
    as_of = options.as_of or default_as_of(times, datetime.now(timezone.utc))
    length = timedelta(days=options.num_days)
    starts_at = options.starts_at or as_of - length
    if starts_at >= as_of:
        raise UsageError(f"--starts_at={starts_at:%Y-%m-%dT%H:%M}: the readout is as of {as_of:%Y-%m-%d %H:%M}")
    check_writable(options.output)
    shared = {name: getattr(options, name) for name in _SHARED_FLAGS}
    run = RunPlan(
        StageOptions(**shared), **inputs._asdict(), as_of=as_of, folder=options.output.rstrip("/"), mode="features"
    )
    window = ExperimentWindow(starts_at, starts_at + length, as_of)
    return ExperimentPlan(run, options, window, assignments, exposures, arms_of(options.arms), margins)


def _check_metrics(options: ExperimentOptions, margins: Mapping[str, float]) -> None:
    """Check the names of metrics, and that the error rates leave something to find (UsageError)."""
    for flag, names in (("success", options.success), ("guardrails", margins)):
        known = [*METRICS_BY_NAME, *([COVERAGE] if flag == "guardrails" else [])]
        for name in names:
            if name not in known:
                raise UsageError(f"--{flag}: there is no metric {name!r}; the metrics are {', '.join(known)}")
    if not options.success or set(options.success) & set(margins):
        raise UsageError("--success: there must be a success metric, and none may be a guardrail too")
    if not 0 < options.alpha < 0.5 or not 0.5 <= options.power < 1:
        raise UsageError(f"--alpha={options.alpha:g} --power={options.power:g}: not between 0 and 0.5, 0.5 and 1")
    if options.plan == 0:
        raise UsageError("--plan=0: no experiment finds an improvement of 0")


def _inspect_enrolments(options: ExperimentOptions) -> tuple[InputTable | None, InputTable | None]:
    """Inspect assignments and exposures (UsageError: a readout lacks what it needs)."""
    if options.plan is not None:
        if options.assignments or options.exposures:
            raise UsageError("--plan: an experiment that is planned has no assignments and no exposures yet")
        return None, None
    if not options.assignments or options.starts_at is None:
        raise UsageError("--assignments and --starts_at are needed (or --plan=SHARE, which plans an experiment)")
    assignments = inspect_input("assignments", options.assignments, options.assignments_columns, schema=ASSIGNMENTS)
    exposures = None
    if options.exposures:
        exposures = inspect_input("exposures", options.exposures, options.exposures_columns, schema=EXPOSURES)
    return assignments, exposures
