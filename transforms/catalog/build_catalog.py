"""Build the catalog as of a moment: statistics of every track before it, and the neighbours of every track."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import write_catalog
from transforms.catalog.co_listening import keep_first_listens, num_track_buckets, split_listens
from transforms.catalog.markets import POPULARITY_UNIT, decayed_play
from transforms.catalog.neighbours import find_neighbours
from transforms.catalog.track_codes import open_tracks
from transforms.events.listening import SKIP_MS, is_listened
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets, Opened, open_frame
from transforms.tables.columns import to_frame
from transforms.tables.schemas import LISTENS, NEIGHBOURS, PLAY, TRACK_COUNTS

_WEEK = timedelta(days=7)


@dataclass(eq=False)
class BuildCatalog(beam.PTransform):
    """Build a Catalog artifact from the PLAYS known before each of `moments` (ascending); returns their paths.

    markets: one MARKET_COUNTS for each moment.
    """

    moments: tuple[datetime, ...]
    markets: tuple[beam.PCollection, ...]
    tracks_path: beam.PCollection
    folder: str
    num_buckets: int
    num_neighbours: int
    half_life_days: float

    def expand(self, plays: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Shuffle the first listens once, count plays and neighbours for each moment, and write each catalog."""
        listens = plays | MapBuckets(keep_first_listens, out=LISTENS, moments=self.moments)
        grouped = listens | GroupByBucket("track", num_track_buckets(self.num_buckets), split_listens)
        return tuple(self._catalog(index, plays, grouped) for index in range(len(self.moments)))

    def _catalog(self, index: int, plays: beam.PCollection, listens: beam.PCollection) -> beam.PCollection:
        counts = plays | f"Count{index}" >> CombineBuckets(
            count_tracks,
            sum_track_counts,
            out=TRACK_COUNTS,
            as_of=self.moments[index],
            half_life_days=self.half_life_days,
        )
        neighbours = listens | f"Neighbours{index}" >> MapBuckets(
            find_neighbours,
            out=NEIGHBOURS,
            moment=index,
            track_counts=Opened(counts, open_frame),
            num_neighbours=self.num_neighbours,
        )
        return plays.pipeline | f"Catalog{index}" >> BuildArtifact(
            build_catalog,
            folder=self.folder,
            tracks=Opened(self.tracks_path, open_tracks),
            counts=counts,
            neighbours=[neighbours],
            markets=self.markets[index],
            num_neighbours=self.num_neighbours,
        )


def build_catalog(
    directory: Path,
    *,
    tracks: pl.DataFrame,
    counts: tuple[int, pa.Table],
    neighbours: list[tuple[int, pa.Table]],
    markets: tuple[int, pa.Table],
    num_neighbours: int,
) -> None:
    """Join metadata, counts and neighbours of all tracks, and write the artifact."""
    near = pa.concat_tables([NEIGHBOURS.empty(), *(table for _, table in neighbours)])
    counted = add_statistics(tracks, to_frame(counts[1]))
    write_catalog(directory, counted, to_frame(near), to_frame(markets[1]), num_neighbours)


def count_tracks(plays: pl.DataFrame, *, as_of: datetime, half_life_days: float) -> pl.DataFrame:
    """Count the plays of each track that were known before `as_of`, in this bucket: PLAYS -> TRACK_COUNTS."""
    weight = decayed_play(as_of, half_life_days)
    return (
        plays.filter((pl.col("action") == PLAY) & (pl.col("known_at") < as_of))
        .group_by("track")
        .agg(
            n_plays=pl.len().cast(pl.Int64),
            n_users=pl.col("user_id").n_unique().cast(pl.Int64),
            n_plays_7d=(pl.col("played_at") >= as_of - _WEEK).sum().cast(pl.Int64),
            n_timed=pl.col("ms_played").count().cast(pl.Int64),
            n_skips=(pl.col("ms_played") < SKIP_MS).sum().cast(pl.Int64),
            ms_played=pl.col("ms_played").cast(pl.Int64).sum(),
            popularity=weight.filter(is_listened()).sum(),
            first_played_at=pl.col("played_at").min(),
        )
    )


def sum_track_counts(counts: pl.DataFrame) -> pl.DataFrame:
    """Sum TRACK_COUNTS of several buckets by track."""
    sums = pl.exclude("track", "first_played_at").sum()
    return counts.group_by("track").agg(sums, pl.col("first_played_at").min()).sort("track")


def add_statistics(tracks: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Add statistics to the metadata of tracks: TRACK_METADATA and TRACK_COUNTS -> CATALOG."""
    coded = tracks.with_row_index("track").cast({"track": pl.Int32})
    joined = coded.join(counts, on="track", how="left", maintain_order="left")
    completion = pl.col("ms_played") / (pl.col("n_timed") * pl.col("duration_ms"))
    return joined.with_columns(
        pl.col("n_plays", "n_users", "n_plays_7d").fill_null(0),
        popularity=(pl.col("popularity") / POPULARITY_UNIT).fill_null(0.0),
        skip_rate=pl.when(pl.col("n_timed") > 0).then(pl.col("n_skips") / pl.col("n_timed")).cast(pl.Float32),
        completion=pl.when(pl.col("n_timed") > 0).then(completion.clip(0, 1)).cast(pl.Float32),
    )
