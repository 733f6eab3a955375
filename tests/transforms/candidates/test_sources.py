"""The proposals of each source, and the contract of all."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.small_history import small_plays
from tests.worlds import catalog_of, plays_of, snapshot_inputs, tracks_of
from transforms.candidates.context import CandidateContext
from transforms.candidates.embedding_sources import POPULARITY_WEIGHT
from transforms.candidates.sources import SOURCES, Source, disabled_sources
from transforms.catalog.catalog import Catalog
from transforms.features.feature_tables import CANDIDATES
from transforms.features.hydrate import build_context, hydrate_candidates
from transforms.tables.columns import to_table

Snapshot = dict[str, Any]


@pytest.fixture
def plays() -> pl.DataFrame:
    return small_plays()


@pytest.fixture
def catalog(plays: pl.DataFrame, tmp_path: Path) -> Catalog:
    return catalog_of(plays, tracks_of(20), tmp_path)


@pytest.fixture
def snapshot(plays: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> Snapshot:
    return snapshot_inputs(plays, catalog, tmp_path)


def context_of(plays: pl.DataFrame, snapshot: Snapshot) -> CandidateContext:
    given = ("catalog", "embeddings", "new_tracks", "as_of", "carry_over")
    return build_context(plays, **{name: snapshot[name] for name in given}, decay=snapshot["blend"].decay)


def proposed_by(source: str, plays: pl.DataFrame, snapshot: Snapshot, user: str) -> list[tuple[int, int | None]]:
    (entry,) = [entry for entry in SOURCES if entry.name == source]
    mine = entry.propose(context_of(plays, snapshot), entry.quota).filter(pl.col("user_id") == user)
    return mine.sort("score", "track", descending=[True, False]).select("track", "seed_track").rows()


@pytest.mark.parametrize(
    ("source", "user", "expected"),
    [
        # 0 was played a little later than 1 each time
        ("repeats", "ann", [(0, 0), (1, 1)]),
        ("repeats", "new", []),
        # 2 was first played right before 1, which ann plays; 3 a day later, 18 another day later
        ("co_listened", "ann", [(2, 1), (3, 1), (18, 1)]),
        ("co_listened", "cat", [(18, 3), (0, 1)]),
        # ann's two tracks are co-listened with each other
        ("co_listened_repeats", "ann", [(1, 0), (0, 1)]),
        ("co_listened_repeats", "new", []),
        # ann plays artists 0 (of 0; also 7, which she disliked and so has touched) and 1 (of 1, 8, 15); then those of
        # the tracks near 1: 2 (of 2 and 16), 3 (of 3, 10 and 17)
        ("artists", "ann", [(8, 1), (15, 1)]),
        # cat plays artist 3 (of 17) with 3; the vectors of the other tracks are equal
        ("new_releases", "cat", [(17, 3), (18, None)]),
        ("new_releases", "new", [(18, None), (17, None), (19, None)]),
        ("market", "new", [(3, None), (1, None), (2, None)]),
        ("market", "ann", []),
        ("popular", "new", [(1, None), (0, None), (3, None), (2, None)]),
    ],
)
def test_a_source_proposes(
    source: str, user: str, expected: list[tuple[int, int | None]], plays: pl.DataFrame, snapshot: Snapshot
) -> None:
    found = proposed_by(source, plays, snapshot, user)
    assert found[: len(expected)] == expected and (expected or not found)


def test_new_releases_of_the_users_artists_come_first(plays: pl.DataFrame, snapshot: Snapshot) -> None:
    more = small_plays({"user_id": "cat", "track": 11, "days": 6})
    assert proposed_by("new_releases", more, snapshot, "cat")[0] == (18, 11)


def test_two_tower_prefers_popular_tracks_a_little(plays: pl.DataFrame, snapshot: Snapshot) -> None:
    context = context_of(plays, snapshot)
    popularity = context.catalog.tracks["popularity"].to_numpy()
    for source, weight in (("two_tower", POPULARITY_WEIGHT), ("deep_cuts", 0.0)):
        (entry,) = [entry for entry in SOURCES if entry.name == source]
        proposed = entry.propose(context, entry.quota)
        cosine = context.two_tower_similarity(proposed["user_id"], proposed["track"]).to_numpy()
        expected = cosine + weight * np.log1p(popularity[proposed["track"].to_numpy()])
        assert len(proposed) and proposed["score"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert popularity[proposed_by("two_tower", plays, snapshot, "ann")[0][0]] > 0


@pytest.mark.parametrize("entry", SOURCES, ids=lambda entry: entry.name)
def test_every_source_keeps_its_contract(
    entry: Source, plays: pl.DataFrame, snapshot: Snapshot, tmp_path: Path
) -> None:
    candidates = hydrate_candidates(plays, **snapshot)
    counts = candidates.filter(pl.col("source").cast(pl.String) == entry.name).group_by("user_id").len()
    assert counts["len"].max() is None or counts["len"].max() <= entry.quota  # type: ignore[operator]
    nothing = catalog_of(plays_of([]), tracks_of(0), tmp_path / "nothing")
    empty = context_of(plays_of([]), snapshot_inputs(plays_of([]), nothing, tmp_path / "nothing"))
    assert entry.propose(empty, entry.quota).is_empty()
    nowhere = plays.with_columns(market=pl.lit(None, pl.Int16))
    lacking = catalog_of(
        nowhere, pl.concat([tracks_of(0), tracks_of(20).select("track_id")], how="diagonal"), tmp_path / "bare"
    )
    assert (entry.name in disabled_sources(lacking)) == bool(entry.needs)
    assert entry.name not in disabled_sources(snapshot["catalog"])
    to_table(hydrate_candidates(plays, **snapshot_inputs(plays, lacking, tmp_path / "bare")), CANDIDATES)
