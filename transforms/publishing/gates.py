"""The gate before the pointer: limits on the metrics of a run, and the check of a run against them.

Adding a limit is an entry in LIMITS; docs/reference/limits.md and --limits pick it up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transforms.features.features import FEATURES
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
class GateInput:
    """Metrics of a run and of the run before, and the stability index of every feature.

    drift: since the run before; training_drift: from training to scoring.
    """

    now: RunMetrics
    before: RunMetrics | None
    drift: Mapping[str, float]
    training_drift: Mapping[str, float]


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


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _change(metric: Callable[[RunMetrics], float]) -> Callable[[GateInput], float | None]:
    """Return the function that computes the relative change of a metric since the run before, up or down."""

    def value(given: GateInput) -> float | None:
        change = _relative(metric, given)
        return None if change is None else abs(change)

    return value


def _drop(metric: Callable[[RunMetrics], float]) -> Callable[[GateInput], float | None]:
    """Return the function that computes the relative drop of a metric since the run before; below 0: it rose."""

    def value(given: GateInput) -> float | None:
        change = _relative(metric, given)
        return None if change is None else -change

    return value


def _relative(metric: Callable[[RunMetrics], float], given: GateInput) -> float | None:
    reference = metric(given.before) if given.before else 0.0
    return metric(given.now) / reference - 1 if reference else None


def _rejected_shares(metrics: RunMetrics) -> dict[str, float]:
    """Return the share of all valid and erroneous events that was rejected, by reason."""
    known = metrics.events + sum(metrics.rejected.values())
    return {reason: n / known for reason, n in metrics.rejected.items() if known}


def _rejected_rise(given: GateInput) -> float | None:
    """Return the largest rise of the share rejected for one reason since the run before."""
    if given.before is None:
        return None
    before = _rejected_shares(given.before)
    rises = (share - before.get(reason, 0.0) for reason, share in _rejected_shares(given.now).items())
    return max(rises, default=0.0)


def _shelves_per_page(metrics: RunMetrics) -> float:
    return sum(metrics.shelves.values()) / metrics.pages if metrics.pages else 0.0


def _deep_share(metrics: RunMetrics) -> float:
    return metrics.deep_cards / max(1, sum(metrics.tracks_by_shelf.values()))


def _head_exposure(metrics: RunMetrics) -> float | None:
    """Return the share of the cards that the most played tracks have, over the tenth of all plays that they have."""
    cards = metrics.cards_by_decile
    return _ratio(len(cards) * cards[0], sum(cards)) if cards else None


def _head_rise(given: GateInput) -> float | None:
    """Return the relative rise of the exposure of the most played tracks, since the run before."""
    now, before = _head_exposure(given.now), _head_exposure(given.before) if given.before else None
    return None if now is None or not before else now / before - 1


def _lost_share(metrics: RunMetrics) -> float | None:
    return _ratio(metrics.last_day.without_propensity, metrics.last_day.impressions)


def _lost_rise(given: GateInput) -> float | None:
    """Return the rise of the share of the last day's impressions without propensity, since the run before."""
    now, before = _lost_share(given.now), _lost_share(given.before) if given.before else None
    return None if now is None or before is None else now - before


def _repeated_share(given: GateInput) -> float | None:
    found = given.now.last_day
    return _ratio(found.repeats, found.keys + found.repeats)


def _mean(drift: Mapping[str, float]) -> float | None:
    """Return the mean: single features, such as the days since something, always drift while a log is young."""
    return _ratio(sum(drift.values()), len(drift))


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
        lambda given: _ratio(given.now.empty_pages, given.now.pages),
        "share of pages without a shelf",
    ),
    Limit(
        "shelves_per_page",
        1.0,
        lambda given: _shelves_per_page(given.now) if given.now.pages else None,
        "shelves on a page",
        is_minimum=True,
    ),
    Limit(
        "tracks_per_shelf",
        2.0,
        lambda given: _ratio(sum(given.now.tracks_by_shelf.values()), sum(given.now.shelves.values())),
        "tracks on a shelf",
        is_minimum=True,
    ),
    Limit(
        "coverage",
        0.01,
        lambda given: _ratio(given.now.tracks_on_pages, given.now.tracks),
        "share of the catalog on any page",
        is_minimum=True,
    ),
    Limit("auc", 0.5, lambda given: given.now.auc, "AUC of the ranker on held-out examples", is_minimum=True),
    Limit(
        "relaxed_queues",
        0.05,
        lambda given: _ratio(given.now.queues.relaxed, given.now.queues.made),
        "share of queues in which a rule of order was relaxed",
    ),
    Limit("events_change", 0.5, _change(lambda metrics: metrics.events), "change of the number of events kept"),
    Limit(
        "rejected",
        0.02,
        lambda given: sum(_rejected_shares(given.now).values()),
        "share of the known events that is rejected",
    ),
    Limit("rejected_rise", 0.005, _rejected_rise, "rise of the share that one reason rejects, since the run before"),
    Limit(
        "last_day_drop",
        0.5,
        _drop(lambda metrics: metrics.last_day.plays),
        "drop of the plays of the last day, which late events cause",
    ),
    Limit("repeated_impressions", 0.01, _repeated_share, "share of the last day's impressions that repeat another"),
    Limit(
        "lost_propensities",
        0.05,
        _lost_rise,
        "rise of the share of the last day's impressions without propensity, since the run before",
    ),
    Limit("pages_drop", 0.1, _drop(lambda metrics: metrics.pages), "drop of the number of pages"),
    Limit("shelves_change", 0.3, _change(_shelves_per_page), "change of the shelves on a page"),
    Limit("deep_drop", 0.3, _drop(_deep_share), "drop of the share of cards in the deep catalogue"),
    Limit("head_rise", 0.3, _head_rise, "rise of the cards of the most played tracks, which have a tenth of all plays"),
    Limit("coverage_drop", 0.5, _drop(lambda metrics: metrics.tracks_on_pages), "drop of the tracks on any page"),
    Limit(
        "drift",
        0.5,
        lambda given: max((index for name, index in given.drift.items() if name not in _GROWING), default=None),
        "largest stability index of the score or a feature that does not grow with the log, since the run before",
    ),
    Limit(
        "training_drift",
        1.0,
        lambda given: _mean(given.training_drift),
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
