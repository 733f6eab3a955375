"""SHELF_CLAIMS: what every shelf claims of its tracks, in terms of what users really played.

A shelf is declared twice, by design: in SHELVES (transforms/pages/shelves/), which composes it, and here, which checks
it. Nothing here is taken from there.
"""

from collections.abc import Iterator

import polars as pl

from pipelines.check.claim import ShelfClaim
from pipelines.check.finding import Finding, find_wrong
from transforms.events.dayparts import DAYPARTS
from transforms.plugins import plugin_entries

_PAGE = ["user_id", "surface"]
_SHELF = [*_PAGE, "shelf_position"]
# Days are floats of 32 bits on the other side.
_TOLERANCE_DAYS = 2e-3
_NO_LIMIT = 10**6
_NEVER_PLAYED = pl.col("played") == 0
_RECENT = pl.col("last_days") <= 30 + _TOLERANCE_DAYS
_NEW = pl.col("release_days") <= 28


# The first track of a shelf, or the seed track that it is named after, as its sentence names them.
_TRACK = pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null(""))
_SEED = pl.concat_str("seed_title", pl.concat_str(pl.lit(" by "), "seed_artist").fill_null(""))
_DAYPART = pl.col("shelf_title").str.extract("^Your (.*) mix$")
_ONE_TITLE = pl.col("shelf_title") == "Because you listened to " + pl.col("seed_title")
SHELF_CLAIMS: tuple[ShelfClaim, ...] = (
    ShelfClaim(
        "jump_back_in",
        "Jump back in",
        (pl.col("listened") > 0) & _RECENT,
        format="grid",
        reason=pl.format("You played {} not long ago", _TRACK),
    ),
    ShelfClaim(
        "on_repeat",
        "On repeat",
        (pl.col("listened") >= 5) & _RECENT,
        max_artist_tracks=0,
        max_album_tracks=0,
        reason=pl.format("You keep coming back to {}", _TRACK),
    ),
    ShelfClaim(
        "recent_discoveries",
        "Recent discoveries",
        (pl.col("listened") >= 2) & (pl.col("first_days") <= 30 + _TOLERANCE_DAYS),
        reason=pl.format("You found {} lately, and came back to it", _TRACK),
    ),
    ShelfClaim(
        "made_for_you",
        "Made for you",
        _NEVER_PLAYED,
        max_artist_tracks=2,
        reason=pl.format("Picked for what you listen to, starting with {}", _TRACK),
    ),
    ShelfClaim(
        "genre_mix",
        "",
        pl.col("shelf_title") == "Your " + pl.col("genre_name") + " mix",
        max_shelves=3,
        reason=pl.format("You listen to a lot of {}", "genre_name"),
    ),
    ShelfClaim(
        "daypart_mix",
        "",
        pl.col("shelf_title").is_in([f"Your {part} mix" for part in DAYPARTS]),
        reason=pl.format("What you play more in the {} than at other times, and more like it", _DAYPART),
    ),
    ShelfClaim(
        "because_you_listened",
        "",
        _NEVER_PLAYED & _ONE_TITLE & (pl.col("seed_listened") > 0),
        max_shelves=3,
        reason=pl.format("Often heard together with {}", _SEED),
    ),
    ShelfClaim(
        "more_by_artists",
        "More by artists you love",
        _NEVER_PLAYED & (pl.col("listened_artist") >= 3),
        reason=pl.format("You have played {} often, but not this", "artist_name"),
    ),
    ShelfClaim(
        "new_releases",
        "New releases for you",
        _NEVER_PLAYED & _NEW,
        max_artist_tracks=2,
        reason=pl.format("{} is new, and close to what you play", _TRACK),
    ),
    ShelfClaim(
        "deep_cuts",
        "Deep cuts",
        _NEVER_PLAYED & pl.col("is_rare"),
        max_artist_tracks=2,
        reason=pl.format("Few know {}; it is close to what you play", _TRACK),
    ),
    ShelfClaim(
        "rediscover",
        "Rediscover",
        (pl.col("listened") >= 2) & (pl.col("last_days") > 30 - _TOLERANCE_DAYS),
        reason=pl.format("You have not played {} for a while", _TRACK),
    ),
    ShelfClaim(
        "weekly_discovery",
        "Your weekly discoveries",
        _NEVER_PLAYED | (pl.col("first_days") <= pl.col("week_days") + 1),
        min_tracks=15,
        max_tracks=30,
        max_artist_tracks=1,
        is_carried_over=True,
        format="large",
        reason=pl.format("New to you this week, starting with {}", _TRACK),
    ),
    ShelfClaim(
        "popular_now",
        "Popular now",
        pl.lit(True),
        is_personal=False,
        reason=pl.format("Everyone is playing {}", _TRACK),
    ),
    ShelfClaim(
        "popular_in_genre",
        "",
        (pl.col("shelf_title") == "Popular in " + pl.col("genre_name")) & (pl.col("all_plays") < 20),
        max_shelves=4,
        is_personal=False,
        reason=pl.format("What others play in {} now", "genre_name"),
    ),
    ShelfClaim(
        "fresh",
        "Fresh this month",
        _NEW,
        is_personal=False,
        reason=pl.format("{} has just come out", _TRACK),
    ),
    *plugin_entries("SHELF_CLAIMS"),
)


def check_shelf_claims(cards: pl.DataFrame) -> Finding:
    """Check that every card is what its shelf says, title and all."""
    holds = [
        pl.when(pl.col("shelf_id") == claim.shelf_id).then(
            claim.holds & (pl.col("shelf_title") == claim.title if claim.title else pl.lit(True))
        )
        for claim in SHELF_CLAIMS
    ]
    claim_holds = pl.coalesce(holds).fill_null(False)
    return find_wrong("what a shelf says is true of its tracks", cards, ~claim_holds, "shelf_id")


def check_shelf_reasons(cards: pl.DataFrame) -> Finding:
    """Check that the sentence below the title of a shelf is that of its kind, about its first track."""
    first = cards.filter(pl.col("position") == 0)
    expected = pl.coalesce(pl.when(pl.col("shelf_id") == one.shelf_id).then(one.reason) for one in SHELF_CLAIMS)
    claim = "the sentence below a title is that of the shelf"
    return find_wrong(claim, first, expected != pl.col("shelf_reason"), "shelf_reason")


def check_shelf_formats(cards: pl.DataFrame) -> Finding:
    """Check that a shelf has the format of its kind."""
    expected = {claim.shelf_id: claim.format for claim in SHELF_CLAIMS}
    format_of = pl.col("shelf_id").replace_strict(expected, default=None, return_dtype=pl.String)
    return find_wrong("a shelf has the format of its kind", cards, format_of != pl.col("shelf_format"), "shelf_id")


def check_shelf_limits(cards: pl.DataFrame, shelf_size: int) -> Iterator[Finding]:
    """Check ids and sizes of shelves, how many there are of each, and their tracks by one artist or of one album."""
    limits = _limits(shelf_size)
    shelves = _shelves(cards).join(limits, on="shelf_id", how="left", maintain_order="left")
    yield find_wrong("shelves are known", shelves, pl.col("min_tracks").is_null(), "shelf_id")
    is_only = (pl.len().over(_PAGE) == 1) & ~pl.col("is_personal")
    is_short = (pl.col("n") < pl.min_horizontal("min_tracks", "max_tracks")) & ~is_only
    yield find_wrong(
        "shelves hold to their sizes", shelves, is_short | (pl.col("n") > pl.col("max_tracks")), "shelf_id"
    )
    count = pl.len().over(*_PAGE, "shelf_id")
    yield find_wrong("as many shelves of a kind as there may be", shelves, count > pl.col("max_shelves"), "shelf_id")
    title = pl.col("shelf_title").str.to_lowercase().str.strip_chars()
    is_twice = pl.struct(*_PAGE, title).is_duplicated()
    yield find_wrong("no title twice on a page, in whatever case", shelves, is_twice, "shelf_title")
    for maker, cap in (("artist_id", "max_artist_tracks"), ("album", "max_album_tracks")):
        counts = cards.drop_nulls(maker).group_by(*_SHELF, maker).agg(pl.col("shelf_id").first(), n=pl.len())
        held = counts.join(limits, on="shelf_id")
        yield find_wrong(f"{cap} of a shelf", held, pl.col("n") > pl.col(cap), "shelf_id")


def check_shelf_scores(cards: pl.DataFrame, shelf_size: int) -> Finding:
    """Check that a shelf's score is the sum of its first `shelf_size` tracks' scores, discounted by log2(rank + 2)."""
    discounted = pl.col("score").cast(pl.Float64) / (pl.col("position") + 2).log(2)
    counted = cards.group_by(*_SHELF, maintain_order=True).agg(
        pl.col("shelf_id", "shelf_score").first(), value=discounted.filter(pl.col("position") < shelf_size).sum()
    )
    is_off = (pl.col("value") - pl.col("shelf_score")).abs() > 1e-4 * (1 + pl.col("value"))
    return find_wrong("a shelf's score is that of its tracks, discounted", counted, is_off, "shelf_id")


def check_shelf_order(cards: pl.DataFrame) -> Finding:
    """Check that shelves that are not personal stand last."""
    is_personal = {claim.shelf_id: claim.is_personal for claim in SHELF_CLAIMS}
    kind = pl.col("shelf_id").replace_strict(is_personal, default=None, return_dtype=pl.Boolean)
    shelves = _shelves(cards).with_columns(is_personal=kind)
    is_late = pl.col("is_personal") & (~pl.col("is_personal")).cum_max().over(_PAGE)
    return find_wrong("what says nothing of the user stands last", shelves, is_late, "shelf_id")


def _shelves(cards: pl.DataFrame) -> pl.DataFrame:
    """Return one row per shelf, with its number of tracks."""
    return cards.group_by(*_SHELF, maintain_order=True).agg(pl.col("shelf_id", "shelf_title").first(), n=pl.len())


def _limits(shelf_size: int) -> pl.DataFrame:
    """Return the limits of each shelf as columns."""
    names = (
        "shelf_id",
        "max_shelves",
        "min_tracks",
        "max_tracks",
        "max_artist_tracks",
        "max_album_tracks",
        "is_personal",
    )
    rows = [{name: getattr(claim, name) for name in names} for claim in SHELF_CLAIMS]
    any_number = pl.col("max_artist_tracks", "max_album_tracks").replace(0, _NO_LIMIT)
    return pl.DataFrame(rows).with_columns(any_number, pl.col("max_tracks").replace(0, shelf_size))
