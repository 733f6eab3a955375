from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipelines.inputs import find_files, inspect, just_after, parse_mapping
from pipelines.options import UsageError
from transforms.read_tables import Origin, Piece
from transforms.schemas import EVENTS

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


@pytest.mark.parametrize("statistics", [True, False])
def test_the_newest_event_is_found_in_every_file(tmp_path: Path, statistics: bool) -> None:
    write(tmp_path / "a.parquet", -3, None, -1, -2, statistics=statistics)
    write(tmp_path / "b.parquet", None, None, statistics=statistics)
    write(tmp_path / "c.parquet", statistics=statistics)
    found = inspect("events", str(tmp_path), "", schema=EVENTS, newest="played_at")
    assert found.newest == NOW - timedelta(days=1) and found.num_rows == 6
    assert [piece.number for piece in found.pieces] == list(range(len(found.pieces)))
    assert Piece(0, str(tmp_path / "a.parquet"), 0) in found.pieces


def test_as_of_is_just_after_the_newest_event() -> None:
    assert just_after(NOW, now=NOW) == NOW + timedelta(microseconds=1)
    with pytest.raises(UsageError, match="yet to come|not come yet"):
        just_after(NOW + timedelta(days=2), now=NOW)
    with pytest.raises(UsageError, match="no event has a time"):
        just_after(None, now=NOW)


def test_a_mapping_is_read() -> None:
    found = parse_mapping("events_columns", "played_at:timestamp, ms_played:playtime_s*1000", EVENTS)
    assert found == {"played_at": Origin("timestamp"), "ms_played": Origin("playtime_s", 1000.0)}


@pytest.mark.parametrize(
    "text", ["played_at", "played_at:", ":ts", "ms_played:s*", "ms_played:s*0", "user_id:u*2", "x:y"]
)
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--events_columns"):
        parse_mapping("events_columns", text, EVENTS)


def test_one_file_of_another_schema_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 0)
    pl.DataFrame({"user_id": ["u"], "track_id": [1], "played_at": [NOW]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(UsageError, match=r"b\.parquet: column 'track_id' is int64, but track_id must be string"):
        inspect("events", str(tmp_path), "", schema=EVENTS)
