from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.inputs.column_mapping import parse_mapping
from pipelines.inputs.input_files import find_files
from pipelines.inputs.inputs import inspect_input
from pipelines.options.options import UsageError
from transforms.events.impressions import IMPRESSIONS
from transforms.reading.source_columns import SourceColumn
from transforms.tables.columns import Schema
from transforms.tables.schemas import EVENTS, TRACKS

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def write(path: Path, *days: int | None, statistics: bool = True, **types: pl.DataType) -> Path:
    times = [None if day is None else NOW + timedelta(days=day) for day in days]
    frame = pl.DataFrame({"user_id": ["u"] * len(days), "track_id": ["t"] * len(days), "played_at": times})
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pl.Datetime("us", "UTC")
    frame.cast({"played_at": kind, "user_id": pl.String}).write_parquet(path, statistics=statistics, row_group_size=2)
    return path


def test_a_folder_whose_name_ends_in_parquet(tmp_path: Path) -> None:
    # what Spark and Dask write
    path = write(tmp_path / "events.parquet" / "part-0.snappy.parquet", 0)
    assert [file.path for file in find_files("events", str(tmp_path / "events.parquet")).files] == [str(path)]


def test_a_file_of_another_name_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "events.parquet", 0).rename(tmp_path / "part-0")
    assert inspect_input("events", str(path), "", schema=EVENTS).num_rows == 1


def test_unfinished_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    home = tmp_path / ".data"
    path = write(home / "part-0.parquet", 0)
    for name in ("_temporary/0/part-1.parquet", ".part-2.parquet", ".trash/part-3.parquet"):
        write(home / name, 0)
    asked_for = home / "_temporary" / "0"
    expected = {home: path, home / "*.parquet": path, asked_for: asked_for / "part-1.parquet"}
    for given, read in expected.items():
        assert [file.path for file in find_files("events", str(given)).files] == [str(read)]


def test_a_file_without_row_groups_is_empty(tmp_path: Path) -> None:
    pq.ParquetWriter(tmp_path / "e.parquet", EVENTS.arrow).close()
    found = inspect_input("events", str(tmp_path), "", schema=EVENTS)
    assert (found.row_groups, found.num_rows, found.num_files) == ((), 0, 1)


def test_a_mapping_is_read() -> None:
    text = "played_at:timestamp, ms_played:playtime_s*1000,arrived_at:e@mail@ms,action:"
    assert parse_mapping("events_columns", text, EVENTS) == {
        "played_at": SourceColumn("timestamp"),
        "ms_played": SourceColumn("playtime_s", 1000.0),
        "arrived_at": SourceColumn("e@mail", 1000.0),
        "action": SourceColumn(""),
    }
    text = "genres:tags@split(|),markets:m@split(,), vector:v@split( ),track_id:track.id,explicit:"
    assert parse_mapping("tracks_columns", text, TRACKS) == {
        "genres": SourceColumn("tags", None, "|"),
        "markets": SourceColumn("m", None, ","),
        "vector": SourceColumn("v", None, " "),
        "track_id": SourceColumn("track.id"),
        "explicit": SourceColumn(""),
    }


@pytest.mark.parametrize(
    "text",
    [
        "played_at",
        "played_at:",
        ":ts",
        "ms_played:s*",
        "ms_played:s*0",
        "user_id:u*2",
        "x:y",
        "ms_played:s@s",
        "played_at:ts@h",
        "ms_played:@s",
        "action:a@split(|)",
        "user_id:u@split(",
        "user_id:u@split()",
        "ms_played:*2",
    ],
)
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--events_columns"):
        parse_mapping("events_columns", text, EVENTS)


def test_one_file_of_another_schema_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 0)
    pl.DataFrame({"user_id": ["u"], "track_id": [True], "played_at": [NOW]}).write_parquet(tmp_path / "b.parquet")
    line = r"b\.parquet: column 'track_id' is bool, but track_id must be string; --events_columns=track_id:THEIRS"
    with pytest.raises(UsageError, match=line):
        inspect_input("events", str(tmp_path), "", schema=EVENTS)


def test_times_as_numbers_without_a_unit_are_told_how_to_give_it(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["u"], "track_id": ["t"], "ts": [1_767_268_800]}).write_parquet(tmp_path / "e.parquet")
    line = r"'ts' is int64, but played_at must be timestamp.*; --events_columns=played_at:ts@s \(or @ms, @us, @ns\)"
    with pytest.raises(UsageError, match=line):
        inspect_input("events", str(tmp_path), "played_at:ts", schema=EVENTS)
    assert inspect_input("events", str(tmp_path), "played_at:ts@s", schema=EVENTS).num_rows == 1


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    columns = [pa.array(["u"]), pa.array(["u"]), pa.array(["t"]), pa.array([NOW])]
    events = pa.Table.from_arrays(columns, names=["user_id", "user_id", "track_id", "played_at"])
    pq.write_table(events, tmp_path / "e.parquet")
    with pytest.raises(UsageError, match=r"e\.parquet: more than one column 'user_id'"):
        inspect_input("events", str(tmp_path), "", schema=EVENTS)


def test_impressions_need_no_column_that_no_stage_reads(tmp_path: Path) -> None:
    rows = {"user_id": ["a"], "track_id": ["b"], "shown_at": [datetime(2026, 1, 1, tzinfo=timezone.utc)]}
    pl.DataFrame(rows).write_parquet(tmp_path / "impressions.parquet")
    found = inspect_input("impressions", str(tmp_path), "", schema=IMPRESSIONS)
    assert found.num_rows == 1


@pytest.mark.parametrize(
    ("name", "content", "mapping", "line"),
    [
        (
            "e.csv",
            "user_id,track_id\nu,t\n",
            "",
            r"e\.csv: no column 'played_at' .*; it has user_id, track_id; --tr",
        ),
        ("e.csv", "user_id;track_id\n", "", r"no column 'track_id' .*; it has user_id;track_id"),
        ("e.csv", "track_id,released\n", "release_date:day", r"no column 'day' .*; it has track_id, released"),
        ("e.csv", "track_id,genres\nt,a|b\n", "", r"'genres' is string, .*=genres:genres@split\(\|\) splits its text"),
        ("e.jsonl", '{"track_id": {"id": "a"}}\n', "", r"'track_id' is struct.*=track_id:track_id.FIELD .*\(id\)"),
        ("e.jsonl", '{"id": "a"}\n', "", r"no column 'track_id' .*; it has id"),
        ("e.jsonl", '{"track_id": "a", "genres": "a"}\n', "", r"'genres' is string, but genres must be list"),
        ("e.jsonl", '{"track_id": "a", "genres": ["a"]}\n', "genres:genres@split(,)", r"'genres' is list"),
        ("e.jsonl", '{"track_id": "a"}\n{"track_id"', "", r"e\.jsonl: not a readable JSON Lines file: line 2: "),
        ("e.csv.gz", "track_id\n", "", r"e\.csv\.gz: not a readable CSV file: "),
    ],
)
def test_what_is_wrong_with_a_text_file_is_one_line(
    tmp_path: Path, name: str, content: str, mapping: str, line: str
) -> None:
    (tmp_path / name).write_text(content)
    schema = replace_required(TRACKS, "played_at" in line)
    with pytest.raises(UsageError, match=line) as caught:
        inspect_input("tracks", str(tmp_path), mapping, schema=schema)
    assert "\n" not in str(caught.value)


def replace_required(schema: Schema, needs_time: bool) -> Schema:
    return schema.extended("t", EVENTS["played_at"]) if needs_time else schema


def test_a_time_of_text_that_is_a_number_is_told_how_to_give_its_unit(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("user_id,track_id,ts\nu,t,1767268800\n")
    with pytest.raises(UsageError, match=r"'ts' is int64, but .*--events_columns=played_at:ts@s \(or @ms, @us, @ns\)"):
        inspect_input("events", str(tmp_path), "played_at:ts", schema=EVENTS)
    found = inspect_input("events", str(tmp_path), "played_at:ts@s", schema=EVENTS)
    assert (found.num_rows, len(found.row_groups), found.num_files) == (1, 1, 1)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_json_lines_without_a_line_are_an_empty_table(tmp_path: Path, content: str) -> None:
    (tmp_path / "e.jsonl").write_text(content)
    assert inspect_input("events", str(tmp_path), "", schema=EVENTS).num_rows == 0
