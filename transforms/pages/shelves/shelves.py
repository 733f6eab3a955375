"""SHELVES: the shelves that may stand on a page. Adding a shelf is adding an entry here.

What its cards claim is checked independently: `homeshelf check` needs an entry of its own in SHELF_CLAIMS
(pipelines/check/shelves.py). A plugin adds both, as SHELVES and SHELF_CLAIMS.
"""

import polars as pl

from transforms.candidates.new_tracks import NEW_RELEASE_DAYS
from transforms.candidates.sources import SOURCES
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import DEEP_SHARE
from transforms.pages.shelves.conditions import (
    BY_PLAYED_ARTIST,
    BY_SCORE,
    CARRY_OVER_STEP,
    HAS_PLAYS,
    IS_CARRIED_OVER,
    LITTLE_HISTORY,
    NEWLY_RELEASED,
    OF_PLAYED_GENRE,
    PLAYED,
    PLAYED_RECENTLY,
    RECENT_DAYS,
    UNPLAYED,
)
from transforms.pages.shelves.shelf import DAYPART, GENRE, GRID, LARGE, SEED_TRACK, WEEKLY, Shelf
from transforms.plugins import plugin_entries
from transforms.tables.surfaces import DISCOVER, HOME, NOW_PLAYING

_IS_CO_LISTENED = pl.any_horizontal(pl.col("source") == one.name for one in SOURCES if one.is_co_listened)
_WEEKLY_TRACKS = 30

# Of shelves of equal value, the first stands first.
SHELVES: tuple[Shelf, ...] = (
    Shelf(
        "jump_back_in",
        "Jump back in",
        "You played {track} not long ago",
        where=PLAYED & PLAYED_RECENTLY,
        order=-pl.col("days_since_played").rank("min").over("user_id").log(),
        sentence=f"tracks played in the last {RECENT_DAYS} days, the latest first",
        format=GRID,
        idea="resume",
        leads=True,
    ),
    Shelf(
        "on_repeat",
        "On repeat",
        "You keep coming back to {track}",
        where=(pl.col("plays_of_track") >= 5) & PLAYED_RECENTLY,
        order=pl.col("activation"),
        sentence=f"tracks played five times or more and in the last {RECENT_DAYS} days, by how often and how lately",
        max_artist_tracks=0,
        max_album_tracks=0,
        idea="favourites",
    ),
    Shelf(
        "recent_discoveries",
        "Recent discoveries",
        "You found {track} lately, and came back to it",
        where=(pl.col("plays_of_track") >= 2) & (pl.col("days_since_first_played") <= RECENT_DAYS),
        order=pl.col("activation"),
        sentence=f"tracks first played in the last {RECENT_DAYS} days, and played again since",
        min_history=50,
        idea="favourites",
    ),
    Shelf(
        "made_for_you",
        "Made for you",
        "Picked for what you listen to, starting with {track}",
        where=UNPLAYED & HAS_PLAYS,
        order=BY_SCORE,
        sentence="unplayed tracks that the ranker expects to be listened to",
        max_artist_tracks=2,
        surfaces=(HOME, DISCOVER),
        idea="discovery",
    ),
    Shelf(
        "genre_mix",
        "Your {genre} mix",
        "You listen to a lot of {genre}",
        where=OF_PLAYED_GENRE,
        order=BY_SCORE,
        sentence="played and unplayed tracks of a genre that has a twentieth of the user's plays or more",
        instance=GENRE,
        max_instances=3,
        needs=("genre",),
        idea="mix",
    ),
    Shelf(
        "daypart_mix",
        "Your {daypart} mix",
        "What you play more in the {daypart} than at other times, and more like it",
        where=HAS_PLAYS,
        order=BY_SCORE,
        sentence="played and unplayed tracks by artists or in genres that the user plays most at one part of the day,"
        " by the clock of the user's own listening",
        instance=DAYPART,
        min_history=50,
        idea="mix",
    ),
    Shelf(
        "because_you_listened",
        "Because you listened to {title}",
        "Often heard together with {track}",
        where=UNPLAYED & _IS_CO_LISTENED,
        order=BY_SCORE,
        sentence="unplayed tracks that are often heard together with one that the user plays",
        instance=SEED_TRACK,
        max_instances=3,
        surfaces=(HOME, DISCOVER),
        idea="more like it",
    ),
    Shelf(
        "more_by_artists",
        "More by artists you love",
        "You have played {artist} often, but not this",
        where=UNPLAYED & BY_PLAYED_ARTIST & (pl.col("plays_of_artist") >= 3),
        order=BY_SCORE,
        sentence="unplayed tracks of artists whom the user has played three times or more",
        needs=("artist",),
        surfaces=(HOME, DISCOVER),
        idea="more like it",
    ),
    Shelf(
        "new_releases",
        "New releases for you",
        "{track} is new, and close to what you play",
        where=UNPLAYED & NEWLY_RELEASED & (BY_PLAYED_ARTIST | OF_PLAYED_GENRE),
        order=BY_SCORE,
        sentence=f"unplayed tracks of the last {NEW_RELEASE_DAYS} days, by artists or in genres that the user plays",
        max_artist_tracks=2,
        needs=("release_date",),
        surfaces=(HOME, DISCOVER),
        idea="new",
    ),
    Shelf(
        "deep_cuts",
        "Deep cuts",
        "Few know {track}; it is close to what you play",
        where=UNPLAYED & HAS_PLAYS & pl.col("is_deep") & (pl.col("two_tower_similarity") > 0),
        order=pl.col("two_tower_similarity") * 5,
        sentence="unplayed tracks near the user's vector among the least played, which have"
        f" {DEEP_SHARE:.0%} of the plays",
        max_artist_tracks=2,
        min_history=20,
        surfaces=(HOME, DISCOVER),
        idea="discovery",
    ),
    Shelf(
        "rediscover",
        "Rediscover",
        "You have not played {track} for a while",
        where=(pl.col("plays_of_track") >= 2) & ~PLAYED_RECENTLY,
        order=BY_SCORE,
        sentence=f"tracks played twice or more, but not in the last {RECENT_DAYS} days",
        idea="favourites",
    ),
    Shelf(
        "weekly_discovery",
        "Your weekly discoveries",
        "New to you this week, starting with {track}",
        where=HAS_PLAYS & (UNPLAYED | (pl.col("days_since_first_played") <= WEEKLY.days_into)),
        order=pl.when(IS_CARRIED_OVER)
        .then(CARRY_OVER_STEP * (1 + _WEEKLY_TRACKS - pl.col("carried_over_position")))
        .otherwise(BY_SCORE + WEEKLY.draw),
        sentence=f"{_WEEKLY_TRACKS} tracks that were unplayed when the ISO week began, one by an artist, drawn by score"
        " for the user and the week: others on Monday; until then those of the week's earlier runs stand first, as they"
        " did (`--carry_over_from`)",
        min_tracks=_WEEKLY_TRACKS // 2,
        max_tracks=_WEEKLY_TRACKS,
        max_artist_tracks=1,
        min_history=20,
        surfaces=(HOME, DISCOVER),
        is_reserved=True,
        refresh=WEEKLY,
        format=LARGE,
        idea="discovery",
    ),
    Shelf(
        "popular_now",
        "Popular now",
        "Everyone is playing {track}",
        where=pl.lit(True),
        order=pl.col("track_popularity"),
        sentence="what everyone plays now, and the page of a user of whom nothing is known",
        is_personal=False,
        surfaces=(HOME, DISCOVER),
        idea="popular",
    ),
    Shelf(
        "popular_in_genre",
        "Popular in {genre}",
        "What others play in {genre} now",
        where=pl.col("genre").is_not_null() & (pl.col("user_plays") < LITTLE_HISTORY),
        order=BY_SCORE,
        sentence=f"popular tracks of a genre, for users with fewer than {LITTLE_HISTORY} plays",
        instance=GENRE,
        max_instances=4,
        needs=("genre",),
        is_personal=False,
        surfaces=(HOME, DISCOVER),
        idea="popular",
    ),
    Shelf(
        "fresh",
        "Fresh this month",
        "{track} has just come out",
        where=NEWLY_RELEASED,
        order=pl.col("track_popularity"),
        sentence=f"tracks of the last {NEW_RELEASE_DAYS} days, the popular ones first",
        needs=("release_date",),
        is_personal=False,
        surfaces=(HOME, DISCOVER),
        idea="new",
    ),
    *plugin_entries("SHELVES"),
)
SHELF_IDS = tuple(shelf.id for shelf in SHELVES)
# Surfaces with pages, and those that rules may name.
SURFACES = tuple(dict.fromkeys(surface for shelf in SHELVES for surface in shelf.surfaces))
RULE_SURFACES = (*SURFACES, NOW_PLAYING)
REFRESH_PERIODS = tuple(dict.fromkeys(shelf.refresh for shelf in SHELVES if shelf.refresh))


def disabled_shelves(catalog: Catalog) -> dict[str, str]:
    """Return the ids of the shelves that this catalog can never fill, each with the reason."""
    lacking = {shelf.id: [column for column in shelf.needs if not catalog.has(column)] for shelf in SHELVES}
    return {name: f"no track has a value for {', '.join(columns)}" for name, columns in lacking.items() if columns}


def available_shelves(catalog: Catalog, surface: str) -> tuple[Shelf, ...]:
    """Return the shelves of a surface that this catalog can fill."""
    disabled = disabled_shelves(catalog)
    return tuple(shelf for shelf in SHELVES if shelf.id not in disabled and surface in shelf.surfaces)
