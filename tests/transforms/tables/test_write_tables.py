"""Published files: the same bytes for any number of buckets."""

import json
from pathlib import Path

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.tables.buckets import Element
from transforms.tables.columns import Column, Schema
from transforms.tables.files import write_atomically
from transforms.tables.schemas import USER_ID
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
