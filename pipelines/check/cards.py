"""Check that what cards say is true: reasons, candidates, markets."""

from datetime import timedelta

import polars as pl

from pipelines.check.facts import Truth, days_into_week
from pipelines.check.finding import Finding, find_wrong
from pipelines.inputs.published import PublishedRun
from transforms.events.ages import whole_days_since

# Reasons that name nothing.
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
    """Cards with what is true of them: listened, played, first_days, last_days, release_days, seed_*, and names."""
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


def check_card_reasons(cards: pl.DataFrame) -> Finding:
    """Check that what a card says is true, and that the track that led to it was really listened to."""
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
    is_led = pl.col("seed_track_id").is_null() | (pl.col("seed_listened") > 0)
    return find_wrong("what a card says is true, and what led to it was heard", cards, ~(is_true & is_led), "reason")


def check_candidates(cards: pl.DataFrame, run: PublishedRun) -> Finding:
    """Check that cards are candidates of the run."""
    columns = ("user_id", "track_id", "score", "source", "seed_track_id")
    candidates = run.table("candidates").select(columns).collect()
    unmatched = cards.join(candidates, on=list(columns), how="anti", nulls_equal=True)
    claim = "cards are candidates, with their score, source and cause"
    return Finding(claim, len(cards), unmatched.select("user_id", what="track_id"))


def check_markets(cards: pl.DataFrame) -> Finding:
    """Check that tracks may be played in the user's market."""
    is_away = ~pl.col("markets").list.contains(pl.col("market"))
    return find_wrong("tracks may be played in the user's market", cards, is_away, "track_id")
