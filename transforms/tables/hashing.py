"""Hashes, equal in every process, on every machine and in every run: uniform numbers, and buckets of tables."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import polars_hash  # noqa: F401 - registers the expression namespace `nchash`
import pyarrow as pa


def stable_hash(values: pa.Array | pl.Series, *, seed: int) -> np.ndarray:
    """Hash strings or integers to uint64 [n]; a null hashes like the empty string, or like 0.

    Strings are hashed by xxHash64 (Collet, https://xxhash.com). The finaliser of SplitMix64 (Steele et al., OOPSLA
    2014) then mixes in the seed: different seeds give independent numbers, and consecutive integers scatter.
    """
    series = pl.Series("values", pl.from_arrow(values) if isinstance(values, pa.Array) else values)
    if not series.dtype.is_integer():
        series = series.cast(pl.String).fill_null("").to_frame().select(pl.col("values").nchash.xxhash64()).to_series()  # type: ignore[attr-defined]
    with np.errstate(over="ignore"):
        return mix(series.fill_null(0).to_numpy().astype(np.uint64) + mix(np.full(1, seed, dtype=np.uint64)))


def mix(bits: np.ndarray) -> np.ndarray:
    """Apply the finaliser of SplitMix64 to uint64 values."""
    with np.errstate(over="ignore"):
        bits = bits + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


def uniform(bits: np.ndarray) -> np.ndarray:
    """Map uint64 hashes to float64 in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def split_by_bucket(table: pa.Table, column: str, num_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each bucket; the dictionary of a null-free `column` is reduced to the entries of the bucket.

    user_id  b a b c   -- dictionary sorted by bucket -->  bucket 0: [b b], bucket 1: [a], bucket 2: [c]
    """
    if table.num_rows == 0:
        return
    values = table.combine_chunks().column(column).chunk(0)
    if not pa.types.is_dictionary(values.type) or values.null_count:
        buckets = (stable_hash(values, seed=0) % num_buckets).astype(np.int64)
        yield from _slices(table, buckets)
        return
    of_entry = (stable_hash(values.dictionary, seed=0) % num_buckets).astype(np.int64)
    order = np.argsort(of_entry, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    codes = place[values.indices.to_numpy(zero_copy_only=False)]
    starts = np.searchsorted(of_entry[order], np.arange(num_buckets + 1))
    entries = values.dictionary.take(pa.array(order))
    coded = table.set_column(table.schema.get_field_index(column), column, pa.array(codes))
    for bucket, piece in _slices(coded, of_entry[order][codes]):
        low, high = int(starts[bucket]), int(starts[bucket + 1])
        indices = pa.array(piece.column(column).to_numpy() - np.int32(low), type=pa.int32())
        ids = pa.DictionaryArray.from_arrays(indices, entries.slice(low, high - low))
        yield bucket, piece.set_column(piece.schema.get_field_index(column), table.schema.field(column), ids)


def _slices(table: pa.Table, buckets: np.ndarray) -> Iterator[tuple[int, pa.Table]]:
    """Sort the rows by bucket, and yield the slice of each bucket."""
    # 16 bits make numpy sort by radix, which is linear
    narrow = buckets.astype(np.uint16) if len(buckets) and buckets.max() < 1 << 16 else buckets
    order = np.argsort(narrow, kind="stable")
    ordered = table.take(pa.array(order))
    present, starts = np.unique(narrow[order], return_index=True)
    for bucket, start, end in zip(present, starts, [*starts[1:], len(order)], strict=True):
        yield int(bucket), ordered.slice(start, end - start)
