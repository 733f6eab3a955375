"""Histograms of features and scores, and how far two of them are apart.

A histogram has fixed bins, so that buckets and runs can be added and compared: bin = floor(8 * asinh(100 * value)),
42 of them from 0 to 1 and 18 for each further power of ten.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema

HISTOGRAM_BINS_PER_UNIT, HISTOGRAM_ZOOM = 8, 100
# Groups of bins that a stability index compares, of about equal mass in the reference.
_STABILITY_GROUPS = 10
HISTOGRAM = Schema(
    "histogram",
    (
        Column("feature", pa.string(), "of which feature"),
        Column("bin", pa.int16(), "floor(8 * asinh(100 * value))"),
        Column("n", pa.int64(), "values in it"),
    ),
)
# feature -> bin (as text, for JSON) -> values in it
Histograms = Mapping[str, Mapping[str, int]]


def count_values(frame: pl.DataFrame, *, names: Sequence[str]) -> pl.DataFrame:
    """A frame with the columns `names` -> HISTOGRAM of each; what is no number is in no bin."""
    bins = frame.lazy().select(
        ((pl.col(*names).cast(pl.Float64) * HISTOGRAM_ZOOM).arcsinh() * HISTOGRAM_BINS_PER_UNIT).floor()
    )
    counts = [
        bins.select(bin=name)
        .filter(pl.col("bin").is_finite())
        .group_by(pl.col("bin").cast(pl.Int16))
        .agg(n=pl.len().cast(pl.Int64))
        .select(pl.lit(name).alias("feature"), "bin", "n")
        for name in names
    ]
    return pl.concat(pl.collect_all(counts))


def sum_histograms(histograms: pl.DataFrame) -> pl.DataFrame:
    """HISTOGRAM of several tables -> HISTOGRAM of all."""
    return histograms.group_by("feature", "bin").agg(pl.col("n").sum()).sort("feature", "bin")


def histogram_mapping(histogram: pl.DataFrame) -> dict[str, dict[str, int]]:
    """HISTOGRAM -> what can be written as JSON."""
    ordered = histogram.sort("feature", "bin").partition_by("feature", as_dict=True, maintain_order=True)
    return {
        str(key[0]): dict(zip(part["bin"].cast(pl.String).to_numpy(), part["n"].to_numpy().tolist(), strict=True))
        for key, part in ordered.items()
    }


def stability_index(reference: Mapping[str, int], found: Mapping[str, int]) -> float:
    """Population stability index of two histograms; 0: the same, above 0.25 usually called a shift.

    sum over groups of (q - p) ln(q / p), groups of about a tenth of the reference each (Siddiqi, Credit Risk
    Scorecards, 2006); half a value more in each group, so that an empty one costs much but not everything.
    """
    bins = sorted({*map(int, reference), *map(int, found)})
    one, other = (np.array([counts.get(str(b), 0) for b in bins], dtype=float) for counts in (reference, found))
    if not one.sum() or not other.sum():
        return 0.0
    # by the middle of each bin: what lies beside a feature that was constant is in another group than the constant
    middle = np.cumsum(one) - one / 2
    group = np.minimum((_STABILITY_GROUPS * middle / one.sum()).astype(int), _STABILITY_GROUPS - 1)
    _, place = np.unique(group, return_inverse=True)
    p, q = (np.bincount(place, weights=counts) + 0.5 for counts in (one, other))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def stability_indexes(reference: Histograms, found: Histograms) -> dict[str, float]:
    """The stability index of every feature that both have, the largest first."""
    indices = {name: round(stability_index(reference[name], found[name]), 4) for name in found if name in reference}
    return dict(sorted(indices.items(), key=lambda one: (-one[1], one[0])))
