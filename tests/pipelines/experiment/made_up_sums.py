"""Sums of a made-up experiment, of any size and effect, without any event."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.experiment.experiment_plan import ExperimentPlan
from pipelines.experiment.readout import Measured
from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.options.experiment_options import ExperimentOptions, arms_of
from pipelines.options.options import StageOptions
from transforms.experiments.inference.estimates import PRODUCTS, VALUES
from transforms.experiments.readout.clean_enrolments import ExperimentWindow
from transforms.experiments.readout.measure_coverage import NUM_GROUPS
from transforms.experiments.readout.readout_metric import DAYS, ReadoutMetric
from transforms.experiments.readout.readout_metrics import DECILES, LEDGER, METRICS_BY_NAME
from transforms.experiments.readout.schemas import ARM_SUMS

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
_NOTHING = InputTable((), {}, 0)


def plan_of(days: int = 28, **flags: Any) -> ExperimentPlan:
    """An experiment of 28 days after so many of them."""
    given = {"experiment": "longer_shelves", "starts_at": START, "events": "e", "output": str(Path("unused"))}
    options = ExperimentOptions(**(given | flags))
    as_of = START + timedelta(days=days)
    run = RunPlan(StageOptions(), _NOTHING, None, None, as_of=as_of, folder=options.output, impressions=_NOTHING)
    window = ExperimentWindow(START, START + timedelta(days=options.num_days), as_of)
    margins = arms_of(options.guardrails)
    return ExperimentPlan(run, options, window, _NOTHING, _NOTHING, arms_of(options.arms), margins)


def measured_of(
    plan: ExperimentPlan, num_users: int, effects: dict[str, float], users: tuple[int, ...] = ()
) -> Measured:
    """Draw users of all arms; an effect multiplies a metric of every arm but the control.

    users: counts of exposed users by arm, where they are not as drawn.
    """
    rng, rows = np.random.default_rng(1), []
    for arm in range(len(plan.arms)):
        rate = rng.gamma(2.0, 0.5, num_users)
        start = rng.exponential(3.0, num_users).astype(np.int64)
        named = [*plan.options.success, *plan.margins, *(one.name for one in (*LEDGER, *DECILES))]
        for metric in (METRICS_BY_NAME[name] for name in named if name in METRICS_BY_NAME):
            effect = 1 + effects.get(metric.name, 0.0) * (arm > 0)
            rows += _rows(rng, plan, metric, arm, rate, start, effect)
    exposed = users or (num_users,) * len(plan.arms)
    counts = {f"{stage}/{arm}": n for stage in ("assigned", "exposed") for arm, n in enumerate(exposed)}
    sums = pl.DataFrame(rows, schema=ARM_SUMS.frame().schema, orient="row")
    groups = [
        (arm, group, int(rng.normal(4_000 * (1 + effects.get("coverage", 0.0) * (arm > 0)), 30)))
        for arm in range(len(plan.arms))
        for group in range(NUM_GROUPS)
    ]
    coverage = pl.DataFrame(groups, schema=["arm", "group", "n_tracks"], orient="row")
    counts |= {"tracks": 20_000, "events/kept": 9_412_331, "exposures/repeated": 181_244, "assignments/unknown_arm": 3}
    return Measured(sums, coverage, counts)


def _rows(
    rng: np.random.Generator,
    plan: ExperimentPlan,
    metric: ReadoutMetric,
    arm: int,
    rate: np.ndarray,
    start: np.ndarray,
    effect: float,
) -> list[tuple[object, ...]]:
    rows, num_looks = [], plan.looks.num_looks
    before = rng.poisson(28 * 3 * rate)
    q = np.full_like(before, 28) if metric.per == DAYS else before
    for look in range(max(num_looks - 1, 0) if metric in DECILES else 0, num_looks):
        days = np.maximum(look + 1 - start - metric.delay_days, 0)
        base = rng.poisson(3 * rate * days) if look == num_looks - 1 else (3 * rate * days).astype(np.int64)
        share = 0.1 if "_" in metric.name and metric.name[-1].isdigit() else 0.3
        m = days if metric.per == DAYS else base
        y = rng.poisson(rate * days * metric.scale * effect) if metric.per == DAYS else rng.binomial(m, share * effect)
        p = np.zeros_like(y) if metric.delay_days else (before * metric.scale / 3).astype(np.int64)
        if metric.per != DAYS and not metric.delay_days:
            p = rng.binomial(q, share)
        five = np.stack([np.ones_like(y), y, m, p, 0 * q if metric.delay_days else q], axis=1) * (days > 0)[:, None]
        is_new = np.arange(len(y)) % 5 == 0
        segments = {"all": slice(None)}
        if look == num_looks - 1:
            segments |= {"new": is_new, "returning": ~is_new, "capped": slice(None)}
        for segment, part in segments.items():
            own = five[part]
            pairs = [own[:, VALUES.index(one[0])] @ own[:, VALUES.index(one[1])] for one in PRODUCTS]
            rows.append((metric.name, segment, look, arm, *own.sum(axis=0).tolist(), *map(int, pairs)))
    return rows
