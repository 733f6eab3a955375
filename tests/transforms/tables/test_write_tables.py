"""Artifacts, published files, the manifest and the pointer."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.publishing.publish_run import (
    TooManyRejectedError,
    check_counts,
    count_plays,
    count_reasons,
    sum_counts,
    summarize_tables,
)
from transforms.tables.artifacts import BuildArtifact, local_copy
from transforms.tables.buckets import Element
from transforms.tables.columns import Column, Schema, to_frame, to_table
from transforms.tables.files import PublishedFile, parquet_bytes, write_atomically
from transforms.tables.schemas import PLAYS, REJECTED, USER_ID
from transforms.tables.write_tables import WriteTables

ROWS = Schema("rows", (Column("user_id", USER_ID, "who"), Column("n", pa.int64(), "how many")))
USERS = [f"ü{number}" for number in range(40)]


def publish(folder: Path, tables: list[Element], num_shards: int = 3) -> dict[str, bytes]:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
        elements = root | beam.Create(tables, reshuffle=False).with_output_types(Element)
        files = elements | WriteTables(ROWS, str(folder), num_shards, ("user_id", "n"))
        _ = files | beam.Map(
            lambda file: write_atomically(f"{folder}/seen/{Path(file.path).name}", json.dumps(file._asdict()).encode())
        )
    seen = [json.loads(path.read_text()) for path in (folder / "seen").iterdir()]
    assert sorted(one["path"] for one in seen) == sorted(map(str, (folder / "rows").iterdir()))
    assert all(one["rows"] == pq.read_metadata(one["path"]).num_rows for one in seen)
    return {path.name: path.read_bytes() for path in sorted((folder / "rows").iterdir())}


def table(rows: list[tuple[str, int]]) -> pa.Table:
    return pa.Table.from_pylist([{"user_id": user, "n": n} for user, n in rows], schema=ROWS.arrow)


def test_the_bytes_do_not_depend_on_buckets_or_order(tmp_path: Path) -> None:
    rows = [(user, n) for n in range(5) for user in USERS]
    one = publish(tmp_path / "a", [(0, table(rows))])
    many = publish(tmp_path / "b", [(n, table(rows[n::7][::-1])) for n in range(7)])
    assert one == many and len(one) == 3
    frames = [pl.read_parquet(path) for path in (tmp_path / "a" / "rows").iterdir()]
    assert sorted(pl.concat(frames).rows()) == sorted(rows)
    assert all(frame.rows() == sorted(frame.rows()) for frame in frames)
    homes = [set(frame["user_id"]) for frame in frames]
    assert sum(map(len, homes)) == len(set.union(*homes)), "a user is in one file"


@pytest.mark.parametrize("tables", [[], [(0, ROWS.empty())], [(0, table([("a", 1)]))]])
def test_every_shard_is_there_with_its_schema(tmp_path: Path, tables: list[Element]) -> None:
    files = publish(tmp_path, tables)
    assert len(files) == 3
    for name in files:
        assert pq.read_schema(tmp_path / "rows" / name).types == [pa.string(), pa.int64()]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "CURRENT"
    write_atomically(str(path), b"run=1\n")
    write_atomically(str(path), b"run=2\n")
    assert path.read_bytes() == b"run=2\n" and list(path.parent.iterdir()) == [path]

    def full(self: Path, content: bytes) -> int:
        self.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(str(path), b"run=3\n")
    assert path.read_text() == "run=2\n" and list(path.parent.iterdir()) == [path]


def test_an_artifact_is_a_fresh_folder_each_time(tmp_path: Path) -> None:
    def write(directory: Path, *, text: str) -> None:
        (directory / "file").write_text(text)

    for _ in range(2):
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
            paths = root | BuildArtifact(write, folder=str(tmp_path / "artifacts"), text="x")
            _ = paths | beam.Map(lambda path: Path(path, "seen").touch())
    folders = list((tmp_path / "artifacts").iterdir())
    assert len(folders) == 2 and all((local_copy(str(folder)) / "seen").exists() for folder in folders)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        local_copy(str(tmp_path / "nowhere"))


def test_floats_have_no_dictionary_and_all_else_does() -> None:
    kind = pa.struct([("name", pa.string()), ("score", pa.float32())])
    rows = [{"user": "a", "score": 0.5, "cards": [{"name": "x", "score": 0.25}]}] * 3
    schema = pa.schema([("user", pa.string()), ("score", pa.float64()), ("cards", pa.list_(kind))])
    content = parquet_bytes(pa.Table.from_pylist(rows, schema=schema))
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    coded = {column.path_in_schema.split(".")[-1] for column in columns if "RLE_DICTIONARY" in column.encodings}
    assert coded == {"user", "name"} and len(columns) == 4
    assert pq.read_table(io.BytesIO(content)).to_pylist() == rows


FETCH = """
import sys
from transforms.tables import artifacts

artifacts.is_remote = lambda path: True
copy = artifacts.local_copy(sys.argv[1])
assert copy == artifacts.local_copy(sys.argv[1]) and (copy / "below" / "file").read_text() == "x"
print(copy)
"""


def test_what_a_process_fetched_is_gone_with_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_text("x")
    done = subprocess.run([sys.executable, "-c", FETCH, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() and not Path(done.stdout.strip()).exists() and (tmp_path / "below" / "file").exists()


@pytest.mark.parametrize(
    ("rejected", "allowed", "fails"),
    [
        ({}, 0.0, False),
        ({"unknown_track": 5}, 0.05, False),
        ({"unknown_track": 6}, 0.05, True),
        ({"unknown_track": 3, "exact_duplicate": 3}, 0.05, True),
        ({"in_the_future": 90}, 0.0, False),
        ({"unknown_track": 100}, 1.0, False),
    ],
)
def test_too_many_rejects(rejected: dict[str, int], allowed: float, fails: bool) -> None:
    events: dict[str, Any] = {"read": 100, "kept": 100 - sum(rejected.values()), "rejected": rejected}
    if not fails:
        check_counts(events, allowed)
        return
    with pytest.raises(TooManyRejectedError) as error:
        check_counts(events, allowed)
    assert all(f"{reason} {n}" in str(error.value) for reason, n in rejected.items())
    assert "--max_rejected_fraction" in str(error.value)


def test_a_lost_row_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="not the events read"):
        check_counts({"read": 3, "kept": 1, "rejected": {"unknown_track": 1}}, 1.0)


def test_counting() -> None:
    plays = PLAYS.frame([{"user_id": "a", "track": 1}, {"user_id": "b", "track": None}])
    assert count_plays(plays).rows() == [("events", 1)]
    rejected = REJECTED.frame([{"reason": "unknown_track"}, {"reason": "missing_user"}, {"reason": "unknown_track"}])
    counts = count_reasons(rejected)
    both = to_frame(to_table(sum_counts(pl.concat([counts, counts])), Schema("counts", COUNTS)))
    assert both.rows() == [("missing_user", 2), ("unknown_track", 4)]


COUNTS = (Column("what", pa.string(), ""), Column("n", pa.int64(), ""))


def test_the_manifest_lists_each_table_with_its_files() -> None:
    files = [
        PublishedFile("pages", "out/pages/b", 2, 20, "beta"),
        PublishedFile("pages", "out/pages/a", 1, 10, "alpha"),
        PublishedFile("x", "out/x/a", 0, 5, "c"),
    ]
    tables = summarize_tables(files, "out")
    assert {name: one["rows"] for name, one in tables.items()} == {"pages": 3, "x": 0}
    assert tables["pages"]["files"][0] == {"path": "pages/a", "rows": 1, "bytes": 10, "sha256": "alpha"}
