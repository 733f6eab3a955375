"""Counts of users, pages, shelves and tracks, and histograms of a sample of users, for the metrics of a run."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import NUM_DECILES, is_deep, popularity_deciles
from transforms.events.user_samples import sample_users
from transforms.tables.columns import Column, Schema
from transforms.tables.counts import COUNTS
from transforms.tables.histograms import count_values

PAGE_TRACKS = Schema(
    "page_tracks",
    (Column("track_id", pa.string(), "a track on any page"), Column("n_cards", pa.int64(), "cards on all pages")),
)


def sample_values(frame: pl.DataFrame, *, names: Sequence[str], share: float, seed: int) -> pl.DataFrame:
    """Count the columns `names` of a sample of whole users: HISTOGRAM."""
    users = sample_users(frame.select("user_id"), share, seed)
    return count_values(frame.join(users, on="user_id", how="semi"), names=names)


def count_pages(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES of whole users -> COUNTS of pages, empty pages, users, and by shelf id of shelves/ID and tracks/ID."""
    of_kind = (
        _rows(pages, "shelves").group_by("shelf_id").agg(shelves=pl.len(), tracks=pl.col("tracks").list.len().sum())
    )
    long = of_kind.unpivot(index="shelf_id", variable_name="kind", value_name="n")
    named = long.select(name=pl.concat_str("kind", "shelf_id", separator="/"), n=pl.col("n").cast(pl.Int64))
    empty = pages.select(pl.col("shelves").list.len().fill_null(0).eq(0).sum()).item()
    totals = {"pages": pages.height, "empty_pages": empty, "users_with_page": pages["user_id"].n_unique()}
    total_rows = pl.DataFrame({"name": list(totals), "n": list(totals.values())}, schema=named.schema)
    return pl.concat([total_rows, named]).select(COUNTS.names)


def _rows(frame: pl.DataFrame, lists: str) -> pl.DataFrame:
    """Return one row for each struct in a column of lists."""
    return frame.select(pl.col(lists).drop_nulls().explode(empty_as_null=False)).unnest(lists)


def page_tracks(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> PAGE_TRACKS, each track once."""
    cards = _rows(_rows(pages, "shelves"), "tracks")
    return cards.group_by("track_id").agg(n_cards=pl.len().cast(pl.Int64))


def distinct_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """PAGE_TRACKS of several tables -> PAGE_TRACKS of all."""
    return tracks.group_by("track_id").agg(pl.col("n_cards").sum())


def count_deep_cards(tracks: pl.DataFrame, catalog: Catalog) -> int:
    """Count the cards whose track is of the deep catalogue: PAGE_TRACKS; a copy has the plays of its recording."""
    deep = is_deep(catalog.tracks["n_plays"].to_numpy())[catalog.recording]
    of_track = pl.DataFrame({"track_id": catalog.tracks["track_id"], "is_deep": deep})
    return int(tracks.join(of_track, on="track_id").filter("is_deep")["n_cards"].sum())


def count_cards_by_decile(tracks: pl.DataFrame, catalog: Catalog) -> tuple[int, ...]:
    """Count the cards of each popularity decile: PAGE_TRACKS; a copy has the decile of its recording."""
    decile = popularity_deciles(catalog).gather(catalog.recording)
    of_track = pl.DataFrame({"track_id": catalog.tracks["track_id"], "decile": decile})
    counts = tracks.join(of_track, on="track_id").group_by("decile").agg(pl.col("n_cards").sum())
    by_decile = dict(counts.rows())
    return tuple(int(by_decile.get(decile, 0)) for decile in range(NUM_DECILES))
