"""SHELVES: what may stand on a page. Adding a shelf is adding an entry here."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

import polars as pl

from transforms.candidates.new_tracks import NEW_RELEASE_DAYS
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import DEEP_SHARE
from transforms.events.dayparts import DAYPARTS
from transforms.tables.surfaces import DISCOVER, HOME


@dataclass(frozen=True)
class Shelf:
    """One kind of shelf.

    title, reason: templates; {title}, {track}, {artist}, {genre} speak of the shelf's subject: the track that led to it
        where `instance` is seed_track, else its first track; {daypart} of the instance. See PLACEHOLDERS.
    where: over SCORED with its context (see page_rows.py), which of a user's candidates it may show.
    order: the logarithm of a weight, largest first: where pages are drawn at random, chances go by the weights.
    instance: a column of codes; there is one such shelf for each value that a user's candidates have.
    max_instances: how many of these a page may hold.
    min_tracks: with fewer it is withheld; max_tracks: it shows no more; 0: --shelf_size.
    max_artist_tracks, max_album_tracks: how many tracks of one known artist or album it may hold; 0: any number.
    min_history: for users with so many plays.
    surfaces: where in the app it may stand.
    needs: catalog columns without any value in which no track could ever stand on it.
    is_personal: says something of the user; the others stand below, and need no minimum where nothing else fits.
    is_reserved: what it shows is chosen before all else, so that it does not change with what stands above it.
    """

    id: str
    title: str
    reason: str
    where: pl.Expr
    order: pl.Expr
    sentence: str
    instance: str | None = None
    max_instances: int = 1
    min_tracks: int = 4
    max_tracks: int = 0
    max_artist_tracks: int = 3
    max_album_tracks: int = 2
    min_history: int = 0
    surfaces: tuple[str, ...] = (HOME,)
    needs: tuple[str, ...] = ()
    is_personal: bool = True
    is_reserved: bool = False


# What a template may name, over the subject's row of CATALOG and the instance. Only {title} and {track} always exist.
PLACEHOLDERS = {
    "title": pl.col("title"),
    "track": pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")),
    "artist": pl.col("artist_name"),
    "genre": pl.col("genre_name"),
    "daypart": pl.col("daypart"),
}

RECENT_DAYS = 30
PLAYED = pl.col("plays_of_track") > 0
UNPLAYED = (pl.col("plays_of_track") == 0) & (pl.col("skips_of_track") == 0)
PLAYED_RECENTLY = pl.col("days_since_played") <= RECENT_DAYS
NEWLY_RELEASED = pl.col("days_since_release") <= NEW_RELEASE_DAYS
# A user without a play has no taste that a shelf could claim to know.
HAS_PLAYS = pl.col("user_plays") > 0
PLAYED_ARTIST = pl.col("artist").is_not_null() & (pl.col("plays_of_artist") > 0)
PLAYED_GENRE = pl.col("genre").is_not_null() & (pl.col("share_of_genre") >= 0.05)
BY_SCORE = pl.col("score").clip(1e-6).log()
WEEKLY_DISCOVERY, WEEKLY_TRACKS = "weekly_discovery", 30
# Stands on the shelf since an earlier run of the week; no draw and no strength outweighs a step of CERTAIN.
IS_KEPT, CERTAIN = pl.col("carried_over_position").is_not_null(), 100.0

# Of shelves that are worth equally much, the first stands first.
SHELVES = (
    Shelf(
        "jump_back_in",
        "Jump back in",
        "You played {track} not long ago",
        where=PLAYED & PLAYED_RECENTLY,
        order=-pl.col("days_since_played").rank("min").over("user_id").log(),
        sentence=f"tracks played in the last {RECENT_DAYS} days, the latest first",
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
    ),
    Shelf(
        "recent_discoveries",
        "Recent discoveries",
        "You found {track} lately, and came back to it",
        where=(pl.col("plays_of_track") >= 2) & (pl.col("days_since_first_played") <= RECENT_DAYS),
        order=pl.col("activation"),
        sentence=f"tracks first played in the last {RECENT_DAYS} days, and played again since",
        min_history=50,
    ),
    Shelf(
        "made_for_you",
        "Made for you",
        "Picked for what you listen to, starting with {track}",
        where=UNPLAYED & HAS_PLAYS,
        order=BY_SCORE,
        sentence="unheard tracks that the ranker expects to be listened to",
        max_artist_tracks=2,
        surfaces=(HOME, DISCOVER),
    ),
    Shelf(
        "genre_mix",
        "Your {genre} mix",
        "You listen to a lot of {genre}",
        where=PLAYED_GENRE,
        order=BY_SCORE,
        sentence="heard and unheard tracks of a genre that has a twentieth of the user's plays or more",
        instance="genre",
        max_instances=3,
        needs=("genre",),
    ),
    Shelf(
        "daypart_mix",
        "Your {daypart} mix",
        "What you play more in the {daypart} than at other times, and more like it",
        where=HAS_PLAYS,
        order=BY_SCORE,
        sentence="heard and unheard tracks by artists or in genres that the user plays most at one part of the day, by"
        " the clock of the user's own listening",
        instance="daypart",
        min_history=50,
    ),
    Shelf(
        "because_you_listened",
        "Because you listened to {title}",
        "Often heard together with {track}",
        where=UNPLAYED & (pl.col("source") == "co_listened"),
        order=BY_SCORE,
        sentence="unheard tracks that are heard near one that the user plays",
        instance="seed_track",
        max_instances=3,
        surfaces=(HOME, DISCOVER),
    ),
    Shelf(
        "more_by_artists",
        "More by artists you love",
        "You have played {artist} often, but not this",
        where=UNPLAYED & PLAYED_ARTIST & (pl.col("plays_of_artist") >= 3),
        order=BY_SCORE,
        sentence="unheard tracks of artists whom the user has played three times or more",
        needs=("artist",),
        surfaces=(HOME, DISCOVER),
    ),
    Shelf(
        "new_releases",
        "New releases for you",
        "{track} is new, and close to what you play",
        where=UNPLAYED & NEWLY_RELEASED & (PLAYED_ARTIST | PLAYED_GENRE),
        order=BY_SCORE,
        sentence=f"unheard tracks of the last {NEW_RELEASE_DAYS} days, by artists or in genres that the user plays",
        max_artist_tracks=2,
        needs=("release_date",),
        surfaces=(HOME, DISCOVER),
    ),
    Shelf(
        "deep_cuts",
        "Deep cuts",
        "Few know {track}; it is close to what you play",
        where=UNPLAYED & HAS_PLAYS & pl.col("is_deep") & (pl.col("two_tower_similarity") > 0),
        order=pl.col("two_tower_similarity") * 5,
        sentence="unheard tracks near the user's vector among the least played, which have"
        f" {DEEP_SHARE:.0%} of the plays",
        max_artist_tracks=2,
        min_history=20,
        surfaces=(HOME, DISCOVER),
    ),
    Shelf(
        "rediscover",
        "Rediscover",
        "You have not played {track} for a while",
        where=(pl.col("plays_of_track") >= 2) & ~PLAYED_RECENTLY,
        order=BY_SCORE,
        sentence=f"tracks played twice or more, but not in the last {RECENT_DAYS} days",
    ),
    Shelf(
        WEEKLY_DISCOVERY,
        "Your weekly discoveries",
        "New to you this week, starting with {track}",
        where=HAS_PLAYS & (UNPLAYED | (pl.col("days_since_first_played") <= pl.col("days_into_week"))),
        order=pl.when(IS_KEPT)
        .then(CERTAIN * (1 + WEEKLY_TRACKS - pl.col("carried_over_position")))
        .otherwise(BY_SCORE + pl.col("weekly_draw")),
        sentence=f"{WEEKLY_TRACKS} tracks that were unheard when the ISO week began, one by an artist, drawn by score"
        " for the user and the week: others on Monday; until then those of the week's earlier runs stand first, as they"
        " did (`--carry_over_from`)",
        min_tracks=WEEKLY_TRACKS // 2,
        max_tracks=WEEKLY_TRACKS,
        max_artist_tracks=1,
        min_history=20,
        surfaces=(HOME, DISCOVER),
        is_reserved=True,
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
    ),
)
SHELF_IDS = tuple(shelf.id for shelf in SHELVES)
SURFACES = tuple(dict.fromkeys(surface for shelf in SHELVES for surface in shelf.surfaces))


def disabled_shelves(catalog: Catalog) -> dict[str, str]:
    """Say of each shelf that this catalog can never fill, by its id, why."""
    lacking = {shelf.id: [column for column in shelf.needs if not catalog.has(column)] for shelf in SHELVES}
    return {name: f"no track has a value for {', '.join(columns)}" for name, columns in lacking.items() if columns}


def available_shelves(catalog: Catalog, surface: str) -> tuple[Shelf, ...]:
    """List the entries of a surface that this catalog can fill."""
    withheld = disabled_shelves(catalog)
    return tuple(shelf for shelf in SHELVES if shelf.id not in withheld and surface in shelf.surfaces)


def render_shelves(
    entries: pl.Series, codes: pl.Series, subjects: pl.Series, *, shelves: Sequence[Shelf], catalog: Catalog
) -> pl.DataFrame:
    """Give each shelf (its place in `shelves`, its instance's code, its subject's track code) id, title and reason."""
    names = catalog.tracks.select("title", "artist_name", "genre_name")[subjects]
    is_of_day = pl.Series([shelf.instance == "daypart" for shelf in shelves]).gather(entries)
    part = pl.select(pl.when(is_of_day).then(codes)).to_series()
    daypart = pl.Series("daypart", DAYPARTS, dtype=pl.String).gather(part)
    return names.with_columns(entries.alias("entry"), daypart).select(
        shelf_id=pl.lit(pl.Series([shelf.id for shelf in shelves], dtype=pl.String)).gather("entry"),
        title=_of_entry([template_expression(shelf.title) for shelf in shelves]),
        reason=_of_entry([template_expression(shelf.reason) for shelf in shelves]),
    )


def template_expression(template: str) -> pl.Expr:
    """Turn a template into an expression; what it fills in is never itself read as a template."""
    parts = Formatter().parse(template)
    pieces = [[pl.lit(text), PLACEHOLDERS[name]] if name else [pl.lit(text)] for text, name, _, _ in parts]
    return pl.concat_str([piece for pair in pieces for piece in pair])


def _of_entry(choices: Sequence[pl.Expr]) -> pl.Expr:
    """Take, in each row, the choice whose number stands in `entry`."""
    return pl.coalesce(pl.when(pl.col("entry") == number).then(choice) for number, choice in enumerate(choices))
