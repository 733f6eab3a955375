"""Hashes and uniform random numbers that are equal in every process, on every machine, in every run."""

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
