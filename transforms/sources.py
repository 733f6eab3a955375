"""SOURCES: where candidates come from. Adding one is adding an entry here; its score becomes a feature by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from transforms.catalogs import Catalog
from transforms.history import UNIT, History, fixed

NEW_RELEASE_DAYS = 28
SEED_TRACKS = 20
FAVOURITE_ARTISTS = 15
TRACKS_PER_ARTIST = 20
FAVOURITE_GENRES = 3

Propose = Callable[[History, Catalog, datetime], pl.DataFrame]


@dataclass(frozen=True)
class Source:
    """One way to find candidates.

    propose: (history, catalog, as_of) -> user_id, track, score (float64, higher is better), because_track (null: none).
    quota: how many of them, the best by score, become candidates of a user.
    needs: catalog columns without any value in which there is nothing to propose.
    """

    name: str
    quota: int
    propose: Propose
    sentence: str
    needs: tuple[str, ...] = ()


def propose_repeats(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """What the user has listened to, by base-level activation: often and lately."""
    heard = history.tracks.filter(pl.col("plays_of_track") > 0)
    return heard.select("user_id", "track", pl.col("activation").alias("score"), because_track="track")


def propose_co_listened(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """Unheard tracks near the user's most active tracks: sum over these of activation weight times similarity."""
    heard = history.tracks.filter(pl.col("plays_of_track") > 0)
    seeds = top_of(heard, "activation", SEED_TRACKS)
    codes = seeds["track"].to_numpy()
    near, similar = catalog.neighbours[codes], catalog.similarities[codes]
    row, place = np.nonzero(near >= 0)
    proposed = seeds.select("user_id", "track", "activation")[row].select(
        "user_id",
        pl.Series("track", near[row, place]),
        because_track="track",
        weight=fixed(pl.col("activation").exp() * pl.Series("similarity", similar[row, place].astype(np.float64))),
    )
    # the seed that says most is the reason
    ordered = proposed.sort("weight", "because_track", descending=[True, False])
    scored = ordered.group_by("user_id", "track", maintain_order=True).agg(
        score=pl.col("weight").sum() / UNIT, because_track=pl.col("because_track").first()
    )
    return unheard(scored, history)


def propose_artists(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """Unheard tracks of the artists the user plays most, the popular ones first."""
    known = catalog.by_popularity.filter(pl.col("artist").is_not_null())
    place = pl.int_range(pl.len()).over("artist")
    best = known.select("track", "artist", place=place).filter(pl.col("place") < TRACKS_PER_ARTIST)
    favourites = top_of(history.artists, "plays_of_artist", FAVOURITE_ARTISTS, tie="artist")
    joined = favourites.join(best, on="artist")
    score = pl.col("plays_of_artist").log1p() - (pl.col("place") + 1).log() / 2
    return unheard(joined.select("user_id", "track", score=score, because_track="top_track"), history)


def propose_new_releases(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """Tracks released in the four weeks before `as_of`: by the user's artists, then in the user's genres, then any."""
    released = catalog.by_popularity.filter(released_within(as_of, NEW_RELEASE_DAYS))
    quota = SOURCE_QUOTAS["new_releases"]
    warmth = pl.col("popularity").log1p()
    by_artist = history.artists.join(released, on="artist").select(
        "user_id", "track", score=20 + pl.col("plays_of_artist").log1p() + warmth / 10, because_track="top_track"
    )
    in_genre = released.filter(pl.int_range(pl.len()).over("genre") < quota)
    by_genre = top_of(history.genres, "share_of_genre", FAVOURITE_GENRES, tie="genre").join(in_genre, on="genre")
    nothing = pl.lit(None, dtype=pl.Int32).alias("because_track")
    by_anyone = history.users.select("user_id").join(released.head(quota), how="cross")
    proposed = pl.concat(
        [
            by_artist,
            by_genre.select(
                "user_id", "track", pl.col("share_of_genre").mul(5).add(5 + warmth / 10).alias("score"), nothing
            ),
            by_anyone.select("user_id", "track", (warmth / 10).alias("score"), nothing),
        ]
    )
    return proposed.sort("score", descending=True).unique(["user_id", "track"], keep="first", maintain_order=True)


def propose_popular(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """What everyone plays now; the fallback that every user has."""
    top = catalog.by_popularity.head(SOURCE_QUOTAS["popular"])
    everyone = history.users.select("user_id").join(top, how="cross")
    return everyone.select("user_id", "track", score="popularity", because_track=pl.lit(None, dtype=pl.Int32))


def released_within(as_of: datetime, days: int) -> pl.Expr:
    """Whether a row of CATALOG came out in the `days` days up to `as_of`."""
    return pl.col("release_date").is_between((as_of - timedelta(days=days)).date(), as_of.date())


def top_of(frame: pl.DataFrame, by: str, most: int, *, tie: str = "track") -> pl.DataFrame:
    """The `most` rows of each user with the largest `by`; ties by `tie`."""
    ordered = frame.sort("user_id", by, tie, descending=[False, True, False])
    return ordered.filter(pl.int_range(pl.len()).over("user_id") < most)


def unheard(proposed: pl.DataFrame, history: History) -> pl.DataFrame:
    """Drop what the user has ever played."""
    return proposed.join(history.tracks.select("user_id", "track"), on=["user_id", "track"], how="anti")


# Of sources that rank a track equally high, the first names the reason.
SOURCES = (
    Source("repeats", 60, propose_repeats, "own tracks, by how often and how lately they were played"),
    Source("co_listened", 100, propose_co_listened, "unheard tracks often heard near the user's tracks"),
    Source("artists", 60, propose_artists, "unheard tracks of the artists the user plays", needs=("artist",)),
    Source(
        "new_releases",
        30,
        propose_new_releases,
        f"tracks released in the last {NEW_RELEASE_DAYS} days, by the user's artists and genres",
        needs=("release_date",),
    ),
    Source("popular", 30, propose_popular, "what everyone plays now; the fallback"),
)
SOURCE_QUOTAS = {source.name: source.quota for source in SOURCES}


def withheld_sources(catalog: Catalog) -> dict[str, str]:
    """Name the sources that this catalog cannot feed, with the reason."""
    lacking = {source.name: [column for column in source.needs if not catalog.has(column)] for source in SOURCES}
    return {name: f"no track has {' and '.join(columns)}" for name, columns in lacking.items() if columns}
