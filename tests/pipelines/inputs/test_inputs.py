from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.inputs.inputs import default_as_of, find_files, inspect_input, parse_mapping
from pipelines.options.options import UsageError
from transforms.tables.read_tables import RowGroup, SourceColumn
from transforms.tables.schemas import EVENTS, IMPRESSIONS

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def write(path: Path, *days: int | None, statistics: bool = True, **types: pl.DataType) -> Path:
    times = [None if day is None else NOW + timedelta(days=day) for day in days]
    frame = pl.DataFrame({"user_id": ["u"] * len(days), "track_id": ["t"] * len(days), "played_at": times})
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pl.Datetime("us", "UTC")
    frame.cast({"played_at": kind, "user_id": pl.String}).write_parquet(path, statistics=statistics, row_group_size=2)
    return path


def test_files_of_folders_patterns_and_lists(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a" / "x.parquet", 0), write(tmp_path / "a" / "day=1" / "y.parquet", 0)
    (tmp_path / "a" / "_SUCCESS").touch()
    assert find_files("events", str(tmp_path / "a")) == sorted([str(one), str(two)])
    assert find_files("events", f"{tmp_path}/a/") == sorted([str(one), str(two)])
    assert find_files("events", f"{tmp_path}/a/*.parquet, {two}") == sorted([str(one), str(two)])
    assert find_files("events", str(one)) == [str(one)]
    with pytest.raises(UsageError, match="no Parquet file there"):
        find_files("events", f"{tmp_path}/b")


def test_names_with_spaces_and_other_alphabets(tmp_path: Path) -> None:
    path = write(tmp_path / "zwei Wörter" / "日本.parquet", 0)
    assert find_files("events", str(tmp_path / "zwei Wörter")) == [str(path)]


def test_a_folder_whose_name_ends_in_parquet(tmp_path: Path) -> None:
    # what Spark and Dask write
    path = write(tmp_path / "events.parquet" / "part-0.snappy.parquet", 0)
    assert find_files("events", str(tmp_path / "events.parquet")) == [str(path)]


def test_a_file_of_another_name_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "events.parquet", 0).rename(tmp_path / "part-0")
    assert inspect_input("events", str(path), "", schema=EVENTS).num_rows == 1


def test_unfinished_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    home = tmp_path / ".data"
    path = write(home / "part-0.parquet", 0)
    for name in ("_temporary/0/part-1.parquet", ".part-2.parquet", ".trash/part-3.parquet"):
        write(home / name, 0)
    assert find_files("events", str(home)) == find_files("events", f"{home}/*.parquet") == [str(path)]
    asked_for = home / "_temporary" / "0"
    assert find_files("events", str(asked_for)) == [str(asked_for / "part-1.parquet")]


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("ns", 1_780_272_000_000_000_999, NOW),
        ("ms", 2**62, datetime(9999, 12, 31, tzinfo=timezone.utc)),
        ("us", -(2**62), datetime(1, 1, 1, tzinfo=timezone.utc)),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("statistics", [True, False])
def test_the_newest_time_need_not_be_one_of_python(
    tmp_path: Path, unit: str, number: int, expected: datetime, zone: str | None, statistics: bool
) -> None:
    times = pa.array([number, None], pa.timestamp(unit, tz=zone))
    events = pa.table({"user_id": ["u", "u"], "track_id": ["t", "t"], "played_at": times})
    pq.write_table(events, tmp_path / "e.parquet", write_statistics=statistics)
    found = inspect_input("events", str(tmp_path), "", schema=EVENTS, newest="played_at").newest
    assert found == expected and found.tzinfo is timezone.utc


@pytest.mark.parametrize("num_rows", [0, 2])
def test_times_without_a_type_have_no_newest(tmp_path: Path, num_rows: int) -> None:
    ids = pa.array(["u"] * num_rows, pa.string())
    events = pa.table({"user_id": ids, "track_id": ids, "played_at": pa.nulls(num_rows)})
    pq.write_table(events, tmp_path / "e.parquet")
    assert inspect_input("events", str(tmp_path), "", schema=EVENTS, newest="played_at").newest is None


def test_a_file_without_row_groups_is_empty(tmp_path: Path) -> None:
    pq.ParquetWriter(tmp_path / "e.parquet", EVENTS.arrow).close()
    found = inspect_input("events", str(tmp_path), "", schema=EVENTS, newest="played_at")
    assert (found.row_groups, found.num_rows, found.newest) == ((), 0, None)


@pytest.mark.parametrize("statistics", [True, False])
def test_the_newest_event_is_found_in_every_file(tmp_path: Path, statistics: bool) -> None:
    write(tmp_path / "a.parquet", -3, None, -1, -2, statistics=statistics)
    write(tmp_path / "b.parquet", None, None, statistics=statistics)
    write(tmp_path / "c.parquet", statistics=statistics)
    found = inspect_input("events", str(tmp_path), "", schema=EVENTS, newest="played_at")
    assert found.newest == NOW - timedelta(days=1) and found.num_rows == 6
    assert [piece.number for piece in found.row_groups] == list(range(len(found.row_groups)))
    assert RowGroup(0, str(tmp_path / "a.parquet"), 0) in found.row_groups


def test_as_of_is_just_after_the_newest_event() -> None:
    assert default_as_of(NOW, now=NOW) == NOW + timedelta(microseconds=1)
    with pytest.raises(UsageError, match="in the future"):
        default_as_of(NOW + timedelta(days=2), now=NOW)
    with pytest.raises(UsageError, match="no event has a time"):
        default_as_of(None, now=NOW)


def test_a_mapping_is_read() -> None:
    found = parse_mapping("events_columns", "played_at:timestamp, ms_played:playtime_s*1000", EVENTS)
    assert found == {"played_at": SourceColumn("timestamp"), "ms_played": SourceColumn("playtime_s", 1000.0)}


@pytest.mark.parametrize(
    "text", ["played_at", "played_at:", ":ts", "ms_played:s*", "ms_played:s*0", "user_id:u*2", "x:y"]
)
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--events_columns"):
        parse_mapping("events_columns", text, EVENTS)


def test_one_file_of_another_schema_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 0)
    pl.DataFrame({"user_id": ["u"], "track_id": [1], "played_at": [NOW]}).write_parquet(tmp_path / "b.parquet")
    line = r"b\.parquet: column 'track_id' is int64, but track_id must be string; --events_columns=track_id:THEIRS"
    with pytest.raises(UsageError, match=line):
        inspect_input("events", str(tmp_path), "", schema=EVENTS)


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
