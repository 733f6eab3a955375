"""Tracks that may not be played: not released, without rights in a market, or excluded by a rule of the surface."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.pages.rules.rule import Audience, Rule
from transforms.tables.surfaces import NOW_PLAYING


def rules_of_surface(rules: Sequence[Rule], as_of: datetime) -> list[Rule]:
    """Return the rules that are meant for Now Playing, by name or for all surfaces, on the day that a run is of.

    A run at midnight is of the day that ends, as it is for pages.
    """
    day = (as_of - timedelta(microseconds=1)).date()
    return [rule for rule in rules if _is_meant(rule.when, day)]


def _is_meant(when: Audience, day: date) -> bool:
    return (not when.surfaces or NOW_PLAYING in when.surfaces) and when.since <= day <= when.until


def excluded_by(rule: Rule, catalog: Catalog) -> np.ndarray:
    """Return whether a rule excludes each track: bool [N]."""
    condition = rule.kind.excludes()
    if condition is None:
        return np.zeros(len(catalog.tracks), dtype=bool)
    return catalog.tracks.select(condition.fill_null(False).alias("excluded")).to_series().to_numpy()


def unplayable(catalog: Catalog, market: str, as_of: datetime) -> np.ndarray:
    """Return whether each track is not released or without rights in a market: bool [N].

    What is released on the date of `as_of` is released, as it is on pages. market: empty: unknown; then only tracks
    without rights anywhere are unplayable.
    """
    markets = pl.col("markets")
    has_rights = markets.list.contains(market) if market else markets.list.len() > 0
    is_late = (pl.col("release_date") > as_of.date()).fill_null(False)
    return catalog.tracks.select((is_late | ~has_rights.fill_null(True)).alias("unplayable")).to_series().to_numpy()


def told_apart(catalog: Catalog, rules: Sequence[Rule]) -> list[str]:
    """Return the markets of users, as texts, if a right or a rule differs between them."""
    named = {market for rule in rules for market in rule.when.markets}
    if not (named or catalog.tracks["markets"].count()):
        return []
    return [market_name(code) for code in catalog.markets["market"].unique().drop_nulls().sort()]


def market_name(code: int | None) -> str:
    """Return the two letters of a market's number (see market_code); empty: it is unknown."""
    return "" if code is None else chr(code // 26 + ord("A")) + chr(code % 26 + ord("A"))
