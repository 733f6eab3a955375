"""Counts of a served day by arm, and the curves that a report draws of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.sample_world.serving.serve_day import ServedDay

# Curves are of the days up to each, this many at most: days of few listeners differ by chance, and weekdays by habit.
WINDOW_DAYS = 7
CHURN_DAYS = 14


@dataclass(frozen=True)
class DayCounts:
    """Counts of a day of one arm.

    users: int [M], rows of its listeners. by_user: int [M] by name: listens, new_tracks, is_listening, from_home,
    plays, skips, requests, starts. listens [T], cards [T]: listens to each track, and cards of it on all pages.
    """

    users: np.ndarray
    by_user: dict[str, np.ndarray]
    listens: np.ndarray
    cards: np.ndarray


def count_day(day: ServedDay, cards: pl.DataFrame, users: np.ndarray, num_users: int, num_tracks: int) -> DayCounts:
    """Count a day of the users of an arm; `cards`: all its pages."""
    plays, is_listened = day.plays, day.is_listened
    of_user = plays.user
    looks = day.visits.looks
    masks = {
        "listens": is_listened,
        "new_tracks": is_listened & day.is_new & _is_first(of_user, plays.track),
        "from_home": is_listened & (day.look >= 0),
        "plays": np.ones(len(of_user), dtype=bool),
        "skips": ~is_listened,
    }
    counts = {name: np.bincount(of_user[mask], minlength=num_users)[users] for name, mask in masks.items()}
    starters = day.request_user[looks.request[day.visits.started]]
    is_own = np.isin(of_user, users)
    return DayCounts(
        users=users,
        by_user={
            **counts,
            "is_listening": (counts["listens"] > 0).astype(np.int64),
            "requests": np.bincount(day.request_user, minlength=num_users)[users],
            "starts": np.bincount(starters, minlength=num_users)[users],
        },
        listens=np.bincount(plays.track[is_listened & is_own], minlength=num_tracks),
        cards=np.bincount(cards["track"].to_numpy(), minlength=num_tracks),
    )


def _is_first(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Return whether each play is the first of its user and track."""
    _, first = np.unique(np.stack([user, track]), axis=1, return_index=True)
    is_first = np.zeros(len(user), dtype=bool)
    is_first[first] = True
    return is_first


def gini(exposure: np.ndarray) -> float | None:
    """Return the Gini coefficient of how often each track occurs; None: none does."""
    if not exposure.sum():
        return None
    rank = np.arange(1, len(exposure) + 1)
    return float(((2 * rank - len(exposure) - 1) * np.sort(exposure)).sum() / (len(exposure) * exposure.sum()))


@dataclass(frozen=True)
class Curve:
    """A figure by day. value: of the days up to it, at most WINDOW_DAYS, or None; unit: of charts' axes."""

    name: str
    sentence: str
    value: Callable[[Sequence[DayCounts]], float | None]
    is_share: bool = True
    is_higher_better: bool = True


def _per_user_day(name: str) -> Callable[[Sequence[DayCounts]], float]:
    return lambda days: float(np.mean([day.by_user[name].mean() for day in days]))


def _ratio(part: str, whole: str) -> Callable[[Sequence[DayCounts]], float | None]:
    def value(days: Sequence[DayCounts]) -> float | None:
        total = sum(int(day.by_user[whole].sum()) for day in days)
        return sum(int(day.by_user[part].sum()) for day in days) / total if total else None

    return value


def _total(name: str, days: Sequence[DayCounts]) -> np.ndarray:
    """Return the sum of listens or cards of each track [T]."""
    total: np.ndarray = np.sum([getattr(day, name) for day in days], axis=0)
    return total


def _page_coverage(days: Sequence[DayCounts]) -> float | None:
    shares = [float((day.cards > 0).mean()) for day in days if day.cards.any()]
    return float(np.mean(shares)) if shares else None


CURVES = (
    Curve("listening_days", "share of listeners who listen on a day", _per_user_day("is_listening")),
    Curve("listens", "listens of 30 s or more, by listener and day", _per_user_day("listens"), is_share=False),
    Curve(
        "discoveries",
        "tracks listened to for the first time, by listener and day",
        _per_user_day("new_tracks"),
        is_share=False,
    ),
    Curve("skip_share", "share of plays that last under 30 s", _ratio("skips", "plays"), is_higher_better=False),
    Curve("home_share", "share of listens that start from Home", _ratio("from_home", "listens")),
    Curve("starts", "cards started, by request of Home", _ratio("starts", "requests"), is_share=False),
    Curve(
        "coverage",
        f"share of the catalog that is listened to within {WINDOW_DAYS} days",
        lambda days: float((_total("listens", days) > 0).mean()),
    ),
    Curve("page_coverage", "share of the catalog on any page of a day", _page_coverage),
    Curve(
        "gini",
        f"Gini coefficient of listens to each track within {WINDOW_DAYS} days; 1: all are to one track",
        lambda days: gini(_total("listens", days)),
        is_higher_better=False,
    ),
    Curve(
        "page_gini",
        f"Gini coefficient of cards of each track within {WINDOW_DAYS} days; 1: all are of one track",
        lambda days: gini(_total("cards", days)),
        is_higher_better=False,
    ),
)
CHURN = Curve(
    "churn",
    f"share of the listeners of the {CHURN_DAYS} days before the first day who do not listen in the {CHURN_DAYS} days"
    " up to a day",
    lambda days: None,
    is_higher_better=False,
)


def draw_curves(days: Sequence[DayCounts], was_listening: np.ndarray) -> dict[str, list[float | None]]:
    """Return the values of every curve by day; None before there are as many days as it is of, or as there are at all.

    was_listening: bool [M], users who listened before the first day.
    """
    length = min(WINDOW_DAYS, len(days))
    windows = [days[number - length : number] for number in range(length, len(days) + 1)]
    before: list[float | None] = [None] * (length - 1)
    found = {curve.name: [*before, *(curve.value(window) for window in windows)] for curve in CURVES}
    return {**found, CHURN.name: _churn(days, was_listening)}


def _churn(days: Sequence[DayCounts], was_listening: np.ndarray) -> list[float | None]:
    """Return the churn at each day; None while the time is not over, or where nobody listened before."""
    found: list[float | None] = []
    for number in range(len(days)):
        recent = days[max(0, number + 1 - CHURN_DAYS) : number + 1]
        is_back = np.any([day.by_user["is_listening"] > 0 for day in recent], axis=0)
        is_known = len(recent) == CHURN_DAYS and was_listening.any()
        found.append(float((~is_back)[was_listening].mean()) if is_known else None)
    return found
