"""Small catalogs with albums, works, copies and rights, listeners of them, and all that queues are composed with."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.build_catalog import count_tracks, sum_track_counts
from transforms.catalog.catalog import Catalog
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import ContentKeys, content_keys
from transforms.now_playing.count_transitions import count_transitions
from transforms.now_playing.queues.queue_tables import QueuePolicy
from transforms.now_playing.rank_successors import rank_successors
from transforms.now_playing.skips.skip_features import SKIP_FEATURES
from transforms.now_playing.skips.skip_model import OrderModel, SkipModel, write_skip_model
from transforms.now_playing.successor_lists import SuccessorLists, open_successor_lists, write_successor_lists
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule

NUM_TRACKS = 120
RULES = """
rules:
  - exclude: {explicit: true}
    when: {markets: [af], surfaces: [now_playing]}
  - exclude: {tracks: [t0003]}
    when: {surfaces: [home]}
  - cap: {artist: 5}
"""


@dataclass(frozen=True)
class QueueWorld:
    """All that compose_queues() takes; the folder has the artifacts catalog, successors and skips."""

    folder: Path
    tracks: pl.DataFrame
    plays: pl.DataFrame
    catalog: Catalog
    keys: ContentKeys
    counts: pl.DataFrame
    successors: SuccessorLists
    skips: SkipModel
    rules: tuple[Rule, ...]
    policy: QueuePolicy


def album_tracks(num_tracks: int) -> pl.DataFrame:
    """Return tracks of six to an album: some are movements, explicit, unreleased, new, without rights, or copies."""
    number = pl.int_range(pl.len())
    vectors = np.random.default_rng(0).standard_normal((num_tracks, 6)).astype(np.float32)
    work = pl.format("Suite in D: {}. Air", number % 6 + 1)
    return READ_TRACKS.conform(
        tracks_of(num_tracks, num_artists=17).with_columns(
            vector=pl.Series(vectors.tolist(), dtype=pl.List(pl.Float32)),
            artist_id=pl.format("a{}", number // 6),
            album_id=pl.format("b{}", number // 6),
            disc_number=1 + (number % 6) // 3,
            # the order of ids is not that of the album
            track_number=3 - number % 3,
            title=pl.when(number // 6 == 2).then(work).otherwise("title"),
            explicit=number % 11 == 0,
            markets=pl.when(number % 13 == 5)
            .then(pl.lit(["SE"]))
            .when(number % 29 == 7)
            .then(pl.lit([], pl.List(pl.String))),
            release_date=pl.when(number % 31 == 3)
            .then(pl.lit(date(2030, 1, 1)))
            .when(number % 31 == 4)
            .then(pl.lit(AS_OF.date()))
            .otherwise(pl.lit(date(2020, 1, 1))),
            recording_id=pl.when(number.is_in([20, 50])).then(pl.lit("same")),
        )
    )


def queue_world(folder: Path, seed: int = 1, *, num_plays: int = 3000, rules: str = RULES) -> QueueWorld:
    """Build a world."""
    tracks = album_tracks(NUM_TRACKS)
    plays = random_plays(seed, num_users=12, num_tracks=NUM_TRACKS, num_plays=num_plays)
    catalog = catalog_of(plays, tracks, folder / "catalog")
    distinct = distinct_tracks(tracks)
    keys = content_keys(distinct, collect_tracks(distinct, match_names=True))
    rows = rank_successors(count_transitions(plays, as_of=AS_OF), catalog=catalog, keys=keys, as_of=AS_OF)
    for name in ("successors", "skips"):
        (folder / name).mkdir()
    write_successor_lists(folder / "successors", rows, NUM_TRACKS)
    weights = np.zeros(len(SKIP_FEATURES))
    weights[SKIP_FEATURES.index("step")], weights[SKIP_FEATURES.index("artist_recent")] = 1.0, 0.4
    order = OrderModel(np.zeros(len(SKIP_FEATURES)), weights, -1.0)
    skips = SkipModel({"skipped": "", "completed": ""}, {"skipped": 0.3, "completed": 0.5}, order, {})
    write_skip_model(folder / "skips", skips)
    return QueueWorld(
        folder=folder,
        tracks=tracks,
        plays=plays,
        catalog=catalog,
        keys=keys,
        counts=sum_track_counts(count_tracks(plays, as_of=AS_OF, half_life_days=14.0)),
        successors=open_successor_lists(str(folder / "successors")),
        skips=skips,
        rules=tuple(parse_rules(rules, ("mix",), ("home", "now_playing"))),
        policy=QueuePolicy(AS_OF, seed=1),
    )
