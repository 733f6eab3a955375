"""Candidates with what shelves and rules ask of them: facts of the track and of the day."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import is_deep
from transforms.events.market_codes import market_code
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.shelves import REFRESH_PERIODS
from transforms.tables.hashing import mix, stable_hash, uniform

# Columns that pages are made of, in addition to those that the shelves ask for.
_PAGE_COLUMNS = (
    *(
        "user_id",
        "user_plays",
        "user_distinct_track_ratio",
        "market",
        "track",
        "seed_track",
        "artist",
        "genre",
        "score",
    ),
    *("source", "plays_of_track", "days_since_played", "share_of_genre"),
)


def select_page_columns(scored: pl.DataFrame, shelves: Sequence[Shelf]) -> pl.DataFrame:
    """Return the columns of SCORED that pages of these shelves are made of; SCORED is wide, and is sorted next."""
    expressions = [one for shelf in shelves for one in (shelf.where, shelf.order, shelf.instance_code())]
    names = {*_PAGE_COLUMNS, *(name for one in expressions for name in one.meta.root_names())}
    return scored.select(name for name in scored.columns if name in names)


def candidates_with_codes(candidates: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return published candidates with the codes of tracks, artists and genres that assemble_pages() needs.

    Args:
        candidates: rows of RANKED, of whole users.
        catalog: the catalog of the same run.
    """
    codes = catalog.coded.select("track_id", "track", "artist", "genre")
    led = codes.select(seed_track_id="track_id", seed_track="track")
    named = candidates.join(codes, on="track_id", how="left", maintain_order="left")
    return named.join(led, on="seed_track_id", how="left", maintain_order="left")


def order_candidates(scored: pl.DataFrame, catalog: Catalog, as_of: date) -> pl.DataFrame:
    """Return the candidates that may be played in their user's market, by user, score (highest first) and track."""
    allowed = keep_playable(scored, catalog, as_of)
    ordered = pl.arg_sort_by("user_id", "score", "track", descending=[False, True, False])
    return allowed[allowed.select(ordered).to_series()]


def keep_rows(candidates: pl.DataFrame, is_kept: np.ndarray) -> pl.DataFrame:
    """Return the rows that are kept; the frame itself where that is all of them, because it is wide."""
    return candidates if is_kept.all() else candidates.filter(is_kept)


def candidates_with_context(candidates: pl.DataFrame, *, catalog: Catalog, day: date) -> pl.DataFrame:
    """Return SCORED with columns that shelves and rules may use.

    album, explicit, is_deep: of the track. For each refresh period its days_into and its draw, a Gumbel number of the
    user, the track and the period: added to logarithms of weights it makes their order a draw (Gumbel 1954), the same
    for the whole period.
    """
    tracks = catalog.tracks.select(
        "album", "explicit", is_deep=pl.Series(is_deep(catalog.tracks["n_plays"].to_numpy()))
    )
    context = candidates.hstack(tracks[candidates["track"]])
    for period in REFRESH_PERIODS:
        users = user_keys(candidates["user_id"], seed=period.key(day))
        drawn = uniform(mix(users ^ _track_keys(catalog)[candidates["track"].to_numpy()]))
        gumbel = -np.log(-np.log(drawn.clip(2.0**-53)))
        context = context.with_columns(
            pl.lit(period.day_number(day), dtype=pl.Float32).alias(period.days_into.meta.output_name()),
            pl.Series(period.draw.meta.output_name(), gumbel, dtype=pl.Float32),
        )
    return context


def user_keys(user_id: pl.Series, *, seed: int) -> np.ndarray:
    """Return a hash of each row's user, uint64 [N]; rows are in order of user, and each user is hashed once."""
    run = user_id.rle_id()
    firsts = user_id.filter(run.is_first_distinct()).cast(pl.String)
    return stable_hash(firsts, seed=seed)[run.to_numpy()]


def _track_keys(catalog: Catalog) -> np.ndarray:
    """Return a hash of every track's id, uint64 [tracks]."""
    return stable_hash(catalog.tracks["track_id"], seed=0)


def keep_playable(candidates: pl.DataFrame, catalog: Catalog, as_of: date) -> pl.DataFrame:
    """Return the candidates that may be played in their user's market.

    One track stands for all copies of a recording, wherever it may be played, but pages need a track for the market:
    a track that may not be played there is replaced by the first released copy that may, if there is one.
    """
    is_kept = playable_mask(candidates, catalog)
    if is_kept.all():
        return candidates
    copies = catalog.copies.filter((pl.col("release_date") <= as_of).fill_null(True)).select("track", "copy")
    away = candidates.select("track", "market").with_row_index("row").filter(~is_kept)
    tried = away.join(copies, on="track", maintain_order="left_right").drop("track").rename({"copy": "track"})
    found = tried.filter(playable_mask(tried, catalog)).unique("row", keep="first", maintain_order=True)
    track, row = candidates["track"].to_numpy().copy(), found["row"].to_numpy()
    track[row], is_kept[row] = found["track"].to_numpy(), True
    return keep_rows(candidates.with_columns(pl.Series("track", track)), is_kept)


def playable_mask(candidates: pl.DataFrame, catalog: Catalog) -> np.ndarray:
    """Return whether each candidate may be played in the user's market, bool [N]; True where either is unknown.

    A track with an empty list of markets may be played nowhere.
    """
    if not catalog.tracks["markets"].count():
        return np.ones(len(candidates), dtype=bool)
    held = catalog.coded.select("track", market="markets").explode("market", empty_as_null=False)
    allowed = held.select("track", market=market_code(pl.col("market"))).unique().with_columns(is_there=True)
    found = candidates.select("track", "market").join(
        allowed, on=["track", "market"], how="left", maintain_order="left"
    )
    everywhere = catalog.tracks["markets"].is_null().gather(candidates["track"])
    somewhere = (catalog.tracks["markets"].list.len() > 0).gather(candidates["track"])
    is_free = everywhere | (somewhere & candidates["market"].is_null())
    return (is_free | found["is_there"].fill_null(False)).to_numpy(writable=True)
