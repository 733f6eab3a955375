"""Tracks that users may play: released, with rights in their market, not excluded by a rule of the surface."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.exclusions import excluded_by, market_name, rules_of_surface, unplayable
from transforms.pages.rules.rule import Rule


@dataclass(frozen=True)
class Playable:
    """Kinds of users for whom the same holds; kind: int [U]; mask: bool [K, N]; cap: int [K], tracks by one artist."""

    kind: np.ndarray
    mask: np.ndarray
    cap: np.ndarray

    def allows(self, rows: pl.DataFrame) -> pl.Series:
        """Return whether the `user` of each row may play its `track`."""
        return pl.Series(self.mask[self.kind[rows["user"].to_numpy()], rows["track"].to_numpy()])


def find_playable(users: pl.DataFrame, catalog: Catalog, rules: Sequence[Rule], as_of: datetime, most: int) -> Playable:
    """Find out for users (market, user_plays) what they may play; most: tracks by one artist without a rule."""
    meant = rules_of_surface(rules, as_of)
    markets = [market_name(code) for code in users["market"]]
    facts = [
        (market, tuple(_holds(rule, market, plays) for rule in meant))
        for market, plays in zip(markets, users["user_plays"], strict=True)
    ]
    kinds = list(dict.fromkeys(facts))
    mask = np.ones((len(kinds), len(catalog.tracks)), dtype=bool)
    cap = np.full(len(kinds), most)
    for number, (market, holding) in enumerate(kinds):
        mask[number] = ~unplayable(catalog, market, as_of)
        for rule in (one for one, holds in zip(meant, holding, strict=True) if holds):
            mask[number] &= ~excluded_by(rule, catalog)
            cap[number] = min(cap[number], rule.kind.max_tracks_by_artist() or most)
    return Playable(np.array([kinds.index(one) for one in facts], dtype=np.int64), mask, cap)


def _holds(rule: Rule, market: str, plays: float) -> bool:
    when = rule.when
    return (not when.markets or market in when.markets) and when.min_plays <= plays <= when.max_plays
