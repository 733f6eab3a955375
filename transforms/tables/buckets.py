"""The Beam mechanics of all stages: elements are tables, each a bucket of whole users.

(key, table) --- MapBuckets(function) ------------> (key, table)      one table in, one out
(key, table) --- MapBlocks(function, n) ----------> (key, table) ...  a table for each block of n users
(key, table) --- GroupByBucket("user_id", n) -----> (bucket, table)   whole users in each of n buckets
(key, table) --- CombineBuckets(partial, merge) --> (0, table)        one table of all rows

Arguments SameBucket(others) and OfBucket(others) of MapBuckets are the table of the same bucket of another collection.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.tables.columns import Schema, to_frame, to_table
from transforms.tables.groups import blocks_of_users
from transforms.tables.hashing import split_by_bucket
from transforms.tables.stage_counters import StageCounters

Element = tuple[int, pa.Table]
Kernel = Callable[..., pl.DataFrame]
Opener = Callable[..., object]
SplitFunction = Callable[[pa.Table, str, int], Iterator[Element]]
_opening = threading.Lock()
_OWN = ""  # the name of the main table among joined ones: no argument has this name
# Features are mostly constant columns: lz4 shrinks tables to a third, faster than copying the whole in memory.
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class TableCoder(beam.coders.Coder):
    """Coder of tables as Arrow IPC; pickling a slice would write its whole parent table."""

    def encode(self, value: pa.Table) -> bytes:
        """Encode one table as an IPC stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema, options=_COMPRESSED) as writer:
            writer.write_table(value.combine_chunks())
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.Table:
        """Decode one table."""
        return pa.ipc.open_stream(pa.py_buffer(encoded)).read_all()

    def estimate_size(self, value: pa.Table) -> int:
        """Return the size in bytes without encoding, which the inherited method would do for every sampled table."""
        return int(value.nbytes)

    def is_deterministic(self) -> bool:
        """Return False: equal tables may have different encodings (chunks, dictionaries), so a table is never a key."""
        return False


beam.coders.registry.register_coder(pa.Table, TableCoder)


@dataclass(frozen=True)
class Opened:
    """An argument that the function receives as `opener(element)`; openers of artifacts cache what they opened."""

    element: beam.PCollection
    opener: Opener


@dataclass(frozen=True)
class SameBucket:
    """An argument that the function receives as the frame of the same bucket, or None; both are shuffled once more.

    tables: at most one table for each bucket, of the same buckets as the main collection.
    """

    tables: beam.PCollection


@dataclass(frozen=True)
class OfBucket:
    """SameBucket, but a worker looks the table up: the main collection is not shuffled."""

    tables: beam.PCollection


class MapBuckets(beam.PTransform):
    """Apply a pure function on Polars frames to every table, and convert its result to a schema.

    The function gets the keyword arguments: plain values as they are, a PCollection of one element as that element,
    a list with one PCollection as the list of its elements, `Opened` as the opened artifact, `SameBucket` and
    `OfBucket` as the frame of the same bucket.
    """

    max_users: int | None = None  # of a call of the function; None: all of the bucket
    key: int | None = None  # of all results; None: that of the table

    def __init__(self, function: Kernel, *, out: Schema, **arguments: object) -> None:
        """Set the function, the schema of its result, and its arguments."""
        super().__init__(camel_case(function.__name__))
        self.function, self.out, self.arguments = function, out, arguments

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """Apply one ParDo; the declared output type makes Beam choose the Arrow coder."""
        openers = {name: given.opener for name, given in self.arguments.items() if isinstance(given, Opened)}
        joined = {name: given.tables for name, given in self.arguments.items() if isinstance(given, SameBucket)}
        sides = {name: as_side_input(given) for name, given in self.arguments.items() if name not in joined}
        looked_up = tuple(name for name, given in self.arguments.items() if isinstance(given, OfBucket))
        kernel = _RunKernel(self.function, self.out, openers, tuple(joined), looked_up, self.max_users, self.key)
        inputs = _by_bucket(tables, joined) if joined else tables
        return inputs | beam.ParDo(kernel, **sides).with_output_types(Element)


class MapBlocks(MapBuckets):
    """MapBuckets of blocks of whole users, a table each: memory does not grow with the bucket.

    The stages that follow are done with a block before the next one is computed. Rows must be in order of user.
    """

    def __init__(self, function: Kernel, max_users: int, *, out: Schema, **arguments: object) -> None:
        """Set the function, the most users that it gets at a time, the schema of its result, and its arguments."""
        super().__init__(function, out=out, **arguments)
        self.max_users = max_users


def as_side_input(argument: object) -> object:
    """Convert an argument of a stage to a Beam side input, where it is a collection."""
    if isinstance(argument, Opened):
        return beam.pvalue.AsSingleton(argument.element)
    if isinstance(argument, OfBucket):
        return beam.pvalue.AsMultiMap(argument.tables)
    if isinstance(argument, beam.PCollection):
        return beam.pvalue.AsSingleton(argument)
    if isinstance(argument, list) and len(argument) == 1 and isinstance(argument[0], beam.PCollection):
        return beam.pvalue.AsList(argument[0])
    return argument


def open_arguments(arguments: Mapping[str, object], openers: Mapping[str, Opener]) -> dict[str, object]:
    """Open the artifacts among the arguments, one thread at a time: the threads of a worker share what is cached."""
    with _opening:
        return {name: openers[name](given) if name in openers else given for name, given in arguments.items()}


def _by_bucket(tables: beam.PCollection, joined: Mapping[str, beam.PCollection]) -> beam.PCollection:
    """Bring the tables of a bucket together: (bucket, [(name, table), ...])."""
    named = [
        one | f"Name{camel_case(name)}" >> beam.Map(_named, name).with_output_types(tuple[int, tuple[str, pa.Table]])
        for name, one in {_OWN: tables, **joined}.items()
    ]
    return named | "Join" >> beam.Flatten() | "Bucket" >> beam.GroupByKey()


def _named(element: Element, name: str) -> tuple[int, tuple[str, pa.Table]]:
    key, table = element
    return key, (name, table)


class _RunKernel(beam.DoFn):
    """Run the function of a stage on one table, or on blocks of its users, and update the stage's counters."""

    def __init__(
        self,
        function: Kernel,
        out: Schema,
        openers: dict[str, Opener],
        joined: tuple[str, ...],
        looked_up: tuple[str, ...],
        max_users: int | None = None,
        key: int | None = None,
    ) -> None:
        self.function, self.out, self.openers, self.joined = function, out, openers, joined
        self.looked_up, self.max_users, self.key, self.stage = looked_up, max_users, key, function.__name__

    def process(self, element: tuple[int, Any], **arguments: Any) -> Iterator[Element]:
        key, table = element
        if self.joined:
            named = dict(table)
            if (table := named.pop(_OWN, None)) is None:
                return
            frames = {name: to_frame(one) for name, one in named.items()}
            arguments |= {name: frames.get(name) for name in self.joined}
        for name in self.looked_up:
            arguments[name] = next((to_frame(found) for found in arguments[name][key]), None)
        arguments = open_arguments(arguments, self.openers)
        frame = to_frame(table)
        for block in blocks_of_users(frame, self.max_users) if self.max_users else (frame,):
            with StageCounters(self.stage, key) as counters:
                result = to_table(self.function(block, **arguments), self.out)
                counters.record(result)
            yield key if self.key is None else self.key, result


class GroupByBucket(beam.PTransform):
    """Bring all rows with equal `column` into one of `num_buckets` tables.

    Rows of one table stay together and in order; the order of tables is not defined.
    """

    def __init__(self, column: str, num_buckets: int, split: SplitFunction | None = None) -> None:
        """Set the column (string, dictionary of strings, or int) and the number of buckets.

        split: replaces split_by_bucket() where a bucket needs further rows than its own.
        """
        super().__init__(f"GroupBy{camel_case(column)}")
        self.column, self.num_buckets, self.split = column, num_buckets, split or split_by_bucket

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """Split every table by bucket, shuffle the parts, and concatenate those of each bucket."""
        return (
            tables
            | beam.ParDo(_SplitTables(self.split, self.column, self.num_buckets)).with_output_types(Element)
            | beam.GroupByKey()
            | beam.MapTuple(_join).with_output_types(Element)
        )


class _SplitTables(beam.DoFn):
    """Split tables by bucket, and update counters like a stage."""

    def __init__(self, split: SplitFunction, column: str, num_buckets: int) -> None:
        self.split, self.column, self.num_buckets, self.stage = split, column, num_buckets, split.__name__

    def process(self, element: Element) -> Iterator[Element]:
        with StageCounters(self.stage, element[0]) as counters:
            pieces = list(self.split(element[1], self.column, self.num_buckets))
            counters.record(element[1])
        yield from pieces


def _join(bucket: int, tables: Iterable[pa.Table]) -> Element:
    with StageCounters("join_bucket", bucket) as counters:
        table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        counters.record(table)
    return bucket, table


class CombineBuckets(beam.PTransform):
    """Reduce every table with `partial`, then merge all results: one (0, table), empty for no tables.

    `merge` is applied to concatenated results of `partial` or of itself, in any order and grouping: it must be
    associative and commutative without rounding (sum integers, not floats).
    """

    def __init__(self, partial: Kernel, merge: Kernel, *, out: Schema, **arguments: object) -> None:
        """Set both functions; the arguments are passed to `partial`."""
        super().__init__(camel_case(partial.__name__))
        self.partial, self.merge, self.out, self.arguments = partial, merge, out, arguments

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """Map all tables with `partial`, then combine them, in five steps less than CombineGlobally."""
        reduced = tables | _MapToOne(self.partial, out=self.out, **self.arguments)
        merged = reduced | beam.CombinePerKey(_MergeTables(self.merge, self.out))
        # FnApiRunner deadlocks where a Flatten adds the empty table before it
        default = beam.Map(_only_or_empty, beam.pvalue.AsList(merged), self.out).with_output_types(Element)
        return tables.pipeline | beam.Impulse() | default


def _only_or_empty(_: bytes, merged: Sequence[Element], out: Schema) -> Element:
    return merged[0] if merged else (0, out.empty())


class _MapToOne(MapBuckets):
    key = 0


@beam.typehints.with_input_types(pa.Table)
@beam.typehints.with_output_types(pa.Table)
class _MergeTables(beam.CombineFn):
    """Combine function with tables as accumulators; the declared types avoid pickling."""

    def __init__(self, merge: Kernel, out: Schema) -> None:
        self.merge, self.out, self.stage = merge, out, merge.__name__

    def create_accumulator(self) -> pa.Table:
        return self.out.empty()

    def add_input(self, accumulator: pa.Table, table: pa.Table) -> pa.Table:
        return self.merge_accumulators([accumulator, table])

    def merge_accumulators(self, accumulators: Iterable[pa.Table]) -> pa.Table:
        with StageCounters(self.stage, 0) as counters:
            merged = to_table(self.merge(to_frame(pa.concat_tables(accumulators))), self.out)
            counters.record(merged)
        return merged

    def extract_output(self, accumulator: pa.Table) -> pa.Table:
        return accumulator

    def get_accumulator_coder(self) -> beam.coders.Coder:
        return TableCoder()


def open_frame(element: Element) -> pl.DataFrame:
    """Return the frame of a table that is an argument of a stage."""
    return to_frame(element[1])


def camel_case(name: str) -> str:
    """Convert the name of a stage's function to its label in the graph."""
    return "".join(word.title() for word in name.split("_"))
