"""Every shelf: a listener who gets it, its texts, listeners who do not get it, and the data that it needs."""

from dataclasses import replace
from datetime import date
from string import Formatter

import numpy as np
import polars as pl
import pytest

from models.towers.user_tower import UserTower
from tests.transforms.pages.small_pages import POLICY
from transforms.catalog.catalog import Catalog
from transforms.embeddings.embeddings import Embeddings
from transforms.features.feature_tables import SCORED
from transforms.features.features import FEATURES
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.shelves.shelf import FORMATS, Shelf
from transforms.pages.shelves.shelves import SHELVES, available_shelves, disabled_shelves
from transforms.pages.shelves.texts import PLACEHOLDERS, placeholders_of, render_shelves, template_expression
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import CATALOG, MARKET_COUNTS, RECENT_LENGTH

ENTRIES = pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.id)
NUM_TRACKS = 16
ODD = '{0} {title} %s \\ "n" {{}} \N{SNOWMAN}'


def catalog(**columns: list[object]) -> Catalog:
    """Sixteen tracks: artists 0..3, genres 0 and 1; the last two lack an artist; the first four have most plays."""
    artist = [code % 4 if code < 14 else None for code in range(NUM_TRACKS)]
    genre = [code % 2 for code in range(NUM_TRACKS)]
    given = {
        "track_id": [f"t{code:02d}" for code in range(NUM_TRACKS)],
        "title": [f"Song {code}" for code in range(NUM_TRACKS)],
        "artist": artist,
        "artist_id": [None if code is None else f"a{code}" for code in artist],
        "artist_name": [None if code is None else f"Band {code}" for code in artist],
        "genre": genre,
        "genre_name": [("folk", "jazz")[code] for code in genre],
        "release_date": [date(2026, 11, 1)] * NUM_TRACKS,
        "n_plays": [500] * 4 + [1] * 12,
        **columns,
    }
    rows = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
    none = np.zeros((NUM_TRACKS, 0), dtype=np.int32)
    return Catalog(CATALOG.frame(rows), none, none.astype(np.float32), MARKET_COUNTS.frame())


def scored(tracks: Catalog, **facts: object) -> pl.DataFrame:
    """Candidates of one user: every track of the catalog, the first the best; never played, unless `facts` say so."""
    missing = {feature.name: feature.missing for feature in FEATURES}
    codes = tracks.tracks.select("artist", "genre").to_dicts()
    rows = [
        {
            **missing,
            "user_id": "u",
            "track": code,
            **codes[code],
            "source": "popular",
            "recent": [-1] * RECENT_LENGTH,
            "score": 0.5 - code / 100,
            **{name: fact[code] if isinstance(fact, list) else fact for name, fact in facts.items()},
        }
        for code in range(NUM_TRACKS)
    ]
    return to_frame(to_table(SCORED.frame(rows), SCORED))


def page(candidates: pl.DataFrame, tracks: Catalog) -> dict[str, dict[str, object]]:
    """The user's shelves by id (of several instances the first), as dictionaries."""
    policy = replace(POLICY, shelf_size=6, max_shelves=20)
    vectors = np.zeros((NUM_TRACKS, 0), dtype=np.float32)
    embeddings = Embeddings(vectors, UserTower(vectors, {}), "", None)
    pages = assemble_pages(candidates, catalog=tracks, embeddings=embeddings, policy=policy, rules=())
    shelves = pages["shelves"].to_list()[0]
    return {shelf["shelf_id"]: shelf for shelf in reversed(shelves)}


PLAYED = {"user_plays": 50.0}
PLAYED_TRACK = {**PLAYED, "plays_of_track": 2.0, "days_since_played": 3.0}
# For each shelf: facts of the candidates with which it is shown, and its texts then.
CASES = {
    "jump_back_in": (
        {**PLAYED_TRACK, "days_since_played": [float(30 - code) for code in range(NUM_TRACKS)]},
        ("Jump back in", "You played Song 15 not long ago"),
    ),
    "on_repeat": (
        {**PLAYED_TRACK, "plays_of_track": 9.0, "days_since_played": [3.0] * 8 + [2.0] * 8, "activation": 1.0},
        ("On repeat", "You keep coming back to Song 0 by Band 0"),
    ),
    "recent_discoveries": (
        {**PLAYED_TRACK, "days_since_first_played": 30.0},
        ("Recent discoveries", "You found Song 6 by Band 2 lately, and came back to it"),
    ),
    "daypart_mix": (
        {**PLAYED_TRACK, "plays_of_track": 1.0, "days_since_played": 99.0, "daypart": [None, 1, 1, 1] * 4},
        ("Your afternoon mix", "What you play more in the afternoon than at other times, and more like it"),
    ),
    "deep_cuts": (
        {**PLAYED, "two_tower_similarity": 0.3},
        ("Deep cuts", "Few know Song 6 by Band 2; it is close to what you play"),
    ),
    "weekly_discovery": (
        {**PLAYED, "artist": list(range(NUM_TRACKS)), "score": [1.0] + [1e-5] * (NUM_TRACKS - 1)},
        ("Your weekly discoveries", "New to you this week, starting with Song 0 by Band 0"),
    ),
    "made_for_you": (PLAYED, ("Made for you", "Picked for what you listen to, starting with Song 0 by Band 0")),
    "genre_mix": (
        {**PLAYED_TRACK, "days_since_played": 99.0, "plays_of_track": 1.0, "share_of_genre": [0.0, 0.6] * 8},
        ("Your jazz mix", "You listen to a lot of jazz"),
    ),
    "because_you_listened": (
        {"source": "co_listened", "seed_track": 7},
        ("Because you listened to Song 7", "Often heard together with Song 7 by Band 3"),
    ),
    "more_by_artists": (
        {"plays_of_artist": [0.0, 4.0, 4.0, 0.0] * 4},
        ("More by artists you love", "You have played Band 1 often, but not this"),
    ),
    "new_releases": (
        {"plays_of_artist": 1.0, "days_since_release": 28.0},
        ("New releases for you", "Song 0 by Band 0 is new, and close to what you play"),
    ),
    "rediscover": (
        {**PLAYED_TRACK, "days_since_played": 31.0},
        ("Rediscover", "You have not played Song 0 by Band 0 for a while"),
    ),
    "popular_now": (
        {"track_popularity": [float(code) for code in range(NUM_TRACKS)]},
        ("Popular now", "Everyone is playing Song 15"),
    ),
    "popular_in_genre": ({"score": [0.1, 0.9] * 8}, ("Popular in folk", "What others play in folk now")),
    "fresh": (
        {"days_since_release": [5.0] * 8 + [365.0] * 8, "track_popularity": [0.0] * 8 + [9.0] * 8},
        ("Fresh this month", "Song 0 by Band 0 has just come out"),
    ),
}


@ENTRIES
def test_entry_stands_and_says_what_it_should(shelf: Shelf) -> None:
    facts, (title, reason) = CASES[shelf.id]
    stands = page(scored(catalog(), **facts), catalog())[shelf.id]
    assert (stands["title"], stands["reason"]) == (title, reason)
    assert len(stands["tracks"]) >= shelf.min_tracks


@ENTRIES
def test_entry_takes_names_as_they_are(shelf: Shelf) -> None:
    odd = [ODD] * NUM_TRACKS
    tracks = catalog(title=odd, artist_name=[*[ODD] * 14, None, None], genre_name=odd)
    stands = page(scored(tracks, **CASES[shelf.id][0]), tracks)[shelf.id]
    for template, text in ((shelf.title, stands["title"]), (shelf.reason, stands["reason"])):
        names = [name for _, name, _, _ in Formatter().parse(template) if name in PLACEHOLDERS]
        assert ("{" in text) == bool(names) and text.count(ODD) >= len(names)


@ENTRIES
def test_entry_needs_no_name_that_may_be_missing(shelf: Shelf) -> None:
    """Where artists and genres are unknown, whatever still stands has a whole title and reason."""
    nothing = [None] * NUM_TRACKS
    bare = catalog(artist=nothing, artist_id=nothing, artist_name=nothing, genre=nothing, genre_name=nothing)
    stands = page(scored(bare, **CASES[shelf.id][0]), bare)
    assert all(shelf["title"] and shelf["reason"] for shelf in stands.values())
    assert stands.keys().isdisjoint(disabled_shelves(bare))


@ENTRIES
def test_entry_is_withheld_with_a_reason_if_the_catalog_lacks_what_it_needs(shelf: Shelf) -> None:
    facts = CASES[shelf.id][0]
    for column in shelf.needs:
        lacking = catalog(**{column: [None] * NUM_TRACKS})
        assert disabled_shelves(lacking)[shelf.id] == f"no track has a value for {column}"
        assert shelf not in available_shelves(lacking, shelf.surfaces[0])
        assert shelf.id not in page(scored(lacking, **facts), lacking)
    assert shelf in available_shelves(catalog(), shelf.surfaces[0])


@ENTRIES
def test_entry_is_well_declared(shelf: Shelf) -> None:
    named = {name for template in (shelf.title, shelf.reason) for _, name, _, _ in Formatter().parse(template) if name}
    assert named <= placeholders_of(shelf).keys()
    assert shelf.id.isidentifier() and shelf.sentence and shelf.format in FORMATS
    assert min(shelf.max_instances, shelf.min_tracks) >= 1 and shelf.max_artist_tracks >= 0
    assert shelf.max_instances == 1 or shelf.instance, "without an instance there is one"


def test_ids_are_distinct_and_one_entry_takes_everything() -> None:
    assert len({shelf.id for shelf in SHELVES}) == len(SHELVES)
    assert any(not shelf.is_personal and not shelf.needs and shelf.where.meta.eq(pl.lit(True)) for shelf in SHELVES)


@pytest.mark.parametrize(
    ("absent", "facts"),
    [
        pytest.param("jump_back_in", {**PLAYED_TRACK, "days_since_played": 31.0}, id="long_ago"),
        pytest.param("jump_back_in", {**PLAYED_TRACK, "plays_of_track": 0.0, "skips_of_track": 2.0}, id="only_skipped"),
        pytest.param("made_for_you", PLAYED_TRACK, id="all_played"),
        pytest.param("made_for_you", {**PLAYED, "skips_of_track": 1.0}, id="all_skipped"),
        pytest.param("made_for_you", {}, id="user_without_a_play"),
        pytest.param("genre_mix", {**PLAYED_TRACK, "share_of_genre": 0.04}, id="not_the_users_genre"),
        pytest.param("because_you_listened", {"source": "artists", "seed_track": 7}, id="another_source"),
        pytest.param("because_you_listened", {"source": "co_listened", "seed_track": None}, id="no_reason"),
        pytest.param("more_by_artists", {"plays_of_artist": 2.0}, id="artists_barely_played"),
        pytest.param("new_releases", {"plays_of_artist": 1.0, "days_since_release": 29.0}, id="not_new"),
        pytest.param("new_releases", {"days_since_release": 1.0}, id="new_but_nothing_to_the_user"),
        pytest.param(
            "rediscover", {**PLAYED_TRACK, "days_since_played": 99.0, "plays_of_track": 1.0}, id="played_once"
        ),
        pytest.param("rediscover", {**PLAYED_TRACK, "days_since_played": 30.0}, id="played_recently"),
        pytest.param("on_repeat", {**PLAYED_TRACK, "plays_of_track": 4.0}, id="not_often"),
        pytest.param("fresh", {"days_since_release": 29.0}, id="nothing_new"),
        pytest.param("recent_discoveries", {**PLAYED_TRACK, "days_since_first_played": 31.0}, id="known_for_long"),
        pytest.param(
            "recent_discoveries", {**PLAYED_TRACK, "days_since_first_played": 3.0, "user_plays": 49.0}, id="few_plays"
        ),
        pytest.param("deep_cuts", {**PLAYED, "two_tower_similarity": -0.1}, id="far_from_the_user"),
        pytest.param("deep_cuts", {**PLAYED_TRACK, "two_tower_similarity": 0.3}, id="played"),
        pytest.param("daypart_mix", PLAYED, id="no_part_of_the_day_stands_out"),
        pytest.param("weekly_discovery", PLAYED, id="few_artists"),
    ],
)
def test_entry_leaves_out(absent: str, facts: dict[str, object]) -> None:
    assert absent not in page(scored(catalog(), **facts), catalog())


def test_render_shelves_keeps_the_rows() -> None:
    shelves = [shelf for shelf in SHELVES if shelf.id in ("popular_now", "because_you_listened")]
    entries, firsts = pl.Series([1, 0, 1]), pl.Series([3, 2, 15])
    codes = pl.Series([0, 4, 0])
    assert render_shelves(entries, codes, firsts, shelves=shelves, tracks=catalog().tracks).rows() == [
        ("popular_now", "Popular now", "Everyone is playing Song 3 by Band 3", "tracks"),
        (
            "because_you_listened",
            "Because you listened to Song 4",
            "Often heard together with Song 4 by Band 0",
            "tracks",
        ),
        ("popular_now", "Popular now", "Everyone is playing Song 15", "tracks"),
    ]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{title}", "Song 1"),
        ("{{x}} {title}/{artist}!", "{x} Song 1/{title}!"),
        ("{track}", "Song 1 by {title}"),
        ("of {genre}", None),
    ],
)
def test_render(template: str, text: str | None) -> None:
    names = pl.DataFrame(
        {"title": "Song 1", "artist_name": "{title}", "genre_name": pl.Series([None], dtype=pl.String)}
    )
    assert names.select(text=template_expression(template, PLACEHOLDERS)).item() == text
