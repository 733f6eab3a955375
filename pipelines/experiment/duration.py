"""Plan an experiment: what can be found after how many days, from the variance in the history."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

import polars as pl

from pipelines.experiment.experiment_plan import ExperimentPlan
from pipelines.experiment.readout import Measured
from transforms.experiments.inference.decision import GUARDRAIL, SUCCESS
from transforms.experiments.inference.estimates import SUM_NAMES, ArmSums, estimate_arm
from transforms.experiments.inference.power import detectable_effect, needed_drift, users_needed
from transforms.experiments.readout.readout_metrics import METRICS_BY_NAME
from transforms.experiments.readout.sum_looks import ALL


@dataclass(frozen=True)
class MetricPower:
    """Power of one metric in an experiment of some days.

    effect: the improvement or margin to find, as a share of the value. variance_cut: share that CUPED takes away.
    detectable: the smallest share of the value that is found with the power asked for, if all users take part.
    users: that find `effect`.
    """

    metric: str
    role: str
    days: int
    value: float
    variance_cut: float
    effect: float
    detectable: float
    users: int


@dataclass(frozen=True)
class DurationPlan:
    """A plan: all powers, and the days after which every metric has its power; None: num_days are too short."""

    homeshelf: str
    command: str
    history_from: str
    history_to: str
    users: int
    alpha: float
    power: float
    days_needed: int | None
    powers: Sequence[MetricPower]


def make_duration_plan(plan: ExperimentPlan, measured: Measured, command: str) -> DurationPlan:
    """Compute the power after each week and after the planned length."""
    lengths = sorted({*range(7, plan.looks.num_looks, 7), plan.looks.num_looks})
    wanted = [(name, SUCCESS, plan.options.plan or 0.0) for name in plan.options.success]
    wanted += [(name, GUARDRAIL, margin) for name, margin in plan.margins.items()]
    users = measured.counts.get("exposed/0", 0)
    powers = [
        found
        for days in lengths
        for name, role, effect in wanted
        if (found := _power(plan, measured.sums, name, role, effect, days)) is not None
    ]
    is_enough = {
        days: all(one.users <= users for one in powers if one.days == days) and any(one.days == days for one in powers)
        for days in lengths
    }
    return DurationPlan(
        homeshelf=version("homeshelf"),
        command=command,
        history_from=plan.window.starts_at.isoformat(),
        history_to=plan.window.as_of.isoformat(),
        users=users,
        alpha=plan.options.alpha,
        power=plan.options.power,
        days_needed=next((days for days in lengths if is_enough[days]), None),
        powers=powers,
    )


def plan_to_json(found: DurationPlan) -> str:
    """Return the plan as JSON."""
    return json.dumps(asdict(found), indent=1)


def _power(
    plan: ExperimentPlan, sums: pl.DataFrame, metric: str, role: str, effect: float, days: int
) -> MetricPower | None:
    """Return the power of one metric after some days; None: the history does not tell the metric."""
    rows = sums.filter(
        (pl.col("metric") == metric) & (pl.col("segment") == ALL) & (pl.col("look") == days - 1) & (pl.col("arm") == 0)
    )
    if metric not in METRICS_BY_NAME or rows.is_empty():
        return None
    arm = estimate_arm(ArmSums({name: rows[name].to_numpy() for name in SUM_NAMES}))
    value, variance, users = float(arm.value[0]), float(arm.variance[0]), float(arm.n[0])
    if not value or not variance > 0 or not effect:
        return None
    has_covariate = arm.covariate_variance[0] > 0
    explained = float(arm.covariance[0] ** 2 / arm.covariate_variance[0]) if has_covariate else 0.0
    left = variance - explained
    design = replace(plan.design, num_looks=days)
    drift = needed_drift(design, design.success_alpha if role == SUCCESS else design.alpha)
    shares = list(plan.arms.values())
    pair = (shares[0], min(shares[1:]))
    # of all users, only those of the two arms
    taking_part = sum(pair) / sum(shares)
    return MetricPower(
        metric=metric,
        role=role,
        days=days,
        value=value / METRICS_BY_NAME[metric].scale,
        variance_cut=explained / variance,
        effect=effect,
        detectable=detectable_effect(users * taking_part, left, pair, drift) / abs(value),
        users=int(users_needed(effect * abs(value), left, pair, drift) / taking_part) + 1,
    )
