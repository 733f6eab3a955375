"""What a run is judged by: counts of its pages, histograms of features and scores, and how far two of these are apart.

A histogram has fixed bins, so that buckets and runs can be added and compared: bin = floor(8 * asinh(100 * value)),
42 of them from 0 to 1 and 18 for each further power of ten.
"""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from transforms.events.user_samples import sample_users
from transforms.tables.columns import Column, Schema
from transforms.tables.counts import COUNTS
from transforms.tables.histograms import count_values

PAGE_TRACKS = Schema("shown", (Column("track_id", pa.string(), "a track that stands on a page"),))


def sample_values(frame: pl.DataFrame, *, names: Sequence[str], share: float, seed: int) -> pl.DataFrame:
    """HISTOGRAM of a sample of whole users."""
    users = sample_users(frame.select("user_id"), share, seed)
    return count_values(frame.join(users, on="user_id", how="semi"), names=names)


def count_known_users(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS of whole users -> N_USERS."""
    return plays.select(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def count_pages(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES of whole users -> COUNTS: pages, empty ones, users; shelves and tracks of each kind (shelves/ID)."""
    of_kind = (
        _rows(pages, "shelves").group_by("shelf_id").agg(shelves=pl.len(), tracks=pl.col("tracks").list.len().sum())
    )
    long = of_kind.unpivot(index="shelf_id", variable_name="kind", value_name="n")
    named = long.select(what=pl.concat_str("kind", "shelf_id", separator="/"), n=pl.col("n").cast(pl.Int64))
    empty = pages.select(pl.col("shelves").list.len().fill_null(0).eq(0).sum()).item()
    totals = {"pages": pages.height, "empty_pages": empty, "users_with_page": pages["user_id"].n_unique()}
    total_rows = pl.DataFrame({"what": list(totals), "n": list(totals.values())}, schema=named.schema)
    return pl.concat([total_rows, named]).select(COUNTS.names)


def _rows(frame: pl.DataFrame, lists: str) -> pl.DataFrame:
    """One row for each struct in a column of lists."""
    return frame.select(pl.col(lists).drop_nulls().explode(empty_as_null=False)).unnest(lists)


def page_tracks(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> SHOWN: each track once."""
    return _rows(_rows(pages, "shelves"), "tracks").select(pl.col("track_id").unique())


def distinct_tracks(shown: pl.DataFrame) -> pl.DataFrame:
    """SHOWN of several tables -> SHOWN of all."""
    return shown.unique()
