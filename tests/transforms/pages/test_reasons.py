"""What each card says, for every source, and what it says where little is known."""

import numpy as np
import polars as pl
import pytest

from transforms.candidates.sources import SOURCES, Source
from transforms.catalog.catalog import Catalog
from transforms.pages.reasons import render_reasons
from transforms.tables.schemas import CATALOG, MARKET_COUNTS

NAMES = ("Aria", "Ballad", "Canon")


def catalog(*artists: str | None) -> Catalog:
    rows = [
        {"track_id": name, "title": name, "artist_name": artist} for name, artist in zip(NAMES, artists, strict=True)
    ]
    none = np.zeros((3, 0), dtype=np.int32)
    return Catalog(CATALOG.frame(rows), none, none.astype(np.float32), MARKET_COUNTS.frame())


def said(source: str, because: int | None, tracks: Catalog, plays: float = 3.0, days: float = 9.7) -> str:
    card = {"source": source, "track": 0, "seed_track": because, "plays_of_track": plays, "days_since_played": days}
    kinds = {"track": pl.Int32, "seed_track": pl.Int32}
    return render_reasons(pl.DataFrame([card], schema_overrides=kinds), tracks).item()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_has_a_sentence_whatever_is_known(source: Source) -> None:
    bare = catalog(None, None, None)
    assert said(source.name, None, bare) and said(source.name, 1, bare)


@pytest.mark.parametrize(
    ("source", "because", "sentence"),
    [
        ("repeats", 0, "Played 3 times, last 9 days ago"),
        ("co_listened_repeats", 1, "One of yours, often heard near Ballad by Ann"),
        ("co_listened_repeats", None, "Played 3 times, last 9 days ago"),
        ("co_listened", 2, "Often heard together with Canon by Ben"),
        ("artists", 1, "By Ann, as is Ballad, which you play"),
        ("artists", 2, "Ann is heard by those who play Ben"),
        ("new_releases", 1, "New from Ann"),
        ("new_releases", None, "Just out, close to what you play"),
    ],
)
def test_sentences_name_what_led_to_the_track(source: str, because: int | None, sentence: str) -> None:
    assert said(source, because, catalog("Ann", "Ann", "Ben")) == sentence


@pytest.mark.parametrize(
    ("plays", "days", "sentence"),
    [(1, 0.4, "Played once, last within a day"), (2, 1.9, "Played 2 times, last a day ago")],
)
def test_numbers_are_words_where_one_would_say_them(plays: float, days: float, sentence: str) -> None:
    assert said("repeats", 0, catalog("Ann", "Ann", "Ben"), plays, days) == sentence


def test_names_are_not_read_as_templates() -> None:
    assert said("co_listened", 1, catalog("x", "{artist}", "y")) == "Often heard together with Ballad by {artist}"
