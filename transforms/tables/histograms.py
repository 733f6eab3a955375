"""Histograms of features and scores, and the stability index of two of them.

Bins are fixed, so that histograms of buckets can be summed and those of runs compared: bin = floor(8 * asinh(100 *
value)), which gives 42 bins from 0 to 1 and 18 for each further power of ten.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema

_BINS_PER_UNIT, _ZOOM = 8, 100
# Number of groups of bins that a stability index compares, each of about the same mass in the reference.
_STABILITY_GROUPS = 10
HISTOGRAM = Schema(
    "histogram",
    (
        Column("feature", pa.string(), "name of the feature"),
        Column("bin", pa.int16(), "floor(8 * asinh(100 * value))"),
        Column("n", pa.int64(), "values in the bin"),
    ),
)
# feature -> bin (as text, for JSON) -> values in the bin
Histograms = Mapping[str, Mapping[str, int]]


def count_values(frame: pl.DataFrame, *, names: Sequence[str]) -> pl.DataFrame:
    """Count the values of the columns `names` by bin: HISTOGRAM; NaN, infinite and null values are ignored."""
    bins = frame.lazy().select(((pl.col(*names).cast(pl.Float64) * _ZOOM).arcsinh() * _BINS_PER_UNIT).floor())
    counts = [
        bins.select(bin=name)
        .filter(pl.col("bin").is_finite())
        .group_by(pl.col("bin").cast(pl.Int16))
        .agg(n=pl.len().cast(pl.Int64))
        .select(pl.lit(name).alias("feature"), "bin", "n")
        for name in names
    ]
    return pl.concat(pl.collect_all(counts))


def bin_start(number: int) -> float:
    """Return the lower bound of the values in a bin."""
    return math.sinh(number / _BINS_PER_UNIT) / _ZOOM


def sum_histograms(histograms: pl.DataFrame) -> pl.DataFrame:
    """Sum HISTOGRAM of several tables."""
    return histograms.group_by("feature", "bin").agg(pl.col("n").sum()).sort("feature", "bin")


def histogram_mapping(histogram: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Convert a HISTOGRAM to a mapping that can be written as JSON."""
    ordered = histogram.sort("feature", "bin").partition_by("feature", as_dict=True, maintain_order=True)
    return {
        str(key[0]): dict(zip(part["bin"].cast(pl.String).to_numpy(), part["n"].to_numpy().tolist(), strict=True))
        for key, part in ordered.items()
    }


def stability_index(reference: Mapping[str, int], found: Mapping[str, int]) -> float:
    """Return the population stability index of two histograms; 0: equal; above 0.25 is usually called a shift.

    The index is the sum over groups of (q - p) ln(q / p), with groups of about a tenth of the reference each (Siddiqi,
    Credit Risk Scorecards, 2006). Half a value is added to each group, so that an empty group has a finite cost.
    """
    bins = sorted({*map(int, reference), *map(int, found)})
    one, other = (np.array([counts.get(str(b), 0) for b in bins], dtype=float) for counts in (reference, found))
    if not one.sum() or not other.sum():
        return 0.0
    # by the middle of each bin: values next to a formerly constant feature are in another group than the constant
    middle = np.cumsum(one) - one / 2
    group = np.minimum((_STABILITY_GROUPS * middle / one.sum()).astype(int), _STABILITY_GROUPS - 1)
    _, group = np.unique(group, return_inverse=True)
    p, q = (np.bincount(group, weights=counts) + 0.5 for counts in (one, other))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def stability_indexes(reference: Histograms, found: Histograms) -> dict[str, float]:
    """Return the stability index of every feature of both, the largest first."""
    indices = {name: round(stability_index(reference[name], found[name]), 4) for name in found if name in reference}
    return dict(sorted(indices.items(), key=lambda one: (-one[1], one[0])))
