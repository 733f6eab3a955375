from datetime import date
from pathlib import Path

import apache_beam as beam
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages import run_graph, tables_of
from tests.worlds import AS_OF, MAX_USER_EVENTS, tracks_of
from transforms.catalog.collect_tracks import CollectTracks, collect_tracks, distinct_tracks, tracks_of_events
from transforms.catalog.track_codes import READ_TRACKS, TRACK_METADATA, open_tracks
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


@settings(deadline=None)
@given(rows, st.randoms())
def test_every_id_has_one_track_whatever_the_order(tracks: list[dict], random) -> None:  # type: ignore[type-arg,no-untyped-def]
    known = to_table(collect_tracks(READ_TRACKS.frame(tracks)), TRACK_METADATA)
    assert known["track_id"].to_pylist() == sorted({row["track_id"] for row in tracks if row["track_id"]})
    shuffled = random.sample(tracks, len(tracks))
    assert to_table(collect_tracks(READ_TRACKS.frame(shuffled)), TRACK_METADATA).equals(known)
    halves = [distinct_tracks(READ_TRACKS.frame(part)) for part in (shuffled[::2], shuffled[1::2])]
    assert to_table(collect_tracks(pl.concat(halves)), TRACK_METADATA).equals(known)


def test_what_is_missing_is_filled_as_declared() -> None:
    tracks = READ_TRACKS.frame(
        [
            {"track_id": "a", "title": "", "artist_id": "q", "genres": [None, "pop"], "duration_ms": 0},
            {"track_id": "b", "title": "B", "artist_name": "Pia", "release_date": date(2020, 1, 1), "duration_ms": 7},
            {"track_id": "c", "artist_id": "q", "artist_name": "Quentin", "genres": []},
        ]
    )
    known = collect_tracks(tracks)
    assert known["title"].to_list() == ["a", "B", "c"]
    assert known["artist_name"].to_list() == ["q", "Pia", "Quentin"]
    assert known["artist_id"].to_list() == ["q", "Pia", "q"] and known["artist"].to_list() == [1, 0, 1]
    assert known["genre_name"].to_list() == ["pop", None, None] and known["genre"].to_list() == [0, None, None]
    assert known["duration_ms"].to_list() == [None, 7, None]


def test_a_null_in_the_markets_names_no_market() -> None:
    markets = [None, [], [None], ["SE", None, "NO"]]
    tracks = READ_TRACKS.frame([{"track_id": f"t{place}", "markets": given} for place, given in enumerate(markets)])
    assert collect_tracks(tracks)["markets"].to_list() == [None, [], [], ["SE", "NO"]]


def test_without_a_table_the_tracks_are_those_of_kept_events() -> None:
    good = {"user_id": "u", "played_at": AS_OF.replace(year=2025), "action": "play"}
    events = [{**good, "track_id": "b"}, {**good, "track_id": "a"}, {**good, "track_id": "b"}]
    events += [{**good, "track_id": "future", "played_at": AS_OF}, {**good, "track_id": "nobody", "user_id": None}]
    checked = clean_events(EVENT_ROWS.frame(events), as_of=AS_OF, track_codes=None, max_user_events=MAX_USER_EVENTS)
    assert collect_tracks(tracks_of_events(checked))["track_id"].to_list() == ["a", "b"]


def test_names_are_truncated_and_have_no_control_characters() -> None:
    escape = "\x1b[31mred\x00\r\n\u2028"
    rows = [
        {"track_id": "a", "title": "x" * 10_000_000, "artist_id": "1", "artist_name": escape, "genres": ["g" * 1_000]},
        {"track_id": "b", "title": escape},
    ]
    known = collect_tracks(READ_TRACKS.frame(rows))
    assert known["title"].str.len_chars().to_list() == [300, len(escape)]
    assert known["genre_name"].str.len_chars().to_list() == [300, None]
    assert known["title"][1] == known["artist_name"][0] == " [31mred    "


def test_the_stage_writes_the_tracks_of_all_tables(tmp_path: Path) -> None:
    tracks = tracks_of(12)

    def build(root: beam.Pipeline) -> beam.PCollection:
        tables = tables_of(root, "tracks", READ_TRACKS, [tracks[6:], tracks[:8]])
        return tables | CollectTracks(str(tmp_path / "tracks"))

    (path,) = run_graph(build)
    assert Path(path).parent == tmp_path / "tracks"
    assert to_table(open_tracks(path), TRACK_METADATA).equals(to_table(collect_tracks(tracks), TRACK_METADATA))
