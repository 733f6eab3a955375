"""Write tables as Parquet below a run's folder: the same rows give the same bytes for any number of buckets."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from polars import CompatLevel

from transforms.tables.buckets import GroupByBucket
from transforms.tables.columns import Schema, to_frame
from transforms.tables.files import PublishedFile, parquet_bytes, write_atomically
from transforms.tables.stage_counters import StageCounters


@dataclass(eq=False)
class WriteTables(beam.PTransform):
    """Write one table as `num_shards` files; yields a PublishedFile for each, also without rows.

    order: the columns that sort a file; together they must be unique. Rows that are equal in the first, which is that
    of an id, are in one file.
    """

    schema: Schema
    folder: str
    num_shards: int
    order: tuple[str, ...]

    @property
    def stage(self) -> str:
        """Return the name of the stage that writes the files."""
        return f"write_{self.schema.name}"

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """Shuffle the rows to shards by the first column, write them, then write the shards that got no row."""
        shards = tables | GroupByBucket(self.order[0], self.num_shards)
        written = shards | beam.MapTuple(self.write_shard).with_output_types(PublishedFile)
        write_missing = beam.FlatMap(self.write_missing, beam.pvalue.AsList(written)).with_output_types(PublishedFile)
        return (written, tables.pipeline | beam.Impulse() | write_missing) | beam.Flatten()

    def write_missing(self, _: bytes, written: list[PublishedFile]) -> Iterator[PublishedFile]:
        """Write an empty file for every shard without rows, so that readers find every file with its schema."""
        there = {file.path for file in written}
        for shard in range(self.num_shards):
            if self.path_of(shard) not in there:
                yield self.write_shard(shard, self.schema.empty())

    def write_shard(self, shard: int, table: pa.Table) -> PublishedFile:
        """Sort and write one file."""
        path = self.path_of(shard)
        with StageCounters(self.stage, shard) as counters:
            content = parquet_bytes(sort_table(table, self.order))
            write_atomically(path, content)
            counters.rows, counters.bytes = table.num_rows, len(content)
        return PublishedFile(self.schema.name, path, table.num_rows, len(content), hashlib.sha256(content).hexdigest())

    def path_of(self, shard: int) -> str:
        """Return the path of a shard."""
        return f"{self.folder}/{self.schema.name}/part-{shard:05d}-of-{self.num_shards:05d}.parquet"


def sort_table(table: pa.Table, order: tuple[str, ...]) -> pa.Table:
    """Sort by the columns, nulls last; dictionaries become strings, because their order would change the bytes."""
    ordered = to_frame(table).sort(order, nulls_last=True).to_arrow(compat_level=CompatLevel.oldest())
    return ordered.select(table.schema.names).cast(published_schema(table.schema))


def published_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of published files: dictionary columns become string columns."""
    is_coded = pa.types.is_dictionary
    return pa.schema([(field.name, pa.string() if is_coded(field.type) else field.type) for field in schema])
