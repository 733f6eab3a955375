"""Read an experiment out: estimates of every metric, sequential intervals, sample ratio and decision, from sums."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np
import polars as pl
from scipy.stats import norm, t

from pipelines.experiment.experiment_plan import ExperimentPlan
from pipelines.experiment.readout_data import MetricEstimate, MetricMeaning, Readout, Rules
from transforms.experiments.inference.decision import GUARDRAIL, OTHER, SUCCESS, Decision, Interval, decide
from transforms.experiments.inference.estimates import SUM_NAMES, ArmSums, Difference, compare_arms, compare_merits
from transforms.experiments.inference.sample_ratio import SAMPLE_RATIO_P, SampleRatio, check_sample_ratio
from transforms.experiments.inference.sequential import sequential_bounds, spent_alpha
from transforms.experiments.readout.measure_coverage import NUM_GROUPS
from transforms.experiments.readout.readout_metrics import COVERAGE, DECILES, METRICS_BY_NAME
from transforms.experiments.readout.sum_looks import ALL, CAPPED, NEW, RETURNING

# With fewer users in an arm means are not normal enough: no look is taken.
MIN_USERS = 100
_COVERAGE_SENTENCE = (
    f"share of the catalog that a group of users listened to since the exposure, mean of {NUM_GROUPS} groups"
)
_SIDES = ("control", "treatment")
_BETTER, _WORSE, _SAFE, _UNCLEAR, _NO_DATA = "better", "worse", "not inferior", "unclear", "no data"


@dataclass(frozen=True)
class Measured:
    """The files of the graph. sums: ARM_SUMS. coverage: GROUP_COVERAGE. counts: by name."""

    sums: pl.DataFrame
    coverage: pl.DataFrame
    counts: Mapping[str, int]


def make_readout(plan: ExperimentPlan, measured: Measured, command: str) -> Readout:
    """Compute everything that a readout holds."""
    arms = list(plan.arms)
    ratios = [
        check_sample_ratio(
            stage, [measured.counts.get(f"{stage}/{arm}", 0) for arm in range(len(arms))], list(plan.arms.values())
        )
        for stage in ("assigned", "exposed")
    ]
    blocked_by = [_explain_ratio(one, arms) for one in ratios if one.is_mismatch]
    estimates: list[MetricEstimate] = []
    decisions = {}
    for number, treatment in enumerate(arms[1:], 1):
        found = _Comparison(plan, measured, number, treatment)
        # nobody should look at figures of arms that cannot be compared
        estimates += [] if blocked_by else found.estimates
        decisions[treatment] = found.decide(blocked_by)
    shown = {one.metric: METRICS_BY_NAME.get(one.metric) for one in estimates}
    return Readout(
        homeshelf=version("homeshelf"),
        experiment=plan.options.experiment,
        command=command,
        starts_at=plan.window.starts_at.isoformat(),
        ends_at=plan.window.ends_at.isoformat(),
        as_of=plan.window.as_of.isoformat(),
        num_looks=plan.looks.num_looks,
        rules=_rules(plan),
        decisions=decisions,
        sample_ratios=ratios,
        metrics={
            name: MetricMeaning(one.sentence, one.unit, one.is_higher_better)
            if one
            else MetricMeaning(_COVERAGE_SENTENCE, "", True)
            for name, one in shown.items()
        },
        estimates=estimates,
        counts=measured.counts,
        remarks=_remarks(plan, measured),
    )


def _rules(plan: ExperimentPlan) -> Rules:
    options = plan.options
    return Rules(plan.arms, options.success, plan.margins, options.alpha, options.num_days, options.covariate_days)


def _explain_ratio(ratio: SampleRatio, arms: Sequence[str]) -> str:
    found = ", ".join(
        f"{arm} {n:,} (planned {expected:,.0f})"
        for arm, n, expected in zip(arms, ratio.users, ratio.expected, strict=True)
    )
    return f"sample ratio mismatch of {ratio.stage} users, p {ratio.p:.1g} below {SAMPLE_RATIO_P:g}: {found}"


def _remarks(plan: ExperimentPlan, measured: Measured) -> tuple[str, ...]:
    """Return sentences on what a reader should know of the data."""
    counts, said = measured.counts, []
    if plan.exposures is None:
        said.append("without exposures every assigned user counts: an effect on few of them is diluted")
    if two := counts.get("assignments/in_two_arms", 0):
        said.append(f"{two:,} rows of users in two arms were left out")
    if plan.run.impressions is None:
        said.append("without impressions the ledger does not tell recommended listens from organic ones")
    if plan.looks.num_looks < plan.options.num_days:
        said.append(
            f"day {plan.looks.num_looks} of {plan.options.num_days}: intervals are as wide as daily looks require"
        )
    return tuple(said)


class _Comparison:
    """One treatment against the control."""

    def __init__(self, plan: ExperimentPlan, measured: Measured, number: int, treatment: str) -> None:
        self.plan, self.measured, self.number, self.treatment = plan, measured, number, treatment

    @cached_property
    def times(self) -> np.ndarray:
        """Return the share of the planned time that has passed at each look."""
        return (np.arange(self.plan.looks.num_looks) + 1) / self.plan.options.num_days

    @cached_property
    def estimates(self) -> list[MetricEstimate]:
        """Return the estimates of all metrics: at every look, and of segments at the last."""
        names = self.measured.sums["metric"].unique(maintain_order=True).to_list()
        ordered = sorted(names, key=list(METRICS_BY_NAME).index)
        return [*(one for name in ordered for one in self._of_metric(name)), *self._coverage()]

    def decide(self, blocked_by: Sequence[str]) -> Decision:
        """Decide by the last look."""
        last = {one.metric: one for one in self.estimates if one.segment == ALL and one.look == len(self.times) - 1}
        intervals = [
            _improvement(name, role, last.get(name))
            for role, names in ((SUCCESS, self.plan.options.success), (GUARDRAIL, self.plan.margins))
            for name in names
        ]
        is_last = self.plan.looks.num_looks >= self.plan.options.num_days
        return decide(intervals, is_last_look=is_last, blocked_by=blocked_by)

    def _role(self, metric: str) -> str:
        if metric in self.plan.options.success:
            return SUCCESS
        return GUARDRAIL if metric in self.plan.margins else OTHER

    def _alpha(self, metric: str) -> float:
        design = self.plan.design
        return design.success_alpha if self._role(metric) == SUCCESS else design.alpha

    def _of_metric(self, metric: str) -> Iterator[MetricEstimate]:
        """Yield the estimates of a metric that is a sum over users."""
        of_metric = self.measured.sums.filter(pl.col("metric") == metric)
        arms = [_arm_sums(of_metric, ALL, arm, len(self.times)) for arm in (0, self.number)]
        if not any(arm["m"].sum() and arm["y"].sum() for arm in arms):
            return
        compare = compare_merits if METRICS_BY_NAME[metric].merit else compare_arms
        compared = compare(*arms)
        is_look = np.minimum(*(arm["n"].astype(float) for arm in arms)) >= MIN_USERS
        information = np.where(is_look & (compared.error > 0), 1 / np.where(is_look, compared.error, 1) ** 2, np.nan)
        bounds = sequential_bounds(information.tolist(), spent_alpha(self.times, self._alpha(metric)).tolist())
        looks = range(len(self.times)) if metric not in _DECILE_NAMES else range(len(self.times) - 1, len(self.times))
        for look in looks:
            users = int(sum(arm["n"][look] for arm in arms))
            yield self._estimate(metric, ALL, look, users, _at(compared, look), float(bounds[look]))
        for segment in (NEW, RETURNING, CAPPED):
            parts = [_arm_sums(of_metric, segment, arm, len(self.times)) for arm in (0, self.number)]
            last = len(self.times) - 1
            if min(part["n"][last] for part in parts) >= MIN_USERS:
                users = int(sum(part["n"][last] for part in parts))
                yield self._estimate(metric, segment, last, users, _at(compare(*parts), last), float(bounds[last]))

    def _estimate(
        self, metric: str, segment: str, look: int, users: int, found: Mapping[str, float], bound: float
    ) -> MetricEstimate:
        entry = METRICS_BY_NAME.get(metric)
        scale = entry.scale if entry else 1.0
        half = found["error"] * bound
        values = {
            "control_value": found["control"] / scale,
            "treatment_value": found["treatment"] / scale,
            "control_error": found["control_error"] / scale,
            "treatment_error": found["treatment_error"] / scale,
            "difference": found["difference"] / scale,
            "low": (found["difference"] - half) / scale,
            "high": (found["difference"] + half) / scale,
            "error": found["error"] / scale,
        }
        base = abs(values["control_value"]) or np.nan
        values |= {
            "relative": values["difference"] / base,
            "relative_low": values["low"] / base,
            "relative_high": values["high"] / base,
            "bound": bound,
            "variance_cut": 1 - found["variance_ratio"],
        }
        known = {name: float(value) if np.isfinite(value) else None for name, value in values.items()}
        made = MetricEstimate(
            treatment=self.treatment,
            metric=metric,
            role=self._role(metric),
            segment=segment,
            look=look,
            users=users,
            margin=self.plan.margins.get(metric),
            verdict="",
            **known,
        )
        return _with_verdict(made)

    def _coverage(self) -> Iterator[MetricEstimate]:
        """Yield the estimate of coverage: groups of users are compared, by Student's t."""
        tracks = self.measured.counts.get("tracks", 0)
        groups = [
            self.measured.coverage.filter(pl.col("arm") == arm)["n_tracks"].to_numpy() / max(tracks, 1)
            for arm in (0, self.number)
        ]
        if any(len(one) < NUM_GROUPS for one in groups) or not len(self.times):
            return
        bound = sequential_bounds(self.times.tolist(), spent_alpha(self.times, self._alpha(COVERAGE)).tolist())[-1]
        # as improbable under Student's t with the groups' degrees of freedom
        widened = float(t.isf(norm.sf(bound), 2 * NUM_GROUPS - 2))
        found = {
            "control": groups[0].mean(),
            "treatment": groups[1].mean(),
            **{
                f"{name}_error": one.std(ddof=1) / np.sqrt(NUM_GROUPS) for name, one in zip(_SIDES, groups, strict=True)
            },
            "difference": groups[1].mean() - groups[0].mean(),
            "error": float(np.sqrt(sum(one.var(ddof=1) / NUM_GROUPS for one in groups))),
            "variance_ratio": 1.0,
        }
        users = sum(self.measured.counts.get(f"exposed/{arm}", 0) for arm in (0, self.number))
        yield self._estimate(COVERAGE, ALL, len(self.times) - 1, users, found, widened)


_DECILE_NAMES = {one.name for one in DECILES}


def _arm_sums(of_metric: pl.DataFrame, segment: str, arm: int, num_looks: int) -> ArmSums:
    """Return the sums of an arm by look: zeros where there are none."""
    rows = of_metric.filter((pl.col("segment") == segment) & (pl.col("arm") == arm))
    sums = {name: np.zeros(num_looks, dtype=np.int64) for name in SUM_NAMES}
    for name in SUM_NAMES:
        sums[name][rows["look"].to_numpy()] = rows[name].to_numpy()
    return ArmSums(sums)


def _at(compared: Difference, look: int) -> dict[str, float]:
    return {name: float(values[look]) for name, values in vars(compared).items()}


def _improvement(metric: str, role: str, found: MetricEstimate | None) -> Interval:
    """Return the interval of the improvement, as a share of the control's value; without data it is the whole line."""
    margin = (found.margin if found else None) or 0.0
    if found is None or found.relative_low is None or found.relative_high is None:
        return Interval(metric, role, -np.inf, np.inf, margin)
    low, high = found.relative_low, found.relative_high
    entry = METRICS_BY_NAME.get(metric)
    return (
        Interval(metric, role, low, high, margin)
        if not entry or entry.is_higher_better
        else Interval(metric, role, -high, -low, margin)
    )


def _with_verdict(found: MetricEstimate) -> MetricEstimate:
    interval = _improvement(found.metric, found.role, found)
    if found.relative_low is None:
        verdict = _NO_DATA
    elif found.role == GUARDRAIL:
        verdict = _SAFE if interval.is_not_inferior else _WORSE if interval.is_worse else _UNCLEAR
    else:
        verdict = _BETTER if interval.is_better else _WORSE if interval.high < 0 else _UNCLEAR
    return MetricEstimate(**{**vars(found), "verdict": verdict})
