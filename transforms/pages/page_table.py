"""Composed pages as the table PAGES: ids, titles, reasons, scores and propensities, nested by page and shelf."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.pages.page_builder import PageBuilder
from transforms.pages.reasons import render_reasons
from transforms.pages.rules.page_state import CAP_NAME
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.texts import render_shelves
from transforms.pages.shelves.value import rank_discount, shelf_value

_CARD_FACTS = ("user_id", "track", "seed_track", "score", "source", "plays_of_track", "days_since_played")


def nest_pages(
    candidates: pl.DataFrame, shown: pl.DataFrame, is_relaxed: np.ndarray, builder: PageBuilder
) -> pl.DataFrame:
    """Turn the result of PageBuilder.compose() into PAGES."""
    cards = shown.hstack(candidates.select(_CARD_FACTS)[shown["row"]])
    shelves = _shelves(cards.with_columns(tracks=_track_structs(cards, builder.catalog)), builder.policy.shelf_size)
    texts = _shelf_texts(shelves, builder)
    shelf = pl.struct(
        "shelf_id",
        "title",
        "reason",
        "format",
        "position",
        score=pl.col("value").cast(pl.Float32),
        propensity="p_shelf",
        tracks="tracks",
    )
    pages = (
        shelves.hstack(texts)
        .group_by("user", maintain_order=True)
        .agg(pl.col("user_id").first().cast(pl.String), propensity=pl.col("p_all").product(), shelves=shelf)
    )
    relaxed = _relaxed_rules(is_relaxed, builder.rules)
    return pages.join(relaxed, on="user", how="left", maintain_order="left").select(
        "user_id",
        pl.lit(builder.surface).alias("surface"),
        "propensity",
        pl.col("relaxed").fill_null([]),
        "shelves",
    )


def _track_structs(cards: pl.DataFrame, catalog: Catalog) -> pl.Expr:
    """Return the published struct of each card."""
    ids = catalog.tracks["track_id"]
    return pl.struct(
        track_id=ids.gather(cards["track"]),
        position="rank",
        score="score",
        propensity="p_track",
        source=pl.col("source").cast(pl.String),
        seed_track_id=ids.gather(cards["seed_track"]),
        reason=render_reasons(cards, catalog),
    )


def _shelves(cards: pl.DataFrame, shelf_size: int) -> pl.DataFrame:
    """Return one row per shelf, with its value, its first track, and its tracks in order."""
    shelves = cards.group_by("user", "position", maintain_order=True).agg(
        pl.col("user_id", "shelf_index", "code", "p_shelf", "track").first(),
        "tracks",
        p_all=pl.col("p_shelf").first() * pl.col("p_track").product(),
    )
    rank = cards["rank"].to_numpy()
    value = shelf_value(
        cards["score"].to_numpy().astype(np.float64),
        rank,
        cards.select(pl.struct("user", "position").rle_id()).to_series().to_numpy(),
        num_shelves=len(shelves),
        discount=rank_discount(int(rank.max(initial=0)) + 1, shelf_size),
    )
    return shelves.with_columns(value=pl.Series(value, dtype=pl.Float64))


def _shelf_texts(shelves: pl.DataFrame, builder: PageBuilder) -> pl.DataFrame:
    """Return shelf_id, title, reason and format of each shelf."""
    return render_shelves(
        shelves["shelf_index"],
        shelves["code"],
        shelves["track"],
        shelves=builder.shelves,
        tracks=builder.catalog.tracks,
    )


def _relaxed_rules(is_relaxed: np.ndarray, rules: Sequence[Rule]) -> pl.DataFrame:
    """Return the names of what each user's page could not hold, where there is any: user, relaxed."""
    user, number = np.nonzero(is_relaxed)
    names = pl.Series([*(rule.name for rule in rules), CAP_NAME], dtype=pl.String)
    rows = pl.DataFrame({"user": pl.Series(user, dtype=pl.Int32), "relaxed": names.gather(number)})
    return rows.group_by("user", maintain_order=True).agg("relaxed")
