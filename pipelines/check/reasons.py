"""REASON_CLAIMS: what the reason of a card may say, and when it is true of what users really played.

A source declares its reasons (transforms/candidates/source.py), and here stands, apart from it by design, what makes
them true. Nothing here is taken from there.
"""

import polars as pl

from pipelines.check.finding import Finding, find_wrong
from transforms.plugins import plugin_entries

# Reasons that name nothing of the user's: the source that may give each, and what must be absent for it, because a
# reason that says more would stand there.
_GENERAL_REASONS = (
    ("Often heard together with what you play", "co_listened", pl.col("seed_title").is_not_null()),
    ("Often heard near what you play", "co_listened_repeats", pl.col("seed_title").is_not_null()),
    ("Close to what you have been playing", "two_tower", pl.lit(False)),
    ("Heard by those who play what you play", "artists", pl.col("seed_artist").is_not_null()),
    ("Few know it; it is close to what you play", "deep_cuts", pl.lit(False)),
    ("Just out, close to what you play", "new_releases", pl.col("seed_artist_id") == pl.col("artist_id")),
    ("You are among the first to hear it", "new_tracks", pl.lit(False)),
    ("Many play it where you are", "market", pl.col("market").is_null()),
    ("Many play it now", "popular", pl.lit(False)),
)
_REASON, _ARTIST, _SOURCE = pl.col("reason"), pl.col("artist_name"), pl.col("source").cast(pl.String)
_SEED = pl.concat_str("seed_title", pl.concat_str(pl.lit(" by "), "seed_artist").fill_null(""))
_IS_LISTENED = pl.col("listened") > 0
_IS_BY_SEED_ARTIST = pl.col("seed_artist_id") == pl.col("artist_id")


def _is_play_count() -> pl.Expr:
    """Return whether the reason tells number and age of the plays; ages of 32-bit floats may be a day off."""
    days = pl.col("last_days").floor().cast(pl.Int64)
    times = pl.when(pl.col("listened") == 1).then(pl.lit("once")).otherwise(pl.format("{} times", "listened"))
    ago = [pl.format("{} days ago", days + step) for step in (-1, 0, 1)] + [pl.lit("within a day"), pl.lit("a day ago")]
    return pl.any_horizontal(_REASON == pl.format("Played {}, last {}", times, one) for one in ago)


# Each over cards with truth (see cards.py), bool: the reason is this one, and it is true.
REASON_CLAIMS: tuple[pl.Expr, ...] = (
    *(
        (_REASON == text) & (_SOURCE == source) & ~has_more.fill_null(False)
        for text, source, has_more in _GENERAL_REASONS
    ),
    _is_play_count() & _IS_LISTENED & _SOURCE.is_in(["repeats", "co_listened_repeats"]),
    (_REASON == "One of yours, often heard near " + _SEED) & _IS_LISTENED & (_SOURCE == "co_listened_repeats"),
    (_REASON == "Often heard together with " + _SEED) & (_SOURCE == "co_listened"),
    (_REASON == "Often heard near " + _SEED) & ~_IS_LISTENED & (_SOURCE == "co_listened_repeats"),
    (_REASON == pl.format("By {}, as is {}, which you play", _ARTIST, "seed_title"))
    & _IS_BY_SEED_ARTIST
    & (_SOURCE == "artists"),
    (_REASON == pl.format("{} is heard by those who play {}", _ARTIST, "seed_artist")) & (_SOURCE == "artists"),
    (_REASON == "New from " + _ARTIST) & _IS_BY_SEED_ARTIST & (_SOURCE == "new_releases"),
    *plugin_entries("REASON_CLAIMS"),
)


def check_card_reasons(cards: pl.DataFrame) -> Finding:
    """Check that the reason of a card is true, and that the user has listened to its seed track."""
    is_true = pl.any_horizontal(claim.fill_null(False) for claim in REASON_CLAIMS)
    is_seed_listened = pl.col("seed_track_id").is_null() | (pl.col("seed_listened") > 0)
    wrong = ~(is_true & is_seed_listened)
    return find_wrong("the reason of a card is true, and its seed track was listened to", cards, wrong, "reason")
