"""Stages of a graph before it runs are those that report while it runs; the time of earlier runs."""

import json
from pathlib import Path

import apache_beam as beam
import polars as pl

from pipelines.launch.graph_stages import earlier_seconds, find_stages
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets
from transforms.tables.schemas import USER_ROWS
from transforms.tables.write_tables import WriteTables


def twice(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows])


def once(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def merged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.unique()


def test_every_kind_of_stage_is_found() -> None:
    pipeline = beam.Pipeline()
    rows = pipeline | beam.Create([(0, USER_ROWS.empty())]) | MapBuckets(twice, out=USER_ROWS)
    rows | GroupByBucket("user_id", 2)
    rows | CombineBuckets(once, merged, out=USER_ROWS)
    rows | WriteTables(USER_ROWS, "out", 1, ("user_id",))
    assert set(find_stages(pipeline)) == {"twice", "once", "split_by_bucket", "merged", f"write_{USER_ROWS.name}"}


def test_the_time_is_of_the_newest_run_with_the_same_stages(tmp_path: Path) -> None:
    stages = ("clean_events", "train_ranker", "write_pages")
    for name, seconds, done in (("a", 80.0, stages), ("b", 90.0, stages), ("c", 5.0, stages[:1])):
        lines = [{"stage": one, "rows": 1, "seconds": 1.0} for one in done] + [{"stage": "run", "seconds": seconds}]
        folder = tmp_path / f"ds=2026-01-01/run={name}"
        folder.mkdir(parents=True)
        (folder / "stages.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert earlier_seconds(str(tmp_path), stages) == 90.0
    assert earlier_seconds(str(tmp_path), tuple("abcdefghij")) is None
    (folder / "stages.jsonl").write_text("no JSON")
    assert earlier_seconds(str(tmp_path), stages) is None
    assert earlier_seconds(str(tmp_path / "gone"), stages) is None
