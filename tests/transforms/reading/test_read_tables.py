import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from transforms.catalog.track_codes import READ_TRACKS
from transforms.events.impressions import IMPRESSION_ROWS
from transforms.reading.read_tables import ReadTables, read_row_group, unreadable_values
from transforms.reading.source_columns import RowGroup, SourceColumn
from transforms.tables.columns import Schema
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import stat_file
from transforms.tables.schemas import EVENT_ROWS, USER_ROWS

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
YEAR_1, YEAR_9999 = (datetime(*day, tzinfo=timezone.utc) for day in ((1, 1, 1), (9999, 12, 31)))


def row_group(path: Path, group: int = 0) -> RowGroup:
    return RowGroup(0, stat_file(str(path)), group, pq.read_metadata(path).row_group(group).num_rows)


def read(path: Path, schema=EVENT_ROWS, **column_mapping: SourceColumn) -> list[dict]:  # type: ignore[no-untyped-def,type-arg]
    tables = list(read_row_group(row_group(path), schema=schema, column_mapping=column_mapping))
    assert all(table.schema == schema.arrow for table in tables)
    return pa.concat_tables(tables).to_pylist()  # type: ignore[no-any-return]


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=lambda kind: str(kind),
)
def test_strings_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array(["ü", None, ""], pa.string()).cast(kind)
    rows = read(write(tmp_path / "e.parquet", user_id=ids, track_id=ids, played_at=pa.array([NOON] * 3)))
    assert [row["user_id"] for row in rows] == ["ü", None, None]
    assert rows[0]["ms_played"] is None and rows[0]["action"] is None and rows[0]["arrived_at"] is None
    tracks = read(write(tmp_path / "t.parquet", track_id=ids, title=ids), READ_TRACKS)
    assert [row["title"] for row in tracks] == ["ü", None, None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([NOON], pa.timestamp("ms", tz="UTC")), NOON),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")), NOON),
        (pa.array([NOON], pa.timestamp("ns", tz="America/New_York")), NOON),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), NOON),
        (pa.array([1767268800000000999], pa.timestamp("ns", tz="UTC")), NOON),
        (pa.array([2**62], pa.timestamp("ms", tz="UTC")), YEAR_9999),
        (pa.array([2**62], pa.timestamp("us")), YEAR_9999),
        (pa.array([-(2**62)], pa.timestamp("ms", tz="Asia/Tokyo")), YEAR_1),
        (pa.nulls(1), None),
        (pa.nulls(1, pa.timestamp("ms")), None),
    ],
)
def test_times_of_every_kind(tmp_path: Path, values: pa.Array, expected: datetime | None) -> None:
    (row,) = read(write(tmp_path / "e.parquet", user_id=["u"], track_id=["t"], played_at=values, arrived_at=values))
    assert row["played_at"] == row["arrived_at"] == expected


def test_times_as_old_spark_writes_them(tmp_path: Path) -> None:
    events = pa.table({"user_id": ["u"], "track_id": ["t"], "played_at": [NOON]})
    pq.write_table(events, tmp_path / "e.parquet", use_deprecated_int96_timestamps=True)
    assert read(tmp_path / "e.parquet")[0]["played_at"] == NOON


@pytest.mark.parametrize(
    ("values", "factor", "expected"),
    [
        (pa.array([3, None], pa.int32()), 1000, [3000, None]),
        (pa.array([3, 2**64 - 1], pa.uint64()), 1, [3, 2**62]),
        (pa.array([2.5006, float("nan"), float("inf")], pa.float64()), 1000, [2501, None, None]),
        (pa.array([1e300, -1e300], pa.float64()), 1, [2**62, -(2**62)]),
        (pa.array([2**63 - 1], pa.int64()), 1000, [2**62]),
    ],
)
def test_numbers_are_scaled_and_rounded(tmp_path: Path, values: pa.Array, factor: float, expected: list) -> None:  # type: ignore[type-arg]
    ids = ["u"] * len(values)
    path = write(tmp_path / "e.parquet", user_id=ids, track_id=ids, played_at=[NOON] * len(values), seconds=values)
    assert [row["ms_played"] for row in read(path, ms_played=SourceColumn("seconds", factor))] == expected


def test_a_renamed_column_wins_over_one_of_our_name(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", user_id=["u"], track_id=["t"], played_at=["nonsense"], ts=[NOON])
    assert read(path, played_at=SourceColumn("ts"))[0]["played_at"] == NOON


@pytest.mark.parametrize("schema", [EVENT_ROWS, READ_TRACKS], ids=lambda schema: schema.name)
def test_columns_without_a_type_are_null(tmp_path: Path, schema: Schema) -> None:
    # what pandas writes for a column of None
    path = write(tmp_path / "n.parquet", **{name: pa.nulls(2) for name in schema.names})
    assert read(path, schema) == [dict.fromkeys(schema.names)] * 2


def test_extra_columns_and_empty_files(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", user_id=["u"], track_id=["t"], played_at=[NOON], mood=["blue"])
    assert list(read(path)[0]) == EVENT_ROWS.names
    pq.write_table(pq.read_table(path).slice(0, 0), tmp_path / "none.parquet")
    for group in range(pq.read_metadata(tmp_path / "none.parquet").num_row_groups):
        tables = read_row_group(row_group(tmp_path / "none.parquet", group), schema=EVENT_ROWS, column_mapping={})
        assert sum(len(table) for table in tables) == 0


def test_text_that_is_no_utf8_names_the_file(tmp_path: Path) -> None:
    # Arrow and Polars pass it on; whoever reads the pages would fail
    binary = [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    ids = pa.Array.from_buffers(pa.string(), 1, binary)
    with pytest.raises(UnreadableFileError, match=r"e\.parquet, row group 0.*UTF8"):
        read(write(tmp_path / "e.parquet", user_id=ids, track_id=["t"], played_at=[NOON]))


def test_lists_and_dates(tmp_path: Path) -> None:
    columns = {"track_id": ["t"], "genres": [["pop"]], "release_date": [date(2020, 1, 2)], "duration_ms": [1.0]}
    (row,) = read(write(tmp_path / "t.parquet", **columns), READ_TRACKS)
    assert (row["genres"], row["release_date"], row["duration_ms"]) == (["pop"], date(2020, 1, 2), 1)


def test_a_page_that_breaks_while_reading_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", user_id=["u"] * 5000, track_id=["t"] * 5000, played_at=[NOON] * 5000)
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"e\.parquet, row group 0"):
        read(path)


def test_all_row_groups_are_read(tmp_path: Path) -> None:
    ids = [f"u{n}" for n in range(10)]
    times = [NOON + timedelta(hours=n) for n in range(10)]
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"user_id": ids, "track_id": ids, "played_at": times}), path, row_group_size=4)
    row_groups = [row_group(path, number) for number in range(3)]
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
        tables = root | ReadTables(row_groups, EVENT_ROWS, {})
        users = tables | beam.FlatMapTuple(lambda _, table: table.column("user_id").to_pylist())
        assert_that(users, equal_to(ids))


@pytest.mark.parametrize("num_rows", [0, 1, 999, 1000, 1001])
@pytest.mark.parametrize("at", ["start", "end"])
def test_a_file_that_changes_while_the_run_is_at_work_is_not_read(tmp_path: Path, num_rows: int, at: str) -> None:
    path = write(tmp_path / "e.parquet", user_id=["u"] * 1000, track_id=["t"] * 1000, played_at=[NOON] * 1000)
    before = row_group(path)
    tables = read_row_group(before, schema=EVENT_ROWS, column_mapping={})
    if at == "end":
        assert next(tables).num_rows == 1000
    later = write(tmp_path / "new", user_id=["u"] * num_rows, track_id=["t"] * num_rows, played_at=[NOON] * num_rows)
    os.utime(later, (before.file.modified, before.file.modified + (num_rows == 1000 or at == "end")))
    later.replace(path)
    with pytest.raises(UnreadableFileError, match=r"e\.parquet, row group 0: the file changed"):
        list(tables)


def test_a_footer_with_fewer_rows_than_were_there_is_not_read(tmp_path: Path) -> None:
    # on a store that tells no time of change, say
    path = write(tmp_path / "e.parquet", user_id=["u"], track_id=["t"], played_at=[NOON])
    for before in (row_group(path)._replace(rows=2), row_group(path)._replace(group=1)):
        with pytest.raises(UnreadableFileError, match="the file changed"):
            list(read_row_group(before, schema=EVENT_ROWS, column_mapping={}))


TRACK = {
    "track_id": "007",
    "title": "a, b",
    "genres": ["pop", "rock"],
    "release_date": date(2004, 5, 1),
    "duration_ms": 219_700,
    "explicit": True,
    "markets": [],
    "vector": [0.5, 1.0],
}
ONE_TRACK = [
    (
        "t.csv",
        'id,title,tags,day,s,explicit,markets,v\n007,"a, b",pop | rock,2004-05,219.7,1,"",0.5 1\n',
        {
            "genres": SourceColumn("tags", None, "|"),
            "markets": SourceColumn("markets", None, "|"),
            "vector": SourceColumn("v", None, " "),
            "duration_ms": SourceColumn("s", 1000.0),
        },
    ),
    (
        "t.jsonl",
        '{"id": "007", "title": "a, b", "genres": ["pop", "rock"], "day": "2004-05", "duration_ms": 219700,'
        ' "explicit": 1, "markets": [], "vector": [0.5, 1]}\n',
        {},
    ),
]


@pytest.mark.parametrize(("name", "content", "mapping"), ONE_TRACK)
def test_tracks_of_text_files(tmp_path: Path, name: str, content: str, mapping: dict[str, SourceColumn]) -> None:
    (tmp_path / name).write_text(content)
    one = RowGroup(0, stat_file(str(tmp_path / name)), 0, 1)
    named = {"track_id": SourceColumn("id"), "release_date": SourceColumn("day"), **mapping}
    (table,) = read_row_group(one, schema=READ_TRACKS, column_mapping=named)
    assert {name: value for name, value in table.to_pylist()[0].items() if value is not None} == TRACK


def test_text_where_lists_were_expected_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track_id,genres\nt,\nu,pop\n")
    with pytest.raises(UnreadableFileError, match=r"t\.csv: the column is string and must be list.*@split"):
        list(
            read_row_group(RowGroup(0, stat_file(str(tmp_path / "t.csv")), 0, 2), schema=READ_TRACKS, column_mapping={})
        )


@pytest.mark.parametrize("schema", [EVENT_ROWS, READ_TRACKS, USER_ROWS, IMPRESSION_ROWS], ids=lambda one: one.name)
@pytest.mark.parametrize(("name", "content"), [("x.csv", "id\nu\n"), ("x.jsonl", '{"id": "u"}\n{"a": 1}\n')])
def test_columns_that_a_text_file_lacks_are_null(tmp_path: Path, name: str, content: str, schema: Schema) -> None:
    (tmp_path / name).write_text(content)
    one = RowGroup(0, stat_file(str(tmp_path / name)), 0, 2 if "json" in name else 1)
    key = schema.names[0]
    (table,) = read_row_group(one, schema=schema, column_mapping={key: SourceColumn("id")})
    assert table.schema == schema.arrow and table.to_pylist()[0] == {**dict.fromkeys(schema.names), key: "u"}


@pytest.mark.parametrize("end", [".csv", ".csv.gz", ".jsonl.zst"])
@pytest.mark.parametrize("num_rows", [0, 1, 999, 1001])
@pytest.mark.parametrize("at", ["start", "end"])
def test_a_text_file_that_changes_is_not_read(tmp_path: Path, end: str, num_rows: int, at: str) -> None:
    path, later = tmp_path / f"e{end}", tmp_path / f"later{end}"
    for one, rows in ((path, 1000), (later, num_rows)):
        frame = pl.DataFrame({"user_id": ["u"] * rows, "track_id": ["t"] * rows, "played_at": ["2026-01-01"] * rows})
        content = (frame.write_csv() if ".csv" in end else frame.write_ndjson()).encode()
        one.write_bytes(compressed(content, end))
    before = RowGroup(0, stat_file(str(path)), 0, 1000)
    tables = read_row_group(before, schema=EVENT_ROWS, column_mapping={})
    if at == "end":
        assert next(tables).num_rows == 1000
    later.replace(path)
    with pytest.raises(UnreadableFileError, match=r"e\.(csv|jsonl).*: the file changed"):
        list(tables)
    # and on a store that tells no time of change
    with pytest.raises(UnreadableFileError, match="the file changed"):
        list(read_row_group(before._replace(file=stat_file(str(path))), schema=EVENT_ROWS, column_mapping={}))


def compressed(content: bytes, end: str) -> bytes:
    codec = {"gz": "gzip", "zst": "zstd"}.get(end.rpartition(".")[2])
    return pa.compress(content, codec, asbytes=True) if codec else content  # type: ignore[no-any-return]


def test_fields_within_columns(tmp_path: Path) -> None:
    tracks = pa.array([{"id": "a", "at": {"played": NOON}}, None, {"id": None, "at": None}])
    path = write(tmp_path / "e.parquet", user_id=["u"] * 3, track=tracks, **{"by.name": ["x", "y", "z"]})
    found = read(
        path,
        track_id=SourceColumn("track.id"),
        played_at=SourceColumn("track.at.played"),
        action=SourceColumn("by.name"),
    )
    assert [(row["track_id"], row["played_at"], row["action"]) for row in found] == [
        ("a", NOON, "x"),
        (None, None, "y"),
        (None, None, "z"),
    ]


def test_values_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    ids, times = ["u"] * 4, [NOON.isoformat(), "noon", "", None]
    path = write(tmp_path / "e.parquet", user_id=ids, track_id=ids, played_at=times, ms_played=["1", "x", "y", None])
    (table,) = read_row_group(row_group(path), schema=EVENT_ROWS, column_mapping={})
    assert unreadable_values(table) == {"played_at": 1, "ms_played": 2}
    assert table.column("played_at").null_count == 3
    one = row_group(path)._replace(partitions=(("arrived_at", "yesterday"), ("ms_played", "long"), ("action", "like")))
    (table,) = read_row_group(one, schema=EVENT_ROWS, column_mapping={})
    assert unreadable_values(table) == {"played_at": 1, "ms_played": 3, "arrived_at": 4}
