"""Every file of a folder is read or named; the rows of tables with a log are not read without it."""

import gzip
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from hypothesis import given
from hypothesis import strategies as st

from pipelines.inputs.input_files import find_files
from pipelines.inputs.inputs import inspect_input, path_columns
from pipelines.options.options import UsageError
from tests.object_stores import gs_store, s3_store, upload
from transforms.reading.read_tables import read_row_group
from transforms.tables.schemas import EVENT_ROWS, EVENTS

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
# Names that any file system takes and that some pattern language gives a meaning.
NAMES = st.text("ab *?[]{}#%!&;'ü🎵,=~$()+@", min_size=1, max_size=8).map(str.strip).filter(bool)


def write(path: Path, num_rows: int = 1, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = ["u"] * num_rows
    times = [NOON + timedelta(minutes=row) for row in range(num_rows)]
    pq.write_table(pa.table({"user_id": ids, "track_id": ids, "played_at": times, **columns}), path)
    return path


def found(paths: object) -> list[str]:
    return [file.path for file in find_files("events", str(paths)).files]


def test_files_of_folders_patterns_and_lists(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a" / "x.parquet"), write(tmp_path / "a" / "day=1" / "y.parquet")
    both = sorted([str(one), str(two)])
    assert found(tmp_path / "a") == found(f"{tmp_path}/a/") == found(f"{tmp_path}/a/*.parquet, {two}") == both
    assert found(f"{tmp_path}/a/**.parquet") == found(f"{tmp_path}/a/**") == found(f"{tmp_path}/?") == both
    assert found(f"{tmp_path}/a/day=*") == [str(two)]
    assert found(one) == [str(one)]
    with pytest.raises(UsageError, match=r"b: no Parquet, CSV or JSON Lines file there"):
        find_files("events", f"{tmp_path}/b")


def test_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet")
    monkeypatch.chdir(tmp_path)
    assert found("*.parquet") == found("x.*") == [path.name]


@given(names=st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_a_path_that_exists_is_no_pattern(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("names")
    paths = [write(root / f"n{number}" / name / "x.parquet") for number, name in enumerate(names)]
    assert found(",".join(str(path.parent) for path in paths)) == sorted(map(str, paths))
    assert found(",".join(map(str, paths))) == sorted(map(str, paths))


SUFFIXES = (".parquet", ".parq", ".PARQUET", ".snappy.parquet", "", ".0", ".c000", ".csv", ".tmp", ".parquet.bak", "~")


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    folders = st.lists(st.sampled_from(["a", "day=1", "_day=1", "_temporary", ".trash", "b.parquet"]), max_size=3)
    stems = st.sampled_from(["part-0", "000000_0", "_SUCCESS", "_x", ".x"])
    files = st.tuples(folders, stems, st.sampled_from(SUFFIXES))
    return ["/".join([*path, stem + end]) for path, stem, end in draw(st.lists(files, min_size=1, max_size=12))]


@given(names=trees())
def test_every_file_of_a_folder_is_read_or_named(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("tree")
    write(root / "first.parquet")
    made = [str(write(root / name).relative_to(root)) for name in names if not (root / name).is_dir()]
    made = [name for name in made if (root / name).is_file()]
    result = find_files("events", str(root))
    read = {str(Path(file.path).relative_to(root)) for file in result.files} - {"first.parquet"}
    left = [name for names in result.left_out.values() for name in names]
    assert all(any(one == name or one.startswith(f"{name}/") for name in left) for one in set(made) - read)
    assert not any(one == name or one.startswith(f"{name}/") for name in left for one in read)
    hidden = {
        one for one in made if any(part[0] == "." or (part[0] == "_" and "=" not in part) for part in one.split("/"))
    }
    other = {one for one in made if one.endswith((".csv", ".tmp", ".bak", "~"))}
    assert read == set(made) - hidden - other


def test_a_file_without_suffix_is_read_if_it_is_parquet(tmp_path: Path) -> None:
    path = write(tmp_path / "000000_0")
    (tmp_path / "README").write_text("Events of 2025.")
    (tmp_path / "half").write_bytes(path.read_bytes()[:-9])
    result = find_files("events", str(tmp_path))
    assert [file.path for file in result.files] == [str(path)]
    assert result.left_out == {"not Parquet": ("README", "half")}


CSVS, LINES = ("a.csv", "b.CSV.gz", "d=1/c.csv.zst"), ("a.jsonl", "b.ndjson.gz", "c.json")


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ((*CSVS, *LINES, "x.parquet"), ("x.parquet",)),
        ((*CSVS, *LINES, "README.txt"), CSVS),
        ((*LINES, "README.txt"), LINES),
    ],
)
def test_of_a_folder_the_files_of_one_format_are_read(
    tmp_path: Path, names: tuple[str, ...], read: tuple[str, ...]
) -> None:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    result = find_files("events", str(tmp_path))
    assert sorted(file.path for file in result.files) == sorted(f"{tmp_path}/{name}" for name in read)
    (reason,) = result.left_out
    chosen = "Parquet" if "x.parquet" in read else "CSV" if read == CSVS else "JSON Lines"
    assert reason == f"not {chosen}" and sorted(result.left_out[reason]) == sorted(set(names) - set(read))
    others = [name for name in names if name not in read and name != "README.txt"]
    given = [f"{tmp_path}/{name}" for name in others]
    assert sorted(found(",".join(given))) == sorted(given) if others else True


def test_links_are_followed_and_each_file_counts_once(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "other" / "day=2" / "y.parquet")
    path = write(tmp_path / "events" / "day=1" / "x.parquet")
    for name, target in {
        "a": "day=1",
        "day=2": elsewhere.parent,
        "up": "..",
        "z.parquet": path,
        "gone": "none",
    }.items():
        os.symlink(target, tmp_path / "events" / name)
    result = find_files("events", str(tmp_path / "events"))
    assert sorted(os.path.realpath(file.path) for file in result.files) == sorted(map(str, [elsewhere, path]))
    assert str(path) in [file.path for file in result.files], "the path that is no link has the columns"
    assert {"no file": ("gone",)}.items() <= result.left_out.items()
    assert "z.parquet" in result.left_out["read under another path"]


LOGS = ("_delta_log/00000000000000000000.json", "metadata/v3.metadata.json", ".hoodie/hoodie.properties")


@pytest.mark.parametrize("log", [*LOGS, "metadata/version-hint.text", "snapshot/snapshot-1"])
@pytest.mark.parametrize("given_path", ["", "data", "data/day=1", "data/day=1/x.parquet", "data/*/x.parquet", "link"])
def test_a_table_with_a_log_is_refused(tmp_path: Path, log: str, given_path: str) -> None:
    table = tmp_path / "table"
    write(table / "data" / "day=1" / "x.parquet")
    os.symlink(table / "data" / "day=1", tmp_path / "link")
    (table / log).parent.mkdir()
    (table / log).write_text("{}")
    path = tmp_path / "link" if given_path == "link" else table / given_path
    with pytest.raises(UsageError, match=f"{table} is a table of (Delta|Iceberg|Hudi|Paimon)"):
        find_files("events", str(path))


def test_folders_that_only_sound_like_a_log_are_data(tmp_path: Path) -> None:
    paths = [write(tmp_path / name / "x.parquet") for name in ("metadata", "snapshot", "data")]
    assert found(tmp_path) == sorted(map(str, paths))


@pytest.mark.parametrize("store", [gs_store, s3_store])
def test_an_object_store_is_listed_like_a_disk(
    store: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("e [1]/action=like/x.PARQUET", "e [1]/000000_0", "e [1]/_tmp/z.parquet", "delta/day=1/x.parquet")
    for name in names:
        write(tmp_path / name)
    (tmp_path / "delta" / "_delta_log").mkdir()
    (tmp_path / "delta" / "_delta_log" / "0.json").write_text("{}")
    with store(monkeypatch) as bucket:  # type: ignore[attr-defined]
        upload(tmp_path, bucket)
        result = find_files("events", f"{bucket}/e [1]")
        assert [file.path for file in result.files] == [f"{bucket}/{name}" for name in sorted(names[:2])]
        assert result.left_out == {"hidden": ("_tmp",)}
        assert found(f"{bucket}/e */action=*/*") == [f"{bucket}/{names[0]}"]
        for path in ("delta", "delta/day=1", "delta/day=1/x.parquet", "delta/*/x.parquet"):
            with pytest.raises(UsageError, match=f"{bucket}/delta is a table of Delta"):
                find_files("events", f"{bucket}/{path}")
        (group,) = inspect_input("events", f"{bucket}/{names[0]}", "", schema=EVENTS).row_groups
        (table,) = read_row_group(group, schema=EVENT_ROWS, column_mapping={})
        assert table.column("action").to_pylist() == ["like"]
        for name, content in {"c/x.csv": b"user_id,track_id,played_at\nu,t,2026-01-01\n", "c/y.csv.gz": b""}.items():
            packed = gzip.compress(b"user_id,track_id,played_at\nv,t,2026-01-02\n")
            with FileSystems.create(f"{bucket}/{name}", compression_type=CompressionTypes.UNCOMPRESSED) as file:
                file.write(content or packed)
        groups = inspect_input("events", f"{bucket}/c", "", schema=EVENTS).row_groups
        tables = [table for one in groups for table in read_row_group(one, schema=EVENT_ROWS, column_mapping={})]
        assert [table.column("user_id").to_pylist() for table in tables] == [["u"], ["v"]]
        with FileSystems.create(group.path) as file:
            file.write(write(tmp_path / "more.parquet", 2).read_bytes())
        with pytest.raises(Exception, match="changed"):
            list(read_row_group(group, schema=EVENT_ROWS, column_mapping={}))


def test_columns_of_a_path_are_columns(tmp_path: Path) -> None:
    folder = tmp_path / "Action=none" / "action=dis%6Cike" / "ms_played=1500" / "arrived_at=2026-01-02 03%3A04%3A05"
    write(folder / "user_id=w%2Fx" / "x.parquet", 2, ms_played=pa.array([None, 7], pa.int64()))
    (group,) = inspect_input("events", str(tmp_path), "", schema=EVENTS).row_groups
    (table,) = read_row_group(group, schema=EVENT_ROWS, column_mapping={})
    rows = table.to_pylist()
    assert [row["action"] for row in rows] == ["dislike"] * 2
    assert [row["ms_played"] for row in rows] == [1500, 7], "what stands in the file wins"
    assert [row["user_id"] for row in rows] == ["u"] * 2
    assert rows[0]["arrived_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert path_columns("a=1/b=__HIVE_DEFAULT_PARTITION__/c=/=d/e=f=g.parquet/x=y.parquet") == {
        "a": "1",
        "b": None,
        "c": None,
        "e": "f=g.parquet",
    }


def test_a_required_column_may_stand_in_the_path(tmp_path: Path) -> None:
    path = tmp_path / "user_id=v" / "x.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"track_id": ["t"] * 3, "played_at": [NOON] * 3}), path)
    (group,) = inspect_input("events", str(tmp_path), "", schema=EVENTS).row_groups
    (table,) = read_row_group(group, schema=EVENT_ROWS, column_mapping={})
    assert table.column("user_id").to_pylist() == ["v"] * 3
