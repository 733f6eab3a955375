"""What holds of every page, whatever its candidates, and how pages are drawn."""

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages import element_of, joined, run_graph, tables_of
from tests.transforms.pages.small_pages import (
    KINDS,
    NUM_TRACKS,
    POLICY,
    SOME,
    Row,
    any_policy,
    assembled,
    candidate_rows,
    make_catalog,
    pages_of,
    scored,
    tracks_on,
)
from tests.worlds import by_bucket, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.embeddings.embeddings import open_embeddings
from transforms.events.market_codes import market_code
from transforms.features.feature_tables import SCORED
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import PROBABILITIES
from transforms.pages.assemble_pages import AssemblePages, assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.page_state import CAP_NAME
from transforms.pages.rules.rule import Audience, Rule
from transforms.pages.rules.rule_kinds import Cap, Quota
from transforms.pages.shelves.shelves import SHELF_IDS, SHELVES
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PAGES

SHELF_OF = {shelf.id: shelf for shelf in SHELVES}


@given(candidate_rows(), any_policy(), st.sampled_from([0.0, 0.5]))
def test_every_page_is_sound(rows: list[Row], policy: Policy, exploration: float) -> None:
    pages = pages_of(scored(*rows), replace(policy, exploration=exploration))
    assert [page["user_id"] for page in pages] == sorted({row["user_id"] for row in rows})
    offered = {(row["user_id"], f"t{row['track']:02d}", row["source"]) for row in rows}
    for page in pages:
        assert (page["surface"], page["relaxed"]) == ("home", crowding(page, policy.first_screen_artist_tracks))
        shelves = page["shelves"]
        assert [shelf["position"] for shelf in shelves] == list(range(len(shelves)))
        assert 1 <= len(shelves) <= policy.max_shelves
        tracks = [track for shelf in shelves for track in shelf["tracks"]]
        assert len({track["track_id"] for track in tracks}) == len(tracks)
        assert {(page["user_id"], track["track_id"], track["source"]) for track in tracks} <= offered
        propensities = [each["propensity"] for each in (*shelves, *tracks)]
        assert all(0 < one <= 1 for one in propensities)
        assert page["propensity"] == pytest.approx(np.prod(propensities))
        assert exploration or set(propensities) == {1.0}
        is_personal = [SHELF_OF[shelf["shelf_id"]].is_personal for shelf in shelves]
        assert is_personal == sorted(is_personal, reverse=True)
        instances = Counter(shelf["shelf_id"] for shelf in shelves)
        assert all(count <= SHELF_OF[shelf_id].max_instances for shelf_id, count in instances.items())
        assert len({(shelf["shelf_id"], shelf["title"]) for shelf in shelves}) == len(shelves)
        for shelf in shelves:
            check_shelf(shelf, policy.shelf_size, is_only=len(shelves) == 1)


def crowding(page: Row, cap: int) -> list[str]:
    """The name of the cap by artist of the first screen where the page breaks it."""
    seen = [track["track_id"] for shelf in page["shelves"][:3] for track in shelf["tracks"][:5]]
    by_artist = Counter(int(track_id[1:]) % 7 for track_id in seen if int(track_id[1:]) % 7)
    return [CAP_NAME] if cap and max(by_artist.values(), default=0) > cap else []


def check_shelf(shelf: Row, shelf_size: int, is_only: bool) -> None:
    entry, tracks = SHELF_OF[shelf["shelf_id"]], shelf["tracks"]
    size = entry.max_tracks or shelf_size
    is_fallback = is_only and not entry.is_personal
    assert len(tracks) <= size
    assert len(tracks) >= min(entry.min_tracks, size) or is_fallback
    assert [track["position"] for track in tracks] == list(range(len(tracks)))
    for cap, maker in ((entry.max_artist_tracks, 7), (entry.max_album_tracks, 14)):
        codes = [int(track["track_id"][1:]) for track in tracks]
        makers = Counter(code % maker for code in codes if code % 7)
        assert not cap or max(makers.values(), default=0) <= cap
    assert shelf["title"] and shelf["reason"] and "{" not in shelf["title"] + shelf["reason"]
    assert all(track["reason"] for track in tracks)
    value = sum(track["score"] / np.log2(track["position"] + 2) for track in tracks[:shelf_size])
    assert shelf["score"] == pytest.approx(value, rel=1e-5)


@settings(max_examples=12)
@given(candidate_rows(), any_policy(), st.sampled_from([0.0, 0.7]), st.randoms(use_true_random=False))
def test_pages_depend_neither_on_the_order_of_rows_nor_on_who_shares_the_bucket(
    rows: list[Row], policy: Policy, exploration: float, random: Any
) -> None:
    policy = replace(policy, exploration=exploration)
    rules = (Rule("q", 1, Audience(), Quota(2, 1)), Rule("c", 2, Audience(), Cap(2)))
    whole = assembled(scored(*rows), policy, rules)
    shuffled = random.sample(rows, len(rows))
    assert assembled(scored(*shuffled), policy, rules).equals(whole)
    users = sorted({row["user_id"] for row in rows})
    bucket_of = {user: random.randrange(3) for user in users}
    buckets = [[row for row in shuffled if bucket_of[row["user_id"]] == bucket] for bucket in range(3)]
    parts = [assembled(scored(*bucket), policy, rules) for bucket in buckets if bucket]
    assert pl.concat(parts).sort("user_id").equals(whole)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_floats_do_not_depend_on_who_shares_the_block(strength: float) -> None:
    """Scores whose sums differ with the order of addition, on enough users to make numpy use other loops."""
    rng = np.random.default_rng(7)
    rows = [
        {"user_id": f"u{user:03d}", "track": track, "score": rng.random() ** 9, **KINDS[rng.integers(len(KINDS))]}
        for user in range(150)
        for track in range(NUM_TRACKS)
    ]
    policy = replace(
        POLICY, shelf_size=12, max_shelves=7, diversity=strength, calibration=strength, exploration=strength
    )
    whole = assembled(scored(*rows), policy)
    starts = range(0, len(rows), 10 * NUM_TRACKS)
    alone = [assembled(scored(*rows[at : at + NUM_TRACKS]), policy) for at in starts]
    assert pl.concat(alone).equals(whole.gather_every(10))


def test_empty_input_gives_an_empty_page_table() -> None:
    assert to_table(assembled(scored()), PAGES).equals(PAGES.empty())


def test_fewer_candidates_than_any_minimum_still_give_a_page() -> None:
    (page,) = pages_of(scored({"track": 3, "plays_of_track": 9, "days_since_played": 1}))
    assert [(shelf["shelf_id"], len(shelf["tracks"])) for shelf in page["shelves"]] == [("popular_now", 1)]


def test_every_surface_has_its_page_of_its_own_shelves() -> None:
    pages = pages_of(scored(*SOME), replace(POLICY, surfaces=("home", "discover"), max_shelves=9))
    assert [(page["user_id"], page["surface"]) for page in pages] == [
        (user, surface) for user in ("a", "bb", "ccc") for surface in ("discover", "home")
    ]
    for page in pages:
        assert all(page["surface"] in SHELF_OF[shelf["shelf_id"]].surfaces for shelf in page["shelves"])


def test_what_may_not_be_played_in_the_market_is_nowhere() -> None:
    swedish, both = (pl.Series([code]).to_frame("m").select(market_code(pl.col("m"))).item() for code in ("SE", "NO"))
    markets = [["NO"] if code % 2 else None for code in range(NUM_TRACKS)]
    rows = [{**row, "market": {"a": swedish, "bb": both, "ccc": None}[row["user_id"]]} for row in SOME]
    a, bb, ccc = pages_of(scored(*rows), catalog=make_catalog(markets=markets))
    assert all(int(track[1:]) % 2 == 0 for track in tracks_on(a))
    assert all(any(int(track[1:]) % 2 for track in tracks_on(page)) for page in (bb, ccc))


def test_no_market_is_nowhere_and_unknown_markets_are_everywhere() -> None:
    (swedish,) = pl.Series(["SE"]).to_frame("m").select(market_code(pl.col("m"))).to_series()
    rows = [{**row, "market": {"a": swedish, "bb": None, "ccc": None}[row["user_id"]]} for row in SOME]
    markets: list[list[str] | None] = [[] if code % 2 else None for code in range(NUM_TRACKS)]
    for page in pages_of(scored(*rows), catalog=make_catalog(markets=markets)):
        assert tracks_on(page) and all(int(track[1:]) % 2 == 0 for track in tracks_on(page))


def test_a_recording_is_shown_as_the_copy_that_the_market_has() -> None:
    swedish, danish = (pl.Series([code]).to_frame("m").select(market_code(pl.col("m"))).item() for code in ("SE", "DK"))
    # tracks 12 to 23 are copies of 0 to 11: of the former Sweden has all, of the latter Denmark those with even codes
    markets = [["SE"] if code < 12 else ["DK"] if code % 2 == 0 else [] for code in range(NUM_TRACKS)]
    released = [date(2027, 1, 1) if code == 14 else date(2020, 1, 1) for code in range(NUM_TRACKS)]
    copies = {"recording": [code % 12 for code in range(NUM_TRACKS)], "markets": markets, "release_date": released}
    market = {"a": swedish, "bb": danish, "ccc": None}
    rows = [{**row, "market": market[row["user_id"]]} for row in SOME if row["track"] < 12]
    a, bb, ccc = (sorted(int(track[1:]) for track in tracks_on(page)) for page in pages_of(
        scored(*rows), replace(POLICY, max_shelves=9), catalog=make_catalog(**copies)
    ))  # fmt: skip
    assert a and set(a) <= set(range(12)) and ccc and set(ccc) <= set(range(12))
    assert bb and set(bb) <= {12, 16, 18, 20, 22}


@given(candidate_rows(), any_policy(), st.data())
def test_no_title_stands_twice_on_a_page(rows: list[Row], policy: Policy, data: st.DataObject) -> None:
    words = st.sampled_from(["Night", "NIGHT", "night ", "Rock", "rock"])
    names = {"title": [data.draw(words) for _ in range(NUM_TRACKS)]}
    names["genre_name"] = [("Night", "morning", "rock")[code % 3] for code in range(NUM_TRACKS)]
    for page in pages_of(scored(*rows), replace(policy, max_shelves=8), catalog=make_catalog(**names)):
        titles = [shelf["title"].lower().strip() for shelf in page["shelves"]]
        assert len(set(titles)) == len(titles)


# ---- exploration ----------------------------------------------------------------------------------------------------


def test_draws_follow_from_seed_user_and_day() -> None:
    policy = replace(POLICY, exploration=1.0)
    rows = [{**row, "user_id": user} for user in ("a", "b") for row in SOME[:NUM_TRACKS]]
    first, other = pages_of(scored(*rows), policy)
    assert tracks_on(first) != tracks_on(other)
    assert pages_of(scored(*rows), policy) == [first, other]
    for changed in (replace(policy, seed=2), replace(policy, as_of=policy.as_of.replace(day=2))):
        assert tracks_on(pages_of(scored(*rows), changed)[0]) != tracks_on(first)


# ---- the weekly shelf -----------------------------------------------------------------------------------------------


def weekly(day: date, rows: list[Row]) -> list[str]:
    policy = replace(POLICY, as_of=POLICY.as_of.replace(year=day.year, month=day.month, day=day.day), max_shelves=9)
    (page,) = pages_of(scored(*rows), policy)
    return [track["track_id"] for s in page["shelves"] if s["shelf_id"] == "weekly_discovery" for track in s["tracks"]]


def test_weekly_discovery_is_the_same_all_week_and_another_on_monday() -> None:
    """The run of a day ends it at midnight: as of Tuesday to Monday is one ISO week."""
    rows = [
        {"user_id": "a", "track": track, "score": 0.5, "user_plays": 99.0, "artist": 100 + track}
        for track in range(NUM_TRACKS)
    ]
    days = [date(2026, 6, 2 + n) for n in range(7)]
    first = weekly(days[0], rows)
    assert len(first) >= 15 and all(weekly(day, rows) == first for day in days[1:])
    assert weekly(date(2026, 6, 9), rows) != first
    # what was met on Wednesday stays; what was met before Monday does not
    for met, stays in ((1.0, True), (9.0, False)):
        played = [
            {**row, "plays_of_track": 1.0, "days_since_first_played": met} if row["track"] == int(first[0][1:]) else row
            for row in rows
        ]
        assert (first[0] in weekly(date(2026, 6, 4), played)) == stays


@pytest.mark.parametrize("strength", [{}, {"exploration": 1.0}, {"diversity": 1.0, "calibration": 1.0}])
def test_what_stands_on_the_weekly_shelf_stands_there_first_and_in_its_order(strength: dict[str, float]) -> None:
    """Whatever its score is by now; what is new comes behind it."""
    kept = [9, 21, 4]
    places = {track: place for place, track in enumerate(kept)}
    rows = [
        {
            "user_id": "a",
            "track": track,
            "score": 0.001 if track in kept else 0.5,
            "user_plays": 99.0,
            "artist": 100 + track,
            "carried_over_position": places.get(track),
        }
        for track in range(NUM_TRACKS)
    ]
    pages = pages_of(scored(*rows), replace(POLICY, max_shelves=9, **strength))
    (shelf,) = (shelf for shelf in pages[0]["shelves"] if shelf["shelf_id"] == "weekly_discovery")
    tracks = [track["track_id"] for track in shelf["tracks"]]
    assert tracks[:3] == [f"t{track:02d}" for track in kept] and len(tracks) >= 15
    assert [track["propensity"] for track in shelf["tracks"][:3]] == [1.0] * 3


# ---- rules ----------------------------------------------------------------------------------------------------------


def test_every_entry_can_be_named_in_a_rule() -> None:
    assert len(SHELF_IDS) == len(set(SHELF_IDS)) >= 12


def test_the_stage_assembles_the_pages_of_every_bucket(tmp_path: Path) -> None:
    plays = random_plays(7, num_users=12, num_plays=400)
    catalog = catalog_of(plays, tracks_of(40), tmp_path)
    candidates = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path))
    unknown = [pl.lit(None, pl.Float32).alias(name) for name in PROBABILITIES]
    score = (pl.col("track") * 7 % 11 / 11).cast(pl.Float32)
    scored = to_frame(to_table(candidates.with_columns(unknown).with_columns(score=score), SCORED))
    (embeddings,) = tmp_path.glob("embeddings-*")

    def build(root: beam.Pipeline) -> beam.PCollection:
        folders = {"catalog": tmp_path, "embeddings": embeddings}
        paths = [element_of(root, name, str(folder)) for name, folder in folders.items()]
        return tables_of(root, "scored", SCORED, by_bucket(scored, 3)) | AssemblePages(*paths, POLICY, ())

    opened = {"catalog": catalog, "embeddings": open_embeddings(str(embeddings))}
    expected = assemble_pages(scored, **opened, policy=POLICY, rules=())
    found = joined(run_graph(build)).sort("user_id")
    assert found.equals(joined([(0, to_table(expected, PAGES))])) and len(found) == 12
