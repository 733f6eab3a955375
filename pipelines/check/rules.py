"""Whether published pages hold to the rules that the manifest has, read and applied here anew."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import yaml

from pipelines.check.facts import Truth


def read_manifest_rules(text: str) -> list[dict[str, Any]]:
    """The rules, each with its name: given, or its kind and line."""
    found = (yaml.safe_load(text) or {}).get("rules") or []
    lines = [node.start_mark.line + 1 for node in _nodes(text)]
    kinds = ("pin", "exclude", "cap", "quota", "space")
    return [
        {"name": f"{next(kind for kind in kinds if kind in rule)} of line {line}", "when": {}, **rule}
        for rule, line in zip(found, lines, strict=True)
    ]


def _nodes(text: str) -> list[Any]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return [] if root is None else [node for _, value in root.value for node in value.value]


def find_rule_violations(
    pages: pl.DataFrame, cards: pl.DataFrame, truth: Truth, rules: list[dict[str, Any]]
) -> Iterator[tuple[str, int, pl.DataFrame]]:
    """For each rule: its name, on how many pages it had to hold, and those of which it does not (user_id, what).

    pages: user_id, surface, relaxed; cards as with_truth() makes them.
    """
    for rule in rules:
        is_meant = _is_meant(rule["when"], truth)
        facts = pages.join(truth.users, on="user_id", how="left", maintain_order="left")
        meant = facts.filter(is_meant)
        wrongly = pages.filter(pl.col("relaxed").list.contains(rule["name"])).join(
            meant, on=["user_id", "surface"], how="anti"
        )
        bound = meant.filter(~pl.col("relaxed").list.contains(rule["name"])).select("user_id", "surface")
        mine = cards.join(bound, on=["user_id", "surface"], maintain_order="left")
        broken = _broken(rule, bound, mine).select("user_id", what=pl.col("surface"))
        relaxed = wrongly.select("user_id", what=pl.lit("relaxed, but not meant for the page"))
        yield rule["name"], len(bound), pl.concat([broken, relaxed])


def _is_meant(when: dict[str, Any], truth: Truth) -> pl.Expr:
    day = (truth.as_of - timedelta(microseconds=1)).date()
    is_meant = pl.lit(when.get("from", date.min) <= day <= when.get("until", date.max))
    if "surfaces" in when:
        is_meant &= pl.col("surface").is_in(when["surfaces"])
    if "markets" in when:
        # YAML reads a bare NO as false
        markets = ["NO" if one is False else str(one).upper() for one in when["markets"]]
        is_meant &= pl.col("market").is_in(markets).fill_null(False)
    least, most = when.get("min_plays", 0), when.get("max_plays", 1 << 30)
    return is_meant & pl.col("all_plays").is_between(least, most)


def _broken(rule: dict[str, Any], bound: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
    """The pages of which a rule does not hold: user_id, surface."""
    page = ["user_id", "surface"]
    shelves = cards.unique([*page, "shelf_position"], keep="first", maintain_order=True)
    if "pin" in rule:
        place = pl.col("shelf_position") == rule["pin"]["position"]
        return bound.join(shelves.filter(place & (pl.col("shelf_id") == rule["pin"]["shelf"])), on=page, how="anti")
    if "exclude" in rule:
        return cards.filter(_is_excluded(rule["exclude"])).unique(page)
    if "cap" in rule:
        counts = cards.drop_nulls("artist_id").group_by(*page, "artist_id").len()
        return counts.filter(pl.col("len") > rule["cap"]["artist"]).unique(page)
    if "quota" in rule:
        on_top = cards.filter((pl.col("shelf_position") < rule["quota"]["shelves"]) & (pl.col("listened") == 0))
        enough = on_top.group_by(page).len().filter(pl.col("len") >= rule["quota"]["unplayed"])
        return bound.join(enough, on=page, how="anti")
    kind = shelves.filter(pl.col("shelf_id") == rule["space"]["shelf"]).sort(*page, "shelf_position")
    apart = pl.col("shelf_position").diff().over(page)
    return kind.filter(apart < rule["space"]["apart"]).unique(page)


def _is_excluded(what: dict[str, Any]) -> pl.Expr:
    columns = {"tracks": "track_id", "artists": "artist_id", "genres": "genre_name"}
    named = [pl.col(column).is_in([str(one) for one in what[key]]) for key, column in columns.items() if key in what]
    explicit = [pl.col("explicit")] if "explicit" in what else []
    return pl.any_horizontal(one.fill_null(False) for one in (*named, *explicit))
