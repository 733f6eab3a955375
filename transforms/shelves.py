"""SHELVES: what may stand on a page. Adding a shelf is adding an entry here."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

import polars as pl

from transforms.catalogs import Catalog
from transforms.launches import NEW_RELEASE_DAYS


@dataclass(frozen=True)
class Shelf:
    """One kind of shelf.

    title, reason: templates; {title}, {track}, {artist}, {genre} speak of the shelf's subject: the track that led to it
        where `instance` is because_track, else its first track. See PLACEHOLDERS.
    where: over SCORED, which of a user's candidates it may show; order: a number of these, largest first.
    instance: a column of codes; there is one such shelf for each value that a user's candidates have.
    max_instances: how many of these a page may hold; min_tracks: with fewer it is withheld.
    max_artist_tracks: how many tracks of one known artist it may hold; 0: any number.
    needs: catalog columns without any value in which no track could ever stand on it.
    is_personal: says something of the user; the others stand below, and need no minimum where nothing else fits.
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
    max_artist_tracks: int = 3
    needs: tuple[str, ...] = ()
    is_personal: bool = True


# What a template may name, over the subject's row of CATALOG. Only {title} and {track} are there for every track.
PLACEHOLDERS = {
    "title": pl.col("title"),
    "track": pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")),
    "artist": pl.col("artist_name"),
    "genre": pl.col("genre_name"),
}

LATELY_DAYS = 30
HEARD = pl.col("plays_of_track") > 0
UNHEARD = (pl.col("plays_of_track") == 0) & (pl.col("skips_of_track") == 0)
LATELY = pl.col("days_since_played") <= LATELY_DAYS
NEW = pl.col("days_since_release") <= NEW_RELEASE_DAYS
# A user without a play has no taste that a shelf could claim to know.
KNOWN = pl.col("user_plays") > 0
OWN_ARTIST = pl.col("artist").is_not_null() & (pl.col("plays_of_artist") > 0)
OWN_GENRE = pl.col("genre").is_not_null() & (pl.col("share_of_genre") >= 0.05)

# Of shelves that are worth equally much, the first stands first.
SHELVES = (
    Shelf(
        "jump_back_in",
        "Jump back in",
        "You played {track} not long ago",
        where=HEARD & LATELY,
        order=-pl.col("days_since_played"),
        sentence=f"tracks played in the last {LATELY_DAYS} days, the latest first",
    ),
    Shelf(
        "on_repeat",
        "On repeat",
        "You keep coming back to {track}",
        where=(pl.col("plays_of_track") >= 5) & LATELY,
        order=pl.col("activation"),
        sentence=f"tracks played five times or more and in the last {LATELY_DAYS} days, by how often and how lately",
        max_artist_tracks=0,
    ),
    Shelf(
        "made_for_you",
        "Made for you",
        "Picked for what you listen to, starting with {track}",
        where=UNHEARD & KNOWN,
        order=pl.col("score"),
        sentence="unheard tracks that the ranker expects to be listened to",
        max_artist_tracks=2,
    ),
    Shelf(
        "genre_mix",
        "Your {genre} mix",
        "You listen to a lot of {genre}",
        where=OWN_GENRE,
        order=pl.col("score"),
        sentence="heard and unheard tracks of a genre that has a twentieth of the user's plays or more",
        instance="genre",
        max_instances=3,
        needs=("genre",),
    ),
    Shelf(
        "because_you_listened",
        "Because you listened to {title}",
        "Often heard together with {track}",
        where=UNHEARD & (pl.col("source").cast(pl.String) == "co_listened"),
        order=pl.col("score"),
        sentence="unheard tracks that are heard near one that the user plays",
        instance="because_track",
        max_instances=3,
    ),
    Shelf(
        "more_by_artists",
        "More by artists you love",
        "You have played {artist} often, but not this",
        where=UNHEARD & OWN_ARTIST & (pl.col("plays_of_artist") >= 3),
        order=pl.col("score"),
        sentence="unheard tracks of artists whom the user has played three times or more",
        needs=("artist",),
    ),
    Shelf(
        "new_releases",
        "New releases for you",
        "{track} is new, and close to what you play",
        where=UNHEARD & NEW & (OWN_ARTIST | OWN_GENRE),
        order=pl.col("score"),
        sentence=f"unheard tracks of the last {NEW_RELEASE_DAYS} days, by artists or in genres that the user plays",
        max_artist_tracks=2,
        needs=("release_date",),
    ),
    Shelf(
        "rediscover",
        "Rediscover",
        "You have not played {track} for a while",
        where=(pl.col("plays_of_track") >= 2) & ~LATELY,
        order=pl.col("score"),
        sentence=f"tracks played twice or more, but not in the last {LATELY_DAYS} days",
    ),
    Shelf(
        "popular_now",
        "Popular now",
        "Everyone is playing {track}",
        where=pl.lit(True),
        order=pl.col("track_popularity"),
        sentence="what everyone plays now, and the page of a user of whom nothing is known",
        is_personal=False,
    ),
    Shelf(
        "fresh",
        "Fresh this month",
        "{track} has just come out",
        where=NEW,
        order=pl.col("track_popularity"),
        sentence=f"tracks of the last {NEW_RELEASE_DAYS} days, the popular ones first",
        needs=("release_date",),
        is_personal=False,
    ),
)


def withheld_shelves(catalog: Catalog) -> dict[str, str]:
    """Say of each shelf that this catalog can never fill, by its id, why."""
    lacking = {shelf.id: [column for column in shelf.needs if not catalog.has(column)] for shelf in SHELVES}
    return {name: f"no track has a value for {', '.join(columns)}" for name, columns in lacking.items() if columns}


def available_shelves(catalog: Catalog) -> tuple[Shelf, ...]:
    """List the entries that this catalog can fill."""
    withheld = withheld_shelves(catalog)
    return tuple(shelf for shelf in SHELVES if shelf.id not in withheld)


def render_shelves(
    entries: pl.Series, subjects: pl.Series, *, shelves: Sequence[Shelf], catalog: Catalog
) -> pl.DataFrame:
    """Give each shelf (its place in `shelves`, its subject's track code) its shelf_id, title and reason."""
    names = catalog.tracks.select("title", "artist_name", "genre_name")[subjects]
    return names.with_columns(entries.alias("entry")).select(
        shelf_id=pl.lit(pl.Series([shelf.id for shelf in shelves], dtype=pl.String)).gather("entry"),
        title=_of_entry([render(shelf.title) for shelf in shelves]),
        reason=_of_entry([render(shelf.reason) for shelf in shelves]),
    )


def render(template: str) -> pl.Expr:
    """Turn a template into an expression; what it fills in is never itself read as a template."""
    parts = Formatter().parse(template)
    pieces = [[pl.lit(text), PLACEHOLDERS[name]] if name else [pl.lit(text)] for text, name, _, _ in parts]
    return pl.concat_str([piece for pair in pieces for piece in pair])


def _of_entry(choices: Sequence[pl.Expr]) -> pl.Expr:
    """Take, in each row, the choice whose number stands in `entry`."""
    return pl.coalesce(pl.when(pl.col("entry") == number).then(choice) for number, choice in enumerate(choices))
