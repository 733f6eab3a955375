"""Composition against a slow reference, and what must hold of every page."""

from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.assemble_pages import assemble_pages, compose
from transforms.catalogs import Catalog
from transforms.columns import to_frame, to_table
from transforms.features import FEATURES, SCORED
from transforms.schemas import CATALOG, MARKET_COUNTS, PAGES, RECENT_LENGTH
from transforms.shelf_instances import largest_first
from transforms.shelves import SHELVES, Shelf

NUM_TRACKS = 24
SHELF_OF = {shelf.id: shelf for shelf in SHELVES}
Row = dict[str, Any]
# (entry, value, tracks) of each shelf of a page
Page = list[tuple[int, float, list[int]]]


# ---- a small world --------------------------------------------------------------------------------------------------


def make_catalog() -> Catalog:
    """Artists 1..6 (every seventh track has none), genres 0..2."""
    rows = [
        {
            "track_id": f"t{code:02d}",
            "title": f"Song {code}",
            "artist": code % 7 or None,
            "artist_name": f"Band {code % 7}" if code % 7 else None,
            "genre": code % 3,
            "genre_name": ("folk", "jazz", "rock")[code % 3],
            "release_date": date(2026, 1, 1),
        }
        for code in range(NUM_TRACKS)
    ]
    none = np.zeros((NUM_TRACKS, 0), dtype=np.int32)
    return Catalog(CATALOG.frame(rows), none, none.astype(np.float32), MARKET_COUNTS.frame())


CATALOG_OF_TRACKS = make_catalog()
MISSING = {feature.name: feature.missing for feature in FEATURES}
# Kinds of candidates that between them fall into every shelf.
KINDS: tuple[Row, ...] = (
    {"source": "repeats", "plays_of_track": 2, "days_since_played": 3},
    {"source": "repeats", "plays_of_track": 7, "days_since_played": 9, "activation": 1},
    {"source": "repeats", "plays_of_track": 3, "days_since_played": 90},
    {"source": "co_listened", "because_track": 5},
    {"source": "co_listened", "because_track": 2},
    {"source": "artists", "plays_of_artist": 4, "share_of_genre": 0.5},
    {"source": "new_releases", "days_since_release": 4, "share_of_genre": 0.5},
    {"source": "popular", "track_popularity": 2},
    {"source": "popular", "track_popularity": 3, "skips_of_track": 1},
)


def scored(*rows: Row) -> pl.DataFrame:
    """SCORED of these candidates; unnamed columns say that the user never heard the track."""
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


def assembled(candidates: pl.DataFrame, shelf_size: int = 4, max_shelves: int = 5) -> pl.DataFrame:
    return assemble_pages(candidates, catalog=CATALOG_OF_TRACKS, shelf_size=shelf_size, max_shelves=max_shelves)


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
    known = draw(st.sets(st.sampled_from("abc")))
    return [
        {**kind, "user_id": user, "track": track, "score": score, "user_plays": float(user in known)}
        for user, track, kind, score in drawn
    ]


@st.composite
def any_shelves(draw: st.DrawFn) -> tuple[Shelf, ...]:
    """Entries of every shape."""
    popularity = pl.col("track_popularity")
    one = st.builds(
        Shelf,
        st.uuids().map(str),
        *[st.just("")] * 2,
        where=st.sampled_from([pl.lit(True), pl.col("plays_of_track") > 0, pl.col("score") > 0]),
        order=st.sampled_from([pl.col("score"), popularity, -popularity, pl.col("track") % 2]),
        sentence=st.just(""),
        instance=st.sampled_from([None, "because_track", "genre", "artist"]),
        max_instances=st.integers(1, 3),
        min_tracks=st.integers(1, 3),
        max_artist_tracks=st.integers(0, 2),
        is_personal=st.booleans(),
    )
    return tuple(draw(st.lists(one, min_size=1, max_size=4)))


# ---- the slow reference ---------------------------------------------------------------------------------------------


def reference(candidates: pl.DataFrame, shelves: tuple[Shelf, ...], shelf_size: int, max_shelves: int) -> list[Page]:
    """compose(), one user, one position, one shelf, one track after the other."""
    asked = {f"where_{entry}": shelf.where for entry, shelf in enumerate(shelves)}
    ordered = {f"order_{entry}": shelf.order for entry, shelf in enumerate(shelves)}
    rows = candidates.with_columns(**asked, **ordered).to_dicts()
    users = sorted({row["user_id"] for row in rows})
    return [
        page_of([row for row in rows if row["user_id"] == user], shelves, shelf_size, max_shelves) for user in users
    ]


def page_of(rows: list[Row], shelves: tuple[Shelf, ...], shelf_size: int, max_shelves: int) -> Page:
    page: Page = []
    used: set[int] = set()
    placed: list[tuple[int, int]] = []
    while len(page) < max_shelves:
        options = []
        for entry, shelf in enumerate(shelves):
            before = sum(entry == other for other, _ in placed)
            for code in codes_of(rows, entry, shelf):
                if before < shelf.max_instances and (entry, code) not in placed:
                    tracks, value = head(rows, entry, shelf, code, used, shelf_size)
                    options.append((shelf.is_personal, value / (1 + before), -entry, -code, value, tracks))
        fitting = [o for o in options if len(o[-1]) >= min(shelves[-o[2]].min_tracks, shelf_size)]
        if not page and not fitting:
            fitting = [o for o in options if o[-1] and not o[0]]
        if not fitting:
            return page
        _, _, entry, code, value, tracks = max(fitting)
        page.append((-entry, value, tracks))
        placed.append((-entry, -code))
        used.update(tracks)
    return page


def codes_of(rows: list[Row], entry: int, shelf: Shelf) -> list[int]:
    members = [row for row in rows if row[f"where_{entry}"]]
    return sorted({row[shelf.instance] if shelf.instance else 0 for row in members} - {None})


def head(
    rows: list[Row], entry: int, shelf: Shelf, code: int, used: set[int], shelf_size: int
) -> tuple[list[int], float]:
    tracks: list[int] = []
    artists: Counter[int | None] = Counter()
    value = 0.0
    for row in sorted(rows, key=lambda row: (-row[f"order_{entry}"], -row["score"], row["track"])):
        is_member = row[f"where_{entry}"] and (not shelf.instance or row[shelf.instance] == code)
        is_capped = shelf.max_artist_tracks and artists[row["artist"]] >= shelf.max_artist_tracks
        if is_member and row["track"] not in used and not is_capped and len(tracks) < shelf_size:
            value += row["score"] * (1 / np.log2(len(tracks) + 2))
            tracks.append(row["track"])
            artists[row["artist"]] += row["artist"] is not None
    return tracks, value


def composed(candidates: pl.DataFrame, shelves: tuple[Shelf, ...], shelf_size: int, max_shelves: int) -> list[Page]:
    """compose() in the form of the reference; its order of rows is held to on the way."""
    ordered = candidates.sort("user_id", "score", "track", descending=[False, True, False])
    shown = compose(ordered, shelves, shelf_size=shelf_size, max_shelves=max_shelves)
    assert shown.select("user", "position", "rank").equals(shown.select("user", "position", "rank").sort(pl.all()))
    pages: list[Page] = [[] for _ in range(candidates["user_id"].n_unique())]
    tracks = ordered["track"].to_list()
    for user, position, entry, value, rank, row in shown.rows():
        if rank == 0:
            assert position == len(pages[user])
            pages[user].append((entry, value, []))
        assert rank == len(pages[user][position][-1])
        pages[user][position][-1].append(tracks[row])
    return pages


@settings(max_examples=150, deadline=None)
@given(candidate_rows(), any_shelves(), st.integers(1, 5), st.integers(1, 5))
def test_composition_equals_the_reference(
    rows: list[Row], shelves: tuple[Shelf, ...], shelf_size: int, max_shelves: int
) -> None:
    candidates = scored(*rows)
    assert composed(candidates, shelves, shelf_size, max_shelves) == reference(
        candidates, shelves, shelf_size, max_shelves
    )


@settings(max_examples=50, deadline=None)
@given(candidate_rows(), st.integers(1, 6), st.integers(1, 9))
def test_composition_of_the_entries_equals_the_reference(rows: list[Row], shelf_size: int, max_shelves: int) -> None:
    candidates = scored(*rows)
    assert composed(candidates, SHELVES, shelf_size, max_shelves) == reference(
        candidates, SHELVES, shelf_size, max_shelves
    )


# ---- what holds of every page ---------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(candidate_rows(), st.integers(1, 6), st.integers(1, 6))
def test_every_page_is_sound(rows: list[Row], shelf_size: int, max_shelves: int) -> None:
    pages = to_table(assembled(scored(*rows), shelf_size, max_shelves), PAGES).to_pylist()
    assert [page["user_id"] for page in pages] == sorted({row["user_id"] for row in rows})
    offered = {(row["user_id"], f"t{row['track']:02d}", row["source"]) for row in rows}
    for page in pages:
        assert (page["surface"], page["context"]) == ("home", "any")
        shelves = page["shelves"]
        assert [shelf["position"] for shelf in shelves] == list(range(len(shelves)))
        assert 1 <= len(shelves) <= max_shelves
        tracks = [track for shelf in shelves for track in shelf["tracks"]]
        assert len({track["track_id"] for track in tracks}) == len(tracks)
        assert {(page["user_id"], track["track_id"], track["source"]) for track in tracks} <= offered
        assert {each["propensity"] for each in (*shelves, *tracks)} == {1.0}
        is_personal = [SHELF_OF[shelf["shelf_id"]].is_personal for shelf in shelves]
        assert is_personal == sorted(is_personal, reverse=True)
        instances = Counter(shelf["shelf_id"] for shelf in shelves)
        assert all(count <= SHELF_OF[shelf_id].max_instances for shelf_id, count in instances.items())
        assert len({(shelf["shelf_id"], shelf["title"]) for shelf in shelves}) == len(shelves)
        for shelf in shelves:
            check_shelf(shelf, shelf_size, is_only=len(shelves) == 1)


def check_shelf(shelf: Row, shelf_size: int, is_only: bool) -> None:
    entry, tracks = SHELF_OF[shelf["shelf_id"]], shelf["tracks"]
    is_fallback = is_only and not entry.is_personal
    assert len(tracks) <= shelf_size
    assert len(tracks) >= min(entry.min_tracks, shelf_size) or is_fallback
    assert [track["position"] for track in tracks] == list(range(len(tracks)))
    artists = Counter(int(track["track_id"][1:]) % 7 for track in tracks)
    artists.pop(0, None)  # unknown
    assert not entry.max_artist_tracks or max(artists.values(), default=0) <= entry.max_artist_tracks
    assert shelf["title"] and shelf["reason"] and "{" not in shelf["title"] + shelf["reason"]


@settings(max_examples=40, deadline=None)
@given(candidate_rows(), st.randoms(use_true_random=False))
def test_pages_depend_neither_on_the_order_of_rows_nor_on_who_shares_the_bucket(rows: list[Row], random: Any) -> None:
    whole = assembled(scored(*rows))
    shuffled = random.sample(rows, len(rows))
    assert assembled(scored(*shuffled)).equals(whole)
    users = sorted({row["user_id"] for row in rows})
    bucket_of = {user: random.randrange(3) for user in users}
    buckets = [[row for row in shuffled if bucket_of[row["user_id"]] == bucket] for bucket in range(3)]
    parts = [assembled(scored(*bucket)) for bucket in buckets if bucket]
    assert pl.concat(parts).sort("user_id").equals(whole)


def test_floats_do_not_depend_on_who_shares_the_bucket() -> None:
    """Scores whose sums differ with the order of addition, on enough users to make numpy use other loops."""
    rng = np.random.default_rng(7)
    rows = [
        {"user_id": f"u{user:03d}", "track": track, "score": rng.random() ** 9, **KINDS[rng.integers(len(KINDS))]}
        for user in range(150)
        for track in range(NUM_TRACKS)
    ]
    whole = assembled(scored(*rows), 12, 7)
    alone = [assembled(scored(*rows[at : at + NUM_TRACKS]), 12, 7) for at in range(0, len(rows), 10 * NUM_TRACKS)]
    assert pl.concat(alone).equals(whole.gather_every(10))


def test_empty_input_gives_an_empty_page_table() -> None:
    pages = assembled(scored())
    assert to_table(pages, PAGES).equals(PAGES.empty())


# ---- cases ----------------------------------------------------------------------------------------------------------


def shelf(name: str = "x", **fields: Any) -> Shelf:
    given = {"where": pl.lit(True), "order": pl.col("score"), "min_tracks": 1, "max_artist_tracks": 0, **fields}
    return Shelf(name, name, name, sentence=name, **given)


def tracks_of(pages: list[Page]) -> list[list[int]]:
    (page,) = pages
    return [tracks for _, _, tracks in page]


def test_fewer_candidates_than_any_minimum_still_give_a_page() -> None:
    (page,) = assembled(scored({"track": 3, "plays_of_track": 9, "days_since_played": 1})).to_dicts()
    assert [(shelf["shelf_id"], len(shelf["tracks"])) for shelf in page["shelves"]] == [("popular_now", 1)]


def test_value_is_the_discounted_sum_of_scores() -> None:
    rows = [{"track": track, "score": score} for track, score in ((1, 0.5), (2, 0.25), (3, 0.125))]
    ((shown,),) = composed(scored(*rows), (shelf(),), 2, 1)
    assert shown == (0, pytest.approx(0.5 + 0.25 / np.log2(3)), [1, 2])


def test_charts_stand_below_what_is_personal_however_much_they_are_worth() -> None:
    rows = [{"track": track, "score": 0.9 - 0.1 * track, "plays_of_track": float(track > 3)} for track in range(6)]
    shelves = (shelf("charts", is_personal=False), shelf("own", where=pl.col("plays_of_track") > 0))
    assert [entry for entry, _, _ in composed(scored(*rows), shelves, 2, 3)[0]] == [
        1,
        0,
    ]


def test_second_shelf_of_an_entry_is_worth_half() -> None:
    """Genre 0 has 0.9, genre 1 has 0.8, the other shelf 0.5: more than half of 0.8."""
    rows = [{"track": track, "score": score} for track, score in ((0, 0.9), (1, 0.8), (2, 0.5))]
    shelves = (
        shelf("genre", instance="genre", max_instances=2, where=pl.col("genre") < 2),
        shelf("other", where=pl.col("genre") == 2),
    )
    assert [entry for entry, _, _ in composed(scored(*rows), shelves, 2, 3)[0]] == [0, 1, 0]


def test_artist_may_come_again_when_the_page_has_used_the_better_tracks() -> None:
    """Tracks 1, 8, 15 are by one artist; the shelf may hold one of them at a time, whichever is left."""
    rows = [
        {"track": track, "score": 0.9 - track / 100, "plays_of_track": float(track == 1)} for track in (1, 8, 15, 2)
    ]
    shelves = (shelf("own", where=pl.col("plays_of_track") > 0), shelf("all", is_personal=False, max_artist_tracks=1))
    assert tracks_of(composed(scored(*rows), shelves, 4, 2)) == [[1], [2, 8]]


def test_tracks_of_unknown_artists_are_not_capped() -> None:
    rows = [{"track": track, "artist": None} for track in range(5)]
    assert tracks_of(composed(scored(*rows), (shelf(max_artist_tracks=1),), 5, 1)) == [[0, 1, 2, 3, 4]]


def test_equal_worth_goes_to_the_first_entry_then_to_the_lowest_code() -> None:
    rows = [{"track": track} for track in (5, 4, 3)]
    shelves = (shelf("genre", instance="genre", max_instances=9), shelf("none", where=pl.lit(False)))
    assert tracks_of(composed(scored(*rows), shelves, 1, 3)) == [[3], [4], [5]]


def test_shelf_shorter_than_a_minimum_of_its_own_is_not_withheld_where_shelves_are_short() -> None:
    rows = [{"track": track} for track in range(4)]
    assert tracks_of(composed(scored(*rows), (shelf(min_tracks=4),), 2, 5)) == [[0, 1]]


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_largest_first_sorts_as_floats_do(values: list[float]) -> None:
    keys = largest_first(np.array(values, dtype=np.float32))
    assert [values[at] for at in np.argsort(keys, kind="stable")] == sorted(values, reverse=True)
