"""Which tracks are copies of one recording, against a plain loop."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.collect_tracks import collect_tracks
from transforms.catalog.track_codes import READ_TRACKS

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from([None, "", "Song", "SONG ", "Other"]),
            "artist_id": st.sampled_from([None, "a", "b"]),
            "duration_ms": st.sampled_from([None, 0, 100_000, 101_500, 103_000, 180_000]),
            "explicit": st.sampled_from([None, False, True]),
            "release_date": st.sampled_from([None, date(2020, 1, 1), date(2030, 1, 1)]),
            "recording_id": st.sampled_from([None, None, " ", "x", "X", "y"]),
        }
    ),
    max_size=8,
)


def are_copies(one: dict, other: dict, match_names: bool) -> bool:  # type: ignore[type-arg]
    ids = [(row["recording_id"] or "").strip().lower() for row in (one, other)]
    if any(ids) or not match_names:
        return bool(ids[0]) and ids[0] == ids[1]
    names = [((row["title"] or "").strip().lower(), row["artist_id"], bool(row["explicit"])) for row in (one, other)]
    lengths = [row["duration_ms"] or 0 for row in (one, other)]
    is_named = all(names[0][:2]) and all(lengths)
    return is_named and names[0] == names[1] and abs(lengths[0] - lengths[1]) <= 2_000


@given(ROWS, st.booleans())
def test_copies_are_those_of_a_plain_loop(rows: list[dict], match_names: bool) -> None:  # type: ignore[type-arg]
    of = list(range(len(rows)))
    for one, row in enumerate(rows):
        for other in range(one):
            if are_copies(row, rows[other], match_names):
                old, new = of[one], of[other]
                of = [new if group == old else group for group in of]
    frame = READ_TRACKS.frame([{**row, "track_id": f"t{place}"} for place, row in enumerate(rows)])
    found = collect_tracks(frame, match_names=match_names)["recording"].to_list()
    for place, group in enumerate(of):
        copies = [other for other in range(len(rows)) if of[other] == group]
        first = min(copies, key=lambda code: (rows[code]["release_date"] or date.min, code))
        assert found[place] == first


@pytest.mark.parametrize("match_names", [True, False])
def test_without_a_track_table_nothing_is_a_copy(match_names: bool) -> None:
    tracks = READ_TRACKS.frame([{"track_id": "a"}, {"track_id": "b"}])
    assert collect_tracks(tracks, match_names=match_names)["recording"].to_list() == [0, 1]
