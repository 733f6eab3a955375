"""Small worlds of candidates, made by hand or drawn, and what pages are composed with."""

from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from models.towers.user_tower import UserTower
from transforms.catalog.catalog import Catalog
from transforms.embeddings.embeddings import Embeddings
from transforms.features.feature_tables import SCORED
from transforms.features.features import FEATURES
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.rule import Audience, Rule
from transforms.pages.rules.rule_kinds import Cap, Pin, Quota, Spacing
from transforms.pages.shelves.shelf import GENRE, SEED_TRACK, InstanceKind, Shelf
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import CATALOG, MARKET_COUNTS, PAGES, RECENT_LENGTH

NUM_TRACKS = 24
Row = dict[str, Any]
MISSING = {one.name: one.missing for one in FEATURES}
POLICY = Policy(("home",), 4, 5, 0.0, 0.0, 0.0, 1, as_of=datetime(2026, 1, 1, tzinfo=timezone.utc))
# halves and ones: their products are exact in any order of addition
VECTORS = np.random.default_rng(3).choice([-0.5, 0.0, 0.5, 1.0], (NUM_TRACKS, 3)).astype(np.float32)
EMBEDDINGS = Embeddings(VECTORS, UserTower(VECTORS, {}), "", None)


def make_catalog(**columns: list[Any]) -> Catalog:
    """Artists 1..6 (every seventh track has none), two albums each, genres 0..2; odd tracks are rarely played."""
    rows = [
        {
            "track_id": f"t{code:02d}",
            "title": f"Song {code}",
            "artist": code % 7 or None,
            "artist_id": f"a{code % 7}" if code % 7 else None,
            "artist_name": f"Band {code % 7}" if code % 7 else None,
            "album": code % 14 if code % 7 else None,
            "genre": code % 3,
            "genre_name": ("folk", "jazz", "rock")[code % 3],
            "release_date": date(2026, 1, 1),
            "explicit": code % 5 == 0,
            "n_plays": 1 if code % 2 else 500,
            **{name: values[code] for name, values in columns.items()},
        }
        for code in range(NUM_TRACKS)
    ]
    none = np.zeros((NUM_TRACKS, 0), dtype=np.int32)
    return Catalog(CATALOG.frame(rows), none, none.astype(np.float32), MARKET_COUNTS.frame())


CATALOG_OF_TRACKS = make_catalog()
# Kinds of candidates that between them fall into every shelf.
KINDS: tuple[Row, ...] = (
    {"source": "repeats", "plays_of_track": 2, "days_since_played": 3, "days_since_first_played": 9},
    {"source": "repeats", "plays_of_track": 7, "days_since_played": 9, "activation": 1, "daypart": 2},
    {"source": "repeats", "plays_of_track": 3, "days_since_played": 90},
    {"source": "co_listened", "seed_track": 5, "two_tower_similarity": 0.5},
    {"source": "co_listened", "seed_track": 2, "daypart": 0},
    {"source": "artists", "plays_of_artist": 4, "share_of_genre": 0.5},
    {"source": "new_releases", "days_since_release": 4, "share_of_genre": 0.5},
    {"source": "popular", "track_popularity": 2},
    {"source": "popular", "track_popularity": 3, "skips_of_track": 1},
)


def scored(*rows: Row) -> pl.DataFrame:
    """SCORED of these candidates; unnamed columns say that the user never played the track."""
    complete = [
        {
            **MISSING,
            "user_id": "u",
            "artist": row["track"] % 7 or None,
            "genre": row["track"] % 3,
            "source": "popular",
            "recent": [-1] * RECENT_LENGTH,
            "score": 0.1,
            **row,
        }
        for row in rows
    ]
    return to_frame(to_table(SCORED.frame(complete), SCORED))


def shelf(name: str = "x", **fields: Any) -> Shelf:
    """A shelf of everything, by score."""
    given = {"where": pl.lit(True), "order": pl.col("score"), "min_tracks": 1, "max_artist_tracks": 0, **fields}
    return Shelf(name, f"{name} {{title}}", name, sentence=name, **{"max_album_tracks": 0, **given})


@st.composite
def candidate_rows(draw: st.DrawFn) -> list[Row]:
    """At most three users; scores and popularities that are often equal."""
    one = st.tuples(
        st.sampled_from("abc"),
        st.integers(0, NUM_TRACKS - 1),
        st.sampled_from(KINDS),
        st.sampled_from([0.0, 0.1, 0.1, 0.2, 0.7]),
    )
    drawn = draw(st.lists(one, min_size=draw(st.sampled_from([1, 25])), max_size=60, unique_by=lambda row: row[:2]))
    plays = {user: draw(st.sampled_from([0.0, 1.0, 60.0])) for user in "abc"}
    new = {"user_distinct_track_ratio": draw(st.sampled_from([0.2, 0.5, 1.0]))}
    return [
        {
            **kind,
            "user_id": user,
            "track": track,
            "score": score,
            "user_plays": plays[user],
            **new,
        }
        for user, track, kind, score in drawn
    ]


@st.composite
def any_shelves(draw: st.DrawFn) -> tuple[Shelf, ...]:
    """Entries of every shape; at most one is reserved."""
    popularity = pl.col("track_popularity")
    one = st.builds(
        shelf,
        st.uuids().map(str),
        where=st.sampled_from([pl.lit(True), pl.col("plays_of_track") > 0, pl.col("score") > 0]),
        order=st.sampled_from([pl.col("score"), popularity, -popularity, pl.col("track") % 2]),
        instance=st.sampled_from([None, SEED_TRACK, GENRE, InstanceKind("artist")]),
        max_instances=st.integers(1, 3),
        min_tracks=st.integers(1, 3),
        max_tracks=st.sampled_from([0, 0, 6]),
        max_artist_tracks=st.integers(0, 2),
        max_album_tracks=st.integers(0, 1),
        min_history=st.sampled_from([0, 0, 2]),
        is_personal=st.booleans(),
        idea=st.sampled_from(["", "one", "other"]),
        leads=st.booleans(),
    )
    drawn = draw(st.lists(one, min_size=1, max_size=4))
    reserved = draw(st.integers(0, 8))
    return tuple(replace(one, is_reserved=number == reserved) for number, one in enumerate(drawn))


@st.composite
def any_rules(draw: st.DrawFn, names: list[str]) -> tuple[Rule, ...]:
    """Rules of every kind that composition itself must meet, for everyone or for those who play."""
    some = st.sampled_from(names)
    kinds = st.one_of(
        st.builds(Pin, some, st.integers(0, 3)),
        st.builds(Cap, st.integers(1, 3)),
        st.builds(Quota, st.integers(1, 6), st.integers(1, 3)),
        st.builds(Spacing, some, st.integers(2, 3)),
    )
    drawn = draw(st.lists(st.tuples(kinds, st.sampled_from([0, 0, 1])), max_size=3))
    return tuple(
        Rule(f"rule {number}", number, Audience(min_plays=plays), kind) for number, (kind, plays) in enumerate(drawn)
    )


@st.composite
def any_policy(draw: st.DrawFn) -> Policy:
    """Small pages, with and without what bends the order."""
    return replace(
        POLICY,
        shelf_size=draw(st.integers(1, 5)),
        max_shelves=draw(st.integers(1, 5)),
        diversity=draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
        calibration=draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
        artist_saturation=draw(st.sampled_from([0.0, 0.0, 0.5])),
        genre_saturation=draw(st.sampled_from([0.0, 0.0, 0.25])),
        idea_saturation=draw(st.sampled_from([0.0, 0.0, 1.0])),
        interleaving=draw(st.sampled_from([0.0, 0.0, 0.5])),
        first_screen_artist_tracks=draw(st.sampled_from([0, 0, 1, 2])),
        habit_share=draw(st.sampled_from([0.0, 0.0, 0.5])),
    )


SOME = [
    {"user_id": user, "track": track, "score": 0.9 - track / 100, **KINDS[(track + len(user)) % len(KINDS)]}
    for user in ("a", "bb", "ccc")
    for track in range(NUM_TRACKS)
]


def assembled(
    candidates: pl.DataFrame,
    policy: Policy = POLICY,
    rules: tuple[Rule, ...] = (),
    catalog: Catalog = CATALOG_OF_TRACKS,
) -> pl.DataFrame:
    return assemble_pages(candidates, catalog=catalog, embeddings=EMBEDDINGS, policy=policy, rules=rules)


def pages_of(*given: Any, **named: Any) -> list[Row]:
    return list(to_table(assembled(*given, **named), PAGES).to_pylist())


def tracks_on(page: Row) -> list[str]:
    return [track["track_id"] for shelf in page["shelves"] for track in shelf["tracks"]]
