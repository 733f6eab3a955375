"""REASONS: the sentence on each card, by the source that proposed its track, and what caused it."""

import polars as pl

from transforms.catalog.catalog import Catalog


def _said(template: str) -> pl.Expr:
    """A template over `artist` of the card, `seed*` (title, artist or both of what led to it), `plays`, `ago`.

    Null where it names something that is not known; then the next sentence holds.
    """
    pieces = [
        pl.col(piece) if number % 2 else pl.lit(piece)
        for number, piece in enumerate(template.replace("}", "{").split("{"))
    ]
    return pl.concat_str(pieces)


IS_LISTENED = pl.col("plays_of_track") > 0
IS_OWN_ARTIST = (pl.col("artist") == pl.col("seed_artist")).fill_null(False)
# For each source the sentences that could be said, the most telling first; the last can always be said.
REASONS: dict[str, tuple[pl.Expr, ...]] = {
    "repeats": (_said("Played {plays}, last {ago}"),),
    # of these some were only skipped
    "co_listened_repeats": (
        pl.when(IS_LISTENED).then(_said("One of yours, often heard near {seed}")),
        pl.when(IS_LISTENED).then(_said("Played {plays}, last {ago}")),
        _said("Often heard near {seed}"),
        _said("Often heard near what you play"),
    ),
    "co_listened": (_said("Often heard together with {seed}"), _said("Often heard together with what you play")),
    "two_tower": (_said("Close to what you have been playing"),),
    "artists": (
        pl.when(IS_OWN_ARTIST).then(_said("By {artist}, as is {seed_title}, which you play")),
        _said("{artist} is heard by those who play {seed_artist}"),
        _said("Heard by those who play what you play"),
    ),
    "deep_cuts": (_said("Few know it; it is close to what you play"),),
    "new_releases": (
        pl.when(IS_OWN_ARTIST).then(_said("New from {artist}")),
        _said("Just out, close to what you play"),
    ),
    "new_tracks": (_said("You are among the first to hear it"),),
    "market": (_said("Many play it where you are"),),
    "popular": (_said("Many play it now"),),
}


def render_reasons(cards: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """Say of each card why it is there: cards have track, seed_track, source, plays_of_track, days_since_played."""
    name = pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null(""))
    led = catalog.tracks.select(seed_title="title", seed_artist="artist_name", seed=name)
    artist = catalog.tracks["artist_name"].gather(cards["track"])
    facts = cards.lazy().select(
        "source", "plays_of_track", plays=_times(pl.col("plays_of_track")), ago=_ago(pl.col("days_since_played"))
    )
    named = facts.with_columns(artist.alias("artist"), *led.select(pl.all().gather(cards["seed_track"])))
    # source by source: a sentence is made for those only whom it is for
    said = [
        named.with_row_index("card").filter(pl.col("source") == name).select("card", reason=pl.coalesce(sentences))
        for name, sentences in REASONS.items()
    ]
    return pl.concat(pl.collect_all(said)).sort("card")["reason"]


def _times(plays: pl.Expr) -> pl.Expr:
    return pl.when(plays == 1).then(pl.lit("once")).otherwise(pl.format("{} times", plays.cast(pl.Int64)))


def _ago(days: pl.Expr) -> pl.Expr:
    whole = days.floor().cast(pl.Int64)
    spoken = pl.when(whole == 0).then(pl.lit("within a day")).when(whole == 1).then(pl.lit("a day ago"))
    return spoken.otherwise(pl.format("{} days ago", whole))
