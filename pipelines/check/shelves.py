"""What every shelf and every card claims, in words of what users really played; nothing of this is the assembler's."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from pipelines.check.facts import Truth, days_into_week
from transforms.events.ages import whole_days_since
from transforms.events.dayparts import DAYPARTS

# Days are floats of 32 bits on the other side.
_TOLERANCE_DAYS = 2e-3
_NEVER_PLAYED = pl.col("played") == 0
_RECENT = pl.col("last_days") <= 30 + _TOLERANCE_DAYS
_NEW = pl.col("release_days") <= 28


@dataclass(frozen=True)
class ShelfClaim:
    """What must be true of each of a shelf's cards, and how many there may be.

    title: a template of the columns title, genre, daypart; {title} is that of the track that led to the cards.
    least, most: tracks; most 0: --shelf_size. by_artist, by_album: tracks by one of these; 0: any number.
    """

    title: str
    holds: pl.Expr
    most_shelves: int = 1
    least: int = 4
    most: int = 0
    by_artist: int = 3
    by_album: int = 2
    is_personal: bool = True


_ONE_TITLE = pl.col("shelf_title") == "Because you listened to " + pl.col("seed_title")
SHELF_CLAIMS = {
    "jump_back_in": ShelfClaim("Jump back in", (pl.col("listened") > 0) & _RECENT),
    "on_repeat": ShelfClaim("On repeat", (pl.col("listened") >= 5) & _RECENT, by_artist=0, by_album=0),
    "recent_discoveries": ShelfClaim(
        "Recent discoveries", (pl.col("listened") >= 2) & (pl.col("first_days") <= 30 + _TOLERANCE_DAYS)
    ),
    "made_for_you": ShelfClaim("Made for you", _NEVER_PLAYED, by_artist=2),
    "genre_mix": ShelfClaim("", pl.col("shelf_title") == "Your " + pl.col("genre_name") + " mix", most_shelves=3),
    "daypart_mix": ShelfClaim("", pl.col("shelf_title").is_in([f"Your {part} mix" for part in DAYPARTS])),
    "because_you_listened": ShelfClaim("", _NEVER_PLAYED & _ONE_TITLE & (pl.col("seed_listened") > 0), most_shelves=3),
    "more_by_artists": ShelfClaim("More by artists you love", _NEVER_PLAYED & (pl.col("listened_artist") >= 3)),
    "new_releases": ShelfClaim("New releases for you", _NEVER_PLAYED & _NEW, by_artist=2),
    "deep_cuts": ShelfClaim("Deep cuts", _NEVER_PLAYED & pl.col("is_rare"), by_artist=2),
    "rediscover": ShelfClaim("Rediscover", (pl.col("listened") >= 2) & (pl.col("last_days") > 30 - _TOLERANCE_DAYS)),
    "weekly_discovery": ShelfClaim(
        "Your weekly discoveries",
        _NEVER_PLAYED | (pl.col("first_days") <= pl.col("week_days") + 1),
        least=15,
        most=30,
        by_artist=1,
    ),
    "popular_now": ShelfClaim("Popular now", pl.lit(True), is_personal=False),
    "fresh": ShelfClaim("Fresh this month", _NEW, is_personal=False),
}
# What a card may say that names nothing.
_PLAIN_REASONS = (
    "Often heard together with what you play",
    "Often heard near what you play",
    "Close to what you have been playing",
    "Heard by those who play what you play",
    "Few know it; it is close to what you play",
    "Just out, close to what you play",
    "You are among the first to hear it",
    "Many play it where you are",
    "Many play it now",
)


def cards_with_truth(cards: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Cards with what is true of them: listened, played, first_days, last_days, release_days, because_*, and names."""
    ordered = truth.tracks.sort("n_plays", descending=True).with_row_index("place").sort("place")
    below = ordered.with_columns(above=pl.col("n_plays").cum_sum() - pl.col("n_plays"))
    names = below.select(
        "track_id",
        "title",
        "artist_id",
        "artist_name",
        "album",
        "genre_name",
        "explicit",
        "markets",
        release_days=whole_days_since("release_date", truth.as_of.date()).clip(lower_bound=0),
        # ties at the edge may fall either way
        is_rare=pl.col("above").max().over("n_plays") >= 0.8 * pl.col("n_plays").sum(),
    )
    led = names.select(
        seed_track_id="track_id", seed_title="title", seed_artist="artist_name", seed_artist_id="artist_id"
    )
    heard = truth.plays.select("user_id", seed_track_id="track_id", seed_listened="listened")
    week = days_into_week(truth.as_of) / timedelta(days=1)
    return (
        cards.join(names, on="track_id", how="left", maintain_order="left")
        .join(truth.plays, on=["user_id", "track_id"], how="left", maintain_order="left")
        .join(truth.artists, on=["user_id", "artist_id"], how="left", maintain_order="left")
        .join(led, on="seed_track_id", how="left", maintain_order="left")
        .join(heard, on=["user_id", "seed_track_id"], how="left", maintain_order="left")
        .join(truth.users, on="user_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("listened", "played", "listened_artist", "seed_listened").fill_null(0), week_days=pl.lit(week)
        )
    )


def shelf_claim_holds() -> pl.Expr:
    """Whether a card is what its shelf says, title and all."""
    told = [
        pl.when(pl.col("shelf_id") == name).then(
            claim.holds & (pl.col("shelf_title") == claim.title if claim.title else pl.lit(True))
        )
        for name, claim in SHELF_CLAIMS.items()
    ]
    return pl.coalesce(told).fill_null(False)


def card_reason_holds() -> pl.Expr:
    """Whether what a card says is true: of numbers, of names, and that what led to it was really listened to."""
    because = pl.concat_str("seed_title", pl.concat_str(pl.lit(" by "), "seed_artist").fill_null(""))
    said, artist, days = pl.col("reason"), pl.col("artist_name"), pl.col("last_days").floor().cast(pl.Int64)
    times = pl.when(pl.col("listened") == 1).then(pl.lit("once")).otherwise(pl.format("{} times", "listened"))
    ago = [pl.format("{} days ago", days + step) for step in (-1, 0, 1)] + [pl.lit("within a day"), pl.lit("a day ago")]
    is_heard = pl.col("listened") > 0
    own = pl.col("seed_artist_id") == pl.col("artist_id")
    true = [
        said.is_in(_PLAIN_REASONS),
        pl.any_horizontal(said == pl.format("Played {}, last {}", times, one) for one in ago)
        & (pl.col("listened") > 0),
        (said == "One of yours, often heard near " + because) & is_heard,
        said == "Often heard together with " + because,
        (said == "Often heard near " + because) & ~is_heard,
        (said == pl.format("By {}, as is {}, which you play", artist, "seed_title")) & own,
        said == pl.format("{} is heard by those who play {}", artist, "seed_artist"),
        (said == "New from " + artist) & own,
    ]
    is_true = pl.any_horizontal(one.fill_null(False) for one in true)
    return is_true & (pl.col("seed_track_id").is_null() | (pl.col("seed_listened") > 0))
