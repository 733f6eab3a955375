"""Lists of other recommenders in the form of our own."""

from datetime import date

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF
from transforms.evaluation.encode_lists import (
    LIST_ROWS,
    EncodeLists,
    UnknownTracksError,
    encode_lists,
    renumber_ranks,
)
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import Schema, to_frame, to_table
from transforms.tables.schemas import CATALOG, TRACK_CODES


def given(rows: list[tuple[str, int, object]]) -> pl.DataFrame:
    frame = LIST_ROWS.frame(
        [{"user_id": "a", "track_id": track, "rank": rank, "cutoff_at": cutoff_at} for track, rank, cutoff_at in rows]
    )
    return to_frame(to_table(frame, LIST_ROWS))


KNOWN = pl.DataFrame(
    {"track_id": ["s", "t"], "track": pl.Series([0, 1], dtype=pl.Int32), "release_date": [None, date(2026, 2, 1)]}
)


def test_only_the_rows_of_the_cutoff_count() -> None:
    other = AS_OF.replace(year=2025)
    coded = encode_lists(given([("s", 3, AS_OF), ("s", 1, other)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)
    assert coded.select("user_id", "system", "track", "rank").rows() == [("a", "x", 0, 3)]
    to_table(coded, EVALUATION_ROWS)
    assert len(encode_lists(given([("s", 3, None)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)) == 1
    assert encode_lists(given([]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN).is_empty()


def test_lists_of_others_are_numbered_and_name_a_track_once() -> None:
    known = pl.DataFrame(
        {"track_id": list("rstu"), "track": pl.Series([0, 1, 2, 3], dtype=pl.Int32), "release_date": [None] * 4},
        schema_overrides={"release_date": pl.Date},
    )
    rows = given([("s", 7, AS_OF), ("t", 3, AS_OF), ("s", -2, AS_OF), ("u", 3, AS_OF), ("r", 9, AS_OF)])
    numbered = renumber_ranks(encode_lists(rows, system="x", cutoff_at=AS_OF, known_tracks=known))
    assert numbered.select("track", "rank").rows() == [(1, 0), (2, 1), (3, 2), (0, 3)]
    to_table(numbered, EVALUATION_ROWS)


@pytest.mark.parametrize("track", ["t", "u"])
def test_tracks_that_nobody_could_know_are_refused(track: str) -> None:
    with pytest.raises(
        UnknownTracksError, match=f"list 'x': 1 tracks, such as '{track}', were not known on 2026-01-01"
    ):
        encode_lists(given([("s", 0, AS_OF), (track, 1, AS_OF)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)


def test_the_stage_brings_a_users_list_together_from_several_files() -> None:
    known_tracks = Schema("known_tracks", (*TRACK_CODES.columns, CATALOG["release_date"]))
    other = AS_OF.replace(year=2020)
    keys = ("user_id", "track_id", "rank", "cutoff_at")
    rows = [("ann", "s", 4, AS_OF), ("bob", "s", 1, AS_OF), ("ann", "t", 2, AS_OF), ("ann", "s", 1, None)]
    frames = [LIST_ROWS.frame([dict(zip(keys, row, strict=True))]) for row in (*rows, ("bob", "t", 0, other))]
    known = KNOWN.with_columns(release_date=pl.lit(None, pl.Date))

    def build(root: beam.Pipeline) -> beam.PCollection:
        opened = Opened(tables_of(root, "known", known_tracks, [known]), open_frame)
        return tables_of(root, "lists", LIST_ROWS, frames) | EncodeLists("x", AS_OF, opened, num_buckets=3)

    lists = joined(run_graph(build)).sort("user_id", "rank")
    assert lists.select("user_id", "system", "track", "rank").rows() == [
        ("ann", "x", 0, 0),
        ("ann", "x", 1, 1),
        ("bob", "x", 0, 0),
    ]
