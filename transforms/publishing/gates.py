"""The gate before the pointer: limits on the metrics of a run, and the check of a run against them.

Adding a limit is an entry in LIMITS; docs/reference/limits.md and --limits pick it up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transforms.features.features import FEATURES
from transforms.publishing.gate_values import (
    GateInput,
    change,
    deep_share,
    drop,
    head_rise,
    ledger_drop,
    ledger_rise,
    lost_rise,
    mean,
    organic_drop,
    ratio,
    rejected_rise,
    rejected_shares,
    repeated_share,
    shelves_per_page,
)
from transforms.publishing.manifest import GateFindings, LimitValue, RunMetrics
from transforms.tables.failures import RunFailedError
from transforms.tables.histograms import Histograms, stability_indexes

_GROWING = {feature.name for feature in FEATURES if feature.grows_with_log}
GATE_MODES = ("warn", "fail", "off")


class GateFailedError(RunFailedError):
    """A metric is out of its limits and `--gate=fail`: the run was written, and the pointer was not moved."""

    exit_status = 3


@dataclass(frozen=True)
class GateSettings:
    """Settings of the checks before a run is published.

    mode: one of GATE_MODES. limits: bounds other than the declared ones, by name. previous: metrics of the run before;
    None: there was none.
    """

    max_rejected_fraction: float
    mode: str
    limits: Mapping[str, float]
    previous: RunMetrics | None


@dataclass(frozen=True)
class Limit:
    """A bound on one metric: a maximum, or with is_minimum a minimum.

    value: the metric; None where a run has nothing to compare. is_fatal: who violates it fails with --gate=warn too.
    """

    name: str
    bound: float
    value: Callable[[GateInput], float | None]
    sentence: str
    is_minimum: bool = False
    is_fatal: bool = False

    def is_violated(self, value: float, bound: float) -> bool:
        """Return whether a value is out of the limit."""
        return value < bound if self.is_minimum else value > bound

    def describe(self, bound: float) -> str:
        """Return the bound in words."""
        return f"{'at least' if self.is_minimum else 'at most'} {bound:g}"


_LEAST = "since the run before, at the better end of its interval"
LIMITS = (
    Limit(
        "pages",
        1.0,
        lambda given: given.now.pages if given.now.users else None,
        "pages, where there are known users",
        is_minimum=True,
        is_fatal=True,
    ),
    Limit(
        "users_without_page",
        0.0,
        lambda given: given.now.users - given.now.users_with_page,
        "known users without a page",
    ),
    Limit(
        "empty_pages",
        0.01,
        lambda given: ratio(given.now.empty_pages, given.now.pages),
        "share of pages without a shelf",
    ),
    Limit(
        "shelves_per_page",
        1.0,
        lambda given: shelves_per_page(given.now) if given.now.pages else None,
        "shelves on a page",
        is_minimum=True,
    ),
    Limit(
        "tracks_per_shelf",
        2.0,
        lambda given: ratio(sum(given.now.tracks_by_shelf.values()), sum(given.now.shelves.values())),
        "tracks on a shelf",
        is_minimum=True,
    ),
    Limit(
        "coverage",
        0.01,
        lambda given: ratio(given.now.tracks_on_pages, given.now.tracks),
        "share of the catalog on any page",
        is_minimum=True,
    ),
    Limit("auc", 0.5, lambda given: given.now.auc, "AUC of the ranker on held-out examples", is_minimum=True),
    Limit(
        "relaxed_queues",
        0.05,
        lambda given: ratio(given.now.queues.relaxed, given.now.queues.made),
        "share of queues in which a rule of order was relaxed",
    ),
    Limit("events_change", 0.5, change(lambda metrics: metrics.events), "change of the number of events kept"),
    Limit(
        "rejected",
        0.02,
        lambda given: sum(rejected_shares(given.now).values()),
        "share of the known events that is rejected",
    ),
    Limit("rejected_rise", 0.005, rejected_rise, "rise of the share that one reason rejects, since the run before"),
    Limit(
        "last_day_drop",
        0.5,
        drop(lambda metrics: metrics.last_day.plays),
        "drop of the plays of the last day, which late events cause",
    ),
    Limit("repeated_impressions", 0.01, repeated_share, "share of the last day's impressions that repeat another"),
    Limit(
        "lost_propensities",
        0.05,
        lost_rise,
        "rise of the share of the last day's impressions without propensity, since the run before",
    ),
    Limit("pages_drop", 0.1, drop(lambda metrics: metrics.pages), "drop of the number of pages"),
    Limit("shelves_change", 0.3, change(shelves_per_page), "change of the shelves on a page"),
    Limit("deep_drop", 0.3, drop(deep_share), "drop of the share of cards in the deep catalogue"),
    Limit("head_rise", 0.3, head_rise, "rise of the cards of the most played tracks, which have a tenth of all plays"),
    Limit("tail_recall_drop", 0.2, ledger_drop("tail_recall"), f"drop of the tail recall {_LEAST}"),
    Limit("adoption_drop", 0.2, ledger_drop("artist_adoption"), f"drop of the adoption of new artists {_LEAST}"),
    Limit("organic_drop", 0.2, organic_drop, f"drop of the share of organic listens {_LEAST}"),
    Limit(
        "head_over_merit_rise",
        0.3,
        ledger_rise("over_merit_0"),
        f"rise of the exposure over merit of the most played tracks {_LEAST}",
    ),
    Limit("coverage_drop", 0.5, drop(lambda metrics: metrics.tracks_on_pages), "drop of the tracks on any page"),
    Limit(
        "drift",
        0.5,
        lambda given: max((index for name, index in given.drift.items() if name not in _GROWING), default=None),
        "largest stability index of the score or a feature that does not grow with the log, since the run before",
    ),
    Limit(
        "training_drift",
        1.0,
        lambda given: mean(given.training_drift),
        "mean stability index of the features, training to scoring",
    ),
)


def check_limits(metrics: RunMetrics, training_histograms: Histograms, settings: GateSettings) -> GateFindings:
    """Compare the metrics of a run with their limits."""
    before = settings.previous
    drift = stability_indexes(before.histograms, metrics.histograms) if before else {}
    given = GateInput(metrics, before, drift, stability_indexes(training_histograms, metrics.histograms))
    values: dict[str, LimitValue] = {}
    violated, fatal = [], []
    for limit in LIMITS:
        value, bound = limit.value(given), settings.limits.get(limit.name, limit.bound)
        if value is None:
            continue
        values[limit.name] = LimitValue(round(float(value), 6) + 0.0, bound)
        if limit.is_violated(value, bound):
            violated.append(f"{limit.name} is {value:.4g}, {limit.describe(bound)}")
            fatal += violated[-1:] if limit.is_fatal or settings.mode == "fail" else []
    found = () if settings.mode == "off" else tuple(violated)
    return GateFindings(
        mode=settings.mode,
        values=values,
        drift=drift,
        training_drift=given.training_drift,
        violated=found,
        failed=() if settings.mode == "off" else tuple(fatal),
    )
