import unicodedata
from datetime import date
from pathlib import Path

import apache_beam as beam
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import run_graph, tables_of
from tests.worlds import AS_OF, MAX_USER_EVENTS, MIN_PLAYED_AT, tracks_of
from transforms.catalog.collect_tracks import (
    CollectTracks,
    collect_tracks,
    count_cleared_tracks,
    distinct_tracks,
    tracks_of_events,
)
from transforms.catalog.track_codes import READ_TRACKS, TRACK_METADATA, open_tracks
from transforms.catalog.track_content import content_keys
from transforms.events.clean_events import clean_events
from transforms.tables.columns import to_table
from transforms.tables.schemas import EVENT_ROWS

rows = st.lists(
    st.fixed_dictionaries(
        {
            "track_id": st.none() | st.sampled_from(["", "a", "b", "c", "ä"]),
            "title": st.none() | st.sampled_from(["", "x", "y"]),
            "artist_id": st.none() | st.sampled_from(["", "p", "q"]),
            "genres": st.none() | st.lists(st.none() | st.sampled_from(["pop", "rock"]), max_size=2),
        }
    ),
    max_size=12,
)


def test_values_that_cannot_be_are_counted() -> None:
    vectors = [[1.0], [float("nan")], [float("inf"), 1.0], [None], None, []]
    tracks = [{"track_id": f"t{n}", "vector": vector, "duration_ms": n - 1} for n, vector in enumerate(vectors)]
    tracks += [{"track_id": None, "duration_ms": -1}, {"track_id": "", "vector": [None]}]
    counts = dict(count_cleared_tracks(READ_TRACKS.frame(tracks)).rows())
    assert counts == {"tracks/cleared/duration_ms": 2, "tracks/cleared/vector": 3}


@given(rows, st.randoms())
def test_every_id_has_one_track_whatever_the_order(tracks: list[dict], random) -> None:  # type: ignore[type-arg,no-untyped-def]
    known = to_table(collect_tracks(READ_TRACKS.frame(tracks), match_names=True), TRACK_METADATA)
    assert known["track_id"].to_pylist() == sorted({row["track_id"] for row in tracks if row["track_id"]})
    shuffled = random.sample(tracks, len(tracks))
    assert to_table(collect_tracks(READ_TRACKS.frame(shuffled), match_names=True), TRACK_METADATA).equals(known)
    halves = [distinct_tracks(READ_TRACKS.frame(part)) for part in (shuffled[::2], shuffled[1::2])]
    assert to_table(collect_tracks(pl.concat(halves), match_names=True), TRACK_METADATA).equals(known)


def test_what_is_missing_is_filled_as_declared() -> None:
    tracks = READ_TRACKS.frame(
        [
            {"track_id": "a", "title": "", "artist_id": "q", "genres": [None, "pop"], "duration_ms": 0},
            {"track_id": "b", "title": "B", "artist_name": "Pia", "release_date": date(2020, 1, 1), "duration_ms": 7},
            {"track_id": "c", "artist_id": "q", "artist_name": "Quentin", "genres": []},
        ]
    )
    known = collect_tracks(tracks, match_names=True)
    assert known["title"].to_list() == ["a", "B", "c"]
    assert known["artist_name"].to_list() == ["q", "Pia", "Quentin"]
    assert known["artist_id"].to_list() == ["q", "Pia", "q"] and known["artist"].to_list() == [1, 0, 1]
    assert known["genre_name"].to_list() == ["pop", None, None] and known["genre"].to_list() == [0, None, None]
    assert known["duration_ms"].to_list() == [None, 7, None]


SPACES = st.text(st.sampled_from(" \t\u00a0\u3000"), max_size=2)
BLANKS = st.text(st.sampled_from(" \t\n\u00a0\u3000\u200b\x00"), max_size=3) | st.none()


@st.composite
def spelled(draw: st.DrawFn, name: str) -> str:
    """A name in another case, in another coding of its characters, and with space around it."""
    cased = "".join(one.upper() if draw(st.booleans()) else one for one in name)
    form = draw(st.sampled_from(["NFC", "NFD"]))
    return f"{draw(SPACES)}{unicodedata.normalize(form, cased)}{draw(SPACES)}"


@given(
    st.lists(
        st.sampled_from(["rock", "hip hop", "música"]).flatmap(lambda name: st.tuples(st.just(name), spelled(name)))
    )
)
def test_genres_are_one_however_they_are_spelled(pairs: list[tuple[str, str]]) -> None:
    rows = [{"track_id": f"{place:03d}", "genres": [" ", given]} for place, (_, given) in enumerate(pairs)]
    distinct = READ_TRACKS.frame(rows)
    known = collect_tracks(distinct, match_names=True)
    names = known["genre_name"].to_list()
    assert [name.casefold() for name in names] == [name for name, _ in pairs]
    assert len(set(names)) == known["genre"].n_unique() == len({name for name, _ in pairs})
    hashes = content_keys(distinct, known)["genres"]
    assert len({tuple(row) for row in hashes}) == len(set(names))


def test_a_genre_has_the_spelling_of_most_tracks() -> None:
    genres = ["Rock", "Rock", "ROCK", "rock ", "K-Pop"]
    rows = [{"track_id": f"t{place}", "genres": [genre]} for place, genre in enumerate(genres)]
    assert collect_tracks(READ_TRACKS.frame(rows), match_names=True)["genre_name"].to_list() == ["Rock"] * 4 + ["K-Pop"]


@given(st.lists(BLANKS, min_size=5, max_size=5))
def test_a_blank_name_is_no_name(blanks: list[str | None]) -> None:
    columns = ("title", "artist_id", "artist_name", "album_id", "genres")
    given_values = dict(zip(columns, blanks, strict=True))
    rows = [{"track_id": "a", **given_values, "genres": [given_values["genres"]]}]
    known = collect_tracks(READ_TRACKS.frame(rows), match_names=True)
    assert known.select("title", "artist", "artist_id", "artist_name", "album", "genre_name").rows() == [
        ("a", None, None, None, None, None)
    ]


def test_a_null_in_the_markets_names_no_market() -> None:
    markets = [None, [], [None], ["SE", None, "NO"]]
    tracks = READ_TRACKS.frame([{"track_id": f"t{place}", "markets": given} for place, given in enumerate(markets)])
    assert collect_tracks(tracks, match_names=True)["markets"].to_list() == [None, [], [], ["SE", "NO"]]


def test_without_a_table_the_tracks_are_those_of_kept_events() -> None:
    good = {"user_id": "u", "played_at": AS_OF.replace(year=2025), "action": "play"}
    events = [{**good, "track_id": "b"}, {**good, "track_id": "a"}, {**good, "track_id": "b"}]
    events += [{**good, "track_id": "future", "played_at": AS_OF}, {**good, "track_id": "nobody", "user_id": None}]
    checked = clean_events(
        EVENT_ROWS.frame(events),
        as_of=AS_OF,
        min_played_at=MIN_PLAYED_AT,
        track_codes=None,
        max_user_events=MAX_USER_EVENTS,
    )
    assert collect_tracks(tracks_of_events(checked), match_names=True)["track_id"].to_list() == ["a", "b"]


def test_names_are_truncated_and_have_no_control_characters() -> None:
    escape = "\x1b[31mred\x00\r\n\u2028"
    rows = [
        {"track_id": "a", "title": "x" * 10_000_000, "artist_id": "1", "artist_name": escape, "genres": ["g" * 1_000]},
        {"track_id": "b", "title": escape},
    ]
    known = collect_tracks(READ_TRACKS.frame(rows), match_names=True)
    assert known["title"].str.len_chars().to_list() == [300, len("[31mred")]
    assert known["genre_name"].str.len_chars().to_list() == [300, None]
    assert known["title"][1] == known["artist_name"][0] == "[31mred"


def test_the_stage_writes_the_tracks_of_all_tables(tmp_path: Path) -> None:
    tracks = tracks_of(12)

    def build(root: beam.Pipeline) -> beam.PCollection:
        tables = tables_of(root, "tracks", READ_TRACKS, [tracks[6:], tracks[:8]])
        return tables | CollectTracks(str(tmp_path / "tracks"), match_names=True)

    (path,) = run_graph(build)
    assert Path(path).parent == tmp_path / "tracks"
    assert to_table(open_tracks(path), TRACK_METADATA).equals(
        to_table(collect_tracks(tracks, match_names=True), TRACK_METADATA)
    )
