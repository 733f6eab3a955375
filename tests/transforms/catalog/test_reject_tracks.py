"""Rows of the track table: those that do not count have a reason, and the others are the tracks of the catalog."""

from collections import Counter
from typing import Any

import apache_beam as beam
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graphs, tables_of
from transforms.catalog.collect_tracks import distinct_tracks
from transforms.catalog.reject_tracks import REJECTED_TRACKS, TRACK_REASONS, RejectTracks, drop_vectors, reject_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.tables.columns import to_table

PUBLISHED = [name for name in REJECTED_TRACKS.names if name != "reason"]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "track_id": st.none() | st.sampled_from(["", "a", "b", "ä"]),
            "title": st.none() | st.sampled_from(["", "x", "y"]),
            "genres": st.none() | st.lists(st.none() | st.sampled_from(["pop", "rock"]), max_size=2),
            "vector": st.none() | st.sampled_from([[1.0, 2.0], [2.0, 1.0], []]),
        }
    ),
    max_size=12,
)


@given(rows)
def test_every_row_is_a_track_of_the_catalog_or_rejected(tracks: list[dict[str, Any]]) -> None:
    frame = READ_TRACKS.frame(tracks)
    rejected = to_table(reject_tracks(drop_vectors(frame)), REJECTED_TRACKS).to_pylist()
    for row in rejected:
        assert row["reason"] == TRACK_REASONS[bool(row["track_id"])]
    left = Counter(frame.select(PUBLISHED).iter_rows())
    left.subtract(tuple(row[name] for name in PUBLISHED) for row in rejected)
    assert +left == Counter(distinct_tracks(frame).select(PUBLISHED).iter_rows())
    assert min(left.values(), default=0) >= 0


def test_the_stage_brings_the_rows_of_a_track_together() -> None:
    def graph(root: beam.Pipeline) -> Any:
        tracks = [{"track_id": "t", "title": "b"}, {"title": "x"}, {"track_id": "t", "title": "a", "vector": [1.0]}]
        tables = tables_of(root, "Tracks", READ_TRACKS, [READ_TRACKS.frame([row]) for row in tracks])
        return (tables | RejectTracks(3),)

    (rejected,) = run_graphs(graph)
    found = joined(rejected).select("track_id", "title", "reason").rows()
    assert set(found) == {("t", "b", "repeated_track"), (None, "x", "missing_track")}
