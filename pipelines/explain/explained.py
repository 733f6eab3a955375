"""Values of an explanation of a page or of a track, which a notebook shows."""

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import polars as pl

from pipelines.explain.contributions import Contribution


class RewardPart(NamedTuple):
    """A predicted reward; the score of a card is the sum of probability times weight."""

    reward: str
    probability: float
    weight: float
    meaning: str


class FeatureValue(NamedTuple):
    """A feature that has a value."""

    feature: str
    value: float
    meaning: str


class PositionTrace(NamedTuple):
    """Fate of a track at one position of the page; positions are filled in the order of these rows.

    shelf_id, value: the shelf that took the position, and the value of the best tracks that it could show. num_before:
    shelves of its kind that were on the page before; divisor: 1, and more for shelves near it that are like it; the
    value counts 1 / ((num_before + 1) divisor). score: value of the tracks that it shows, as published; re-ranking and
    exploration may show others than the best. happened: why the track stands there or does not, and then each other
    shelf that could have shown it. nearest: name of the track that it lost to most narrowly; empty: none.
    """

    position: int
    shelf_id: str
    value: float
    num_before: int
    divisor: float
    score: float
    happened: tuple[str, ...]
    nearest: str


@dataclass(frozen=True)
class ScoreParts:
    """Features of a candidate, and their contributions to its score.

    Attributes:
        features: the features that have a value.
        score_by_features: score without the match with recent tracks, which the contributions start from; None: the
            ranker lies outside the folder of all runs.
        contributions: the score without each group of features.
        unknown: why there are no features; empty: there are.
    """

    features: tuple[FeatureValue, ...] = ()
    score_by_features: float | None = None
    contributions: tuple[Contribution, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class CardExplanation:
    """Explanation of a track for one user's page, whether a card shows it or not.

    Attributes:
        user_id: the listener.
        surface: home or discover.
        track_id: the track.
        name: its title, and its artist.
        score: the expected reward, by which candidates are ordered.
        rank: number of the user's candidates with a higher score.
        num_candidates: number of the user's candidates.
        sources: names of the sources that proposed it.
        source: the one that ranked it best.
        carried_over_position: where an earlier run of the week showed it; None: it did not.
        rewards: the parts of the score.
        parts: its features, and their contributions to the score.
        rules: sentences on rules that exclude it, or that could not hold.
        positions: what happened to it at every position.
        is_shown: whether it is on the page.
        min_score_to_show: smallest score with which it would be; None: it is, or no score would show it.
    """

    user_id: str
    surface: str
    track_id: str
    name: str
    score: float
    rank: int
    num_candidates: int
    sources: tuple[str, ...]
    source: str
    carried_over_position: int | None
    rewards: tuple[RewardPart, ...]
    parts: ScoreParts
    rules: tuple[str, ...]
    positions: tuple[PositionTrace, ...]
    is_shown: bool
    min_score_to_show: float | None

    def __repr__(self) -> str:
        """Return what became of the track, in a few lines."""
        where = "on the page" if self.is_shown else "not on the page"
        rank = f"rank {self.rank} of {self.num_candidates}"
        head = f"{self.name} for {self.user_id}: {where}, score {self.score:.4f}, {rank}"
        return "\n".join([head, f"proposed by {', '.join(self.sources)}", *self.rules])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in repr(self).splitlines())
        frames = [pl.DataFrame(part, orient="row") for part in (self.rewards, self.parts.contributions) if part]
        return lines + "".join(frame._repr_html_() for frame in frames)


@dataclass(frozen=True)
class PageExplanation:
    """Explanation of a user's page.

    Attributes:
        cards: a row for each card, in order: card_rows() and the `name` of the track.
        relaxed: names of the rules that could not hold.
    """

    cards: pl.DataFrame
    relaxed: tuple[str, ...]

    def __repr__(self) -> str:
        """Return a line for each card."""
        return "\n".join(f"{one['shelf_title']}: {one['name']}: {one['reason']}" for one in self.cards.to_dicts())

    def _repr_html_(self) -> str:
        parts = []
        for card in self.cards.iter_rows(named=True):
            if card["position"] == 0:
                parts.append(f"<h4>{escape(card['shelf_title'])}</h4>")
            name, reason = escape(str(card["name"])), escape(str(card["reason"]))
            parts.append(f"<div>{name} <small>{card['score']:.3f} · {escape(card['source'])} · {reason}</small></div>")
        return "".join(parts)
