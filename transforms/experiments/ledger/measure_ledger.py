"""Measure the discovery ledger of a run, from its log: exact sums over users, and estimates with intervals."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import is_deep
from transforms.events.listening import is_listened
from transforms.experiments.inference.estimates import PRODUCTS, SUM_NAMES, VALUES, ArmSums, estimate_arm
from transforms.experiments.readout.day_counts import (
    KEYS,
    count_adoptions,
    count_shown,
    day_of,
    first_listens,
    since_exposure,
)
from transforms.experiments.readout.readout_metric import ReadoutMetric
from transforms.experiments.readout.readout_metrics import ADOPTION_DAYS, DECILES, LEDGER
from transforms.publishing.manifest import LedgerFigure
from transforms.tables.buckets import CombineBuckets, Element, Opened, SameBucket
from transforms.tables.columns import Column, Schema, to_frame
from transforms.tables.schemas import PLAY

# The ledger is of this many days before the run; adoption is of the artists first listened to in as many before them.
LEDGER_DAYS = ADOPTION_DAYS
# With fewer users means are not normal enough for an interval.
MIN_LEDGER_USERS = 100
# half the width of an interval of 95 %
_STANDARD_ERRORS = 1.96
_METRICS = (*LEDGER, *DECILES)
LEDGER_SUMS = Schema(
    "ledger_sums",
    (
        Column("metric", pa.string(), "name of the metric"),
        *(Column(name, pa.int64(), f"sum over users of {' times '.join(name)}") for name in SUM_NAMES),
    ),
)


@dataclass(eq=False)
class MeasureLedger(beam.PTransform):
    """Apply measure_ledger() to every bucket of PLAYS, and estimate: one JSON text of LedgerFigure by metric.

    shown: TRACKS_SHOWN of the same buckets; None: there are no impressions.
    """

    shown: beam.PCollection | None
    catalog: Opened
    as_of: datetime

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Add the sums of all buckets up, then estimate."""
        sums = plays | CombineBuckets(
            measure_ledger,
            add_ledgers,
            out=LEDGER_SUMS,
            shown=SameBucket(self.shown) if self.shown is not None else None,
            has_shown=self.shown is not None,
            catalog=self.catalog,
            as_of=self.as_of,
        )
        return sums | "EstimateLedger" >> beam.Map(estimate_ledger).with_output_types(str)


def measure_ledger(
    plays: pl.DataFrame | None, *, shown: pl.DataFrame | None, has_shown: bool, catalog: Catalog, as_of: datetime
) -> pl.DataFrame:
    """PLAYS and TRACKS_SHOWN of the same bucket -> LEDGER_SUMS; has_shown: whether any bucket has the latter."""
    if plays is None:
        return LEDGER_SUMS.frame()
    start = pl.lit(as_of - timedelta(days=LEDGER_DAYS)).cast(pl.Datetime("us", "UTC"))
    users = plays.select(pl.col("user_id").cast(pl.String).unique()).with_columns(exposed_at=start)
    listens = _listens_of(plays, users, catalog)
    own_shown = since_exposure(shown, users, "shown_at")
    counts = [_count_listens(listens), *([count_shown(listens, own_shown, catalog)] if has_shown else [])]
    within = pl.concat([_between(one, 0, LEDGER_DAYS) for one in counts], how="diagonal")
    settled = _between(count_adoptions(listens.drop_nulls("artist")), -ADOPTION_DAYS, 0)
    by_user = pl.concat([within, settled], how="diagonal").group_by("user_id").sum()
    metrics = [one for one in _METRICS if has_shown or not one.needs_impressions]
    return pl.DataFrame([_sums_of(by_user, metric) for metric in metrics], schema=LEDGER_SUMS.frame().schema)


def add_ledgers(sums: pl.DataFrame) -> pl.DataFrame:
    """Add LEDGER_SUMS of several buckets up."""
    return sums.group_by("metric").agg(pl.col(SUM_NAMES).sum()).sort("metric")


def estimate_ledger(sums: Element) -> str:
    """Return the JSON text of a LedgerFigure for each metric that something was counted for."""
    named = {row["metric"]: row for row in to_frame(sums[1]).to_dicts()}
    figures = {one.name: _estimate(one, named[one.name]) for one in _METRICS if one.name in named}
    return json.dumps({name: asdict(found) for name, found in figures.items() if found})


def _listens_of(plays: pl.DataFrame, users: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the listens with their artist, whether they are of the deep catalogue, and their day."""
    tracks = pl.DataFrame(
        {
            "track": np.arange(len(catalog.tracks), dtype=np.int32),
            "artist": catalog.tracks["artist"],
            "is_deep": is_deep(catalog.tracks["n_plays"].to_numpy()),
        }
    )
    own = since_exposure(plays.filter((pl.col("action") == PLAY) & is_listened()), users, "played_at")
    return own.join(tracks, on="track", maintain_order="left").with_columns(day=day_of("played_at"))


def _count_listens(listens: pl.DataFrame) -> pl.DataFrame:
    """Count listens, and first listens to tracks of the deep catalogue, by user and day."""
    new_deep = first_listens(listens, "track").filter("is_deep").group_by(KEYS).agg(n_new_deep=pl.len())
    by_day = listens.group_by(KEYS).agg(n_listens=pl.len())
    return by_day.join(new_deep, on=KEYS, how="left").cast({"n_listens": pl.Int64, "n_new_deep": pl.Int64})


def _between(counts: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
    kept = counts.filter(pl.col("day").is_between(first, end - 1)).drop("day")
    return kept.with_columns(pl.exclude("user_id").cast(pl.Int64))


def _sums_of(by_user: pl.DataFrame, metric: ReadoutMetric) -> dict[str, object]:
    """Return the sums of a metric over the users who count for it; see estimates.py."""
    zero = np.zeros(len(by_user), dtype=np.int64)
    columns = (metric.value, metric.per, *(metric.merit or ("", "")))
    y, m, p, q = (by_user[name].fill_null(0).to_numpy() if name in by_user.columns else zero for name in columns)
    counts = (m > 0) | (q > 0)
    values = dict(zip(VALUES, (counts.astype(np.int64), y, m, p, q), strict=True))
    products = {name: int(values[name[0]] @ values[name[1]]) for name in PRODUCTS}
    return {"metric": metric.name, **{name: int(value.sum()) for name, value in values.items()}, **products}


def _estimate(metric: ReadoutMetric, row: dict[str, int]) -> LedgerFigure | None:
    """Return the value of a metric, with an interval by the delta method if there are users enough."""
    found = estimate_arm(ArmSums({name: np.array(row[name]) for name in SUM_NAMES}))
    value, error = (found.over_covariate, found.over_covariate_error) if metric.merit else (found.value, found.error)
    if not np.isfinite(value):
        return None
    if row["n"] < MIN_LEDGER_USERS or not np.isfinite(error):
        return LedgerFigure(row["n"], float(value), None, None)
    low, high = float(value - _STANDARD_ERRORS * error), float(value + _STANDARD_ERRORS * error)
    return LedgerFigure(row["n"], float(value), low, high)
