"""Join published cards with the truth, and check that they are candidates that the user's market allows."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.check.facts import Truth, days_into_week, one_id_each
from pipelines.check.finding import Finding, find_wrong
from pipelines.inputs.published import PublishedRun
from transforms.events.ages import whole_days_since
from transforms.events.dayparts import DAYPARTS

# Scores are floats of 32 bits; the probabilities beside them are rounded to 3 significant digits.
_SCORE_TOLERANCE, _ROUNDING = 1e-4, 0.005


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
        "release_date",
        release_days=whole_days_since("release_date", truth.as_of.date()).clip(lower_bound=0),
        # ties at the edge may fall either way
        is_rare=pl.col("above").max().over("n_plays") >= 0.8 * pl.col("n_plays").sum(),
    )
    led = names.select(
        seed_track_id="track_id", seed_title="title", seed_artist="artist_name", seed_artist_id="artist_id"
    )
    seeds = truth.plays.select("user_id", seed_track_id="track_id", seed_listened="listened")
    week = days_into_week(truth.as_of) / timedelta(days=1)
    plays = truth.plays.rename({"track_id": "recording"})
    return (
        cards.join(names, on="track_id", how="left", maintain_order="left")
        .with_columns(recording=one_id_each(cards.select("track_id"), truth.tracks)["track_id"])
        .join(plays, on=["user_id", "recording"], how="left", maintain_order="left")
        .join(truth.artists, on=["user_id", "artist_id"], how="left", maintain_order="left")
        .join(led, on="seed_track_id", how="left", maintain_order="left")
        .join(seeds, on=["user_id", "seed_track_id"], how="left", maintain_order="left")
        .join(truth.users, on="user_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("listened", "played", "listened_artist", "seed_listened").fill_null(0), week_days=pl.lit(week)
        )
    )


def check_candidates(cards: pl.DataFrame, run: PublishedRun) -> Finding:
    """Check that cards are candidates of the run."""
    columns = ("user_id", "track_id", "score", "source", "seed_track_id")
    candidates = run.table("candidates").select(columns).collect()
    shown = cards.with_columns(shown="track_id", track_id="recording")
    unmatched = shown.join(candidates, on=list(columns), how="anti", nulls_equal=True)
    claim = "cards are candidates, with their score, source and cause"
    return Finding(claim, len(cards), unmatched.select("user_id", what="shown"))


def check_markets(cards: pl.DataFrame) -> Finding:
    """Check that tracks may be played in the user's market; where that is unknown, in any market."""
    market, markets = pl.col("market"), pl.col("markets")
    is_away = pl.when(market.is_null()).then(markets.list.len() == 0).otherwise(~markets.list.contains(market))
    return find_wrong("tracks may be played in the user's market", cards, is_away, "track_id")


def check_released(cards: pl.DataFrame, as_of: datetime) -> Finding:
    """Check that tracks were released by the day of the run."""
    return find_wrong("tracks are released", cards, pl.col("release_date") > as_of.date(), "track_id")


def check_scores(run: PublishedRun) -> Finding:
    """Check that the score of every candidate is the sum of its predicted rewards by their weights, not below 0."""
    entries: Any = run.manifest.rewards.get("rewards", [])
    weights = {f"p_{entry['name']}": float(entry["weight"]) for entry in entries}
    candidates = run.table("candidates").select("user_id", "track_id", "score", *weights).collect()
    terms = [pl.col(name).cast(pl.Float64).fill_nan(0).fill_null(0) * weight for name, weight in weights.items()]
    expected = pl.max_horizontal(pl.sum_horizontal(terms), pl.lit(0.0)) if terms else pl.col("score")
    tolerance = _SCORE_TOLERANCE + _ROUNDING * pl.sum_horizontal(term.abs() for term in terms)
    is_off = pl.col("score").is_null() | ((pl.col("score") - expected).abs() > tolerance)
    return find_wrong("a score is the sum of the rewards by their weights", candidates, is_off, "track_id")


def check_dayparts(cards: pl.DataFrame, run: PublishedRun) -> Finding:
    """Check that tracks of a daypart's shelf are candidates of that daypart, and that no two shelves are of one."""
    mixes = cards.filter(pl.col("shelf_id") == "daypart_mix")
    known = run.table("candidates").select("user_id", "track_id", "daypart").collect()
    titles = pl.col("daypart").replace_strict(
        {number: f"Your {part} mix" for number, part in enumerate(DAYPARTS)}, default=None, return_dtype=pl.String
    )
    joined = mixes.join(known, on=["user_id", "track_id"], how="left", maintain_order="left")
    is_wrong = titles.ne_missing(pl.col("shelf_title"))
    return find_wrong("tracks of a daypart's shelf are of that daypart", joined, is_wrong, "shelf_title")
