"""The values that the gate's limits are on: changes since the run before, shares, and figures of the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transforms.publishing.manifest import LedgerFigure, RunMetrics


@dataclass(frozen=True)
class GateInput:
    """Metrics of a run and of the run before, and the stability index of every feature.

    drift: since the run before; training_drift: from training to scoring.
    """

    now: RunMetrics
    before: RunMetrics | None
    drift: Mapping[str, float]
    training_drift: Mapping[str, float]


def ratio(part: float, whole: float) -> float | None:
    """Return a part of a whole; None: there is none."""
    return part / whole if whole else None


def change(metric: Callable[[RunMetrics], float]) -> Callable[[GateInput], float | None]:
    """Return the function that computes the relative change of a metric since the run before, up or down."""

    def value(given: GateInput) -> float | None:
        change = _relative(metric, given)
        return None if change is None else abs(change)

    return value


def drop(metric: Callable[[RunMetrics], float]) -> Callable[[GateInput], float | None]:
    """Return the function that computes the relative drop of a metric since the run before; below 0: it rose."""

    def value(given: GateInput) -> float | None:
        change = _relative(metric, given)
        return None if change is None else -change

    return value


def _relative(metric: Callable[[RunMetrics], float], given: GateInput) -> float | None:
    reference = metric(given.before) if given.before else 0.0
    return metric(given.now) / reference - 1 if reference else None


def rejected_shares(metrics: RunMetrics) -> dict[str, float]:
    """Return the share of all valid and erroneous events that was rejected, by reason."""
    known = metrics.events + sum(metrics.rejected.values())
    return {reason: n / known for reason, n in metrics.rejected.items() if known}


def rejected_rise(given: GateInput) -> float | None:
    """Return the largest rise of the share rejected for one reason since the run before."""
    if given.before is None:
        return None
    before = rejected_shares(given.before)
    rises = (share - before.get(reason, 0.0) for reason, share in rejected_shares(given.now).items())
    return max(rises, default=0.0)


def shelves_per_page(metrics: RunMetrics) -> float:
    """Return the mean number of shelves on a page."""
    return sum(metrics.shelves.values()) / metrics.pages if metrics.pages else 0.0


def deep_share(metrics: RunMetrics) -> float:
    """Return the share of the cards that are of the deep catalogue."""
    return metrics.deep_cards / max(1, sum(metrics.tracks_by_shelf.values()))


def _head_exposure(metrics: RunMetrics) -> float | None:
    """Return the share of the cards that the most played tracks have, over the tenth of all plays that they have."""
    cards = metrics.cards_by_decile
    return ratio(len(cards) * cards[0], sum(cards)) if cards else None


def head_rise(given: GateInput) -> float | None:
    """Return the relative rise of the exposure of the most played tracks, since the run before."""
    now, before = _head_exposure(given.now), _head_exposure(given.before) if given.before else None
    return None if now is None or not before else now / before - 1


def ledger_drop(name: str) -> Callable[[GateInput], float | None]:
    """Return the function that computes how much a figure of the ledger has dropped at least, since the run before."""

    def value(given: GateInput) -> float | None:
        found = _figures(name, given)
        return None if found is None else 1 - _end(found[0].high) / found[1].value

    return value


def ledger_rise(name: str) -> Callable[[GateInput], float | None]:
    """Return the function that computes how much a figure of the ledger has risen at least, since the run before."""

    def value(given: GateInput) -> float | None:
        found = _figures(name, given)
        return None if found is None else _end(found[0].low) / found[1].value - 1

    return value


def organic_drop(given: GateInput) -> float | None:
    """Return how much the share of organic listens has dropped at least, since the run before."""
    found = _figures("recommended_share", given)
    return None if found is None or found[1].value >= 1 else 1 - (1 - _end(found[0].low)) / (1 - found[1].value)


def _figures(name: str, given: GateInput) -> tuple[LedgerFigure, LedgerFigure] | None:
    """Return a figure of the ledger and that of the run before; None: there is none, or it has no interval."""
    now, before = given.now.ledger.get(name), given.before.ledger.get(name) if given.before else None
    return (now, before) if now and before and now.low is not None and before.value > 0 else None


def _end(end: float | None) -> float:
    assert end is not None
    return end


def _lost_share(metrics: RunMetrics) -> float | None:
    return ratio(metrics.last_day.without_propensity, metrics.last_day.impressions)


def lost_rise(given: GateInput) -> float | None:
    """Return the rise of the share of the last day's impressions without propensity, since the run before."""
    now, before = _lost_share(given.now), _lost_share(given.before) if given.before else None
    return None if now is None or before is None else now - before


def repeated_share(given: GateInput) -> float | None:
    """Return the share of the last day's impressions that repeat another."""
    found = given.now.last_day
    return ratio(found.repeats, found.keys + found.repeats)


def mean(drift: Mapping[str, float]) -> float | None:
    """Return the mean: single features, such as the days since something, always drift while a log is young."""
    return ratio(sum(drift.values()), len(drift))
