"""The proposals of each source, and the contract of all."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.small_history import small_plays
from tests.worlds import AS_OF, by_bucket, catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.carry_over import CARRY_OVER
from transforms.candidates.context import CandidateContext
from transforms.candidates.embedding_sources import POPULARITY_WEIGHT
from transforms.candidates.source import Source
from transforms.candidates.sources import SOURCES, disabled_sources
from transforms.features.feature_tables import CANDIDATES
from transforms.features.hydrate import build_context, hydrate_candidates
from transforms.pages.reasons import render_reasons
from transforms.tables.columns import to_table


def context_of(plays: pl.DataFrame, snapshot: dict[str, Any]) -> CandidateContext:
    given = ("catalog", "embeddings", "new_tracks", "as_of", "carry_over")
    return build_context(plays, **{name: snapshot[name] for name in given}, decay=snapshot["blend"].decay)


def proposed_by(source: str, plays: pl.DataFrame, snapshot: dict[str, Any], user: str) -> list[tuple[int, int | None]]:
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
    source: str, user: str, expected: list[tuple[int, int | None]], plays: pl.DataFrame, snapshot: dict[str, Any]
) -> None:
    found = proposed_by(source, plays, snapshot, user)
    assert found[: len(expected)] == expected and (expected or not found)


def test_new_releases_of_the_users_artists_come_first(plays: pl.DataFrame, snapshot: dict[str, Any]) -> None:
    more = small_plays({"user_id": "cat", "track": 11, "days": 6})
    assert proposed_by("new_releases", more, snapshot, "cat")[0] == (18, 11)


def test_two_tower_prefers_popular_tracks_a_little(plays: pl.DataFrame, snapshot: dict[str, Any]) -> None:
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
    entry: Source, plays: pl.DataFrame, snapshot: dict[str, Any], tmp_path: Path
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_candidate_is_released_later(seed: int, tmp_path: Path) -> None:
    rng, plays = np.random.default_rng(seed), random_plays(seed)
    days = rng.choice([-900, -5, 0, 1, 30, 2_000_000], 40)
    tracks = tracks_of(40).with_columns(release_date=pl.Series([AS_OF.date() + timedelta(int(day)) for day in days]))
    snapshot = snapshot_inputs(plays, catalog_of(plays, tracks, tmp_path), tmp_path)
    carried = {"user_id": "ü001", "track": 0, "source": "popular", "position": 0, "day": AS_OF.date()}
    carry_over = CARRY_OVER.frame([{**carried, "track": track} for track in range(40)])
    found = hydrate_candidates(plays, **{**snapshot, "carry_over": carry_over})["track"].unique()
    assert set(found) == set(np.flatnonzero(days <= 0))
    # what is released later takes no place of the others
    for name in ("popular", "market", "two_tower"):
        (entry,) = [entry for entry in SOURCES if entry.name == name]
        proposed = entry.propose(context_of(plays, snapshot), 5)
        assert not set(proposed["track"]) & set(np.flatnonzero(days > 0))
        assert proposed.group_by("user_id").len()["len"].eq(5).all()


def test_a_copy_is_no_candidate(tmp_path: Path) -> None:
    plays = random_plays(4)
    ids = pl.Series([f"r{code % 30}" for code in range(40)])
    catalog = catalog_of(plays, tracks_of(40).with_columns(recording_id=ids), tmp_path)
    found = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path))["track"].unique()
    # of two copies the earliest stands for both: three of the last ten are new
    assert set(found) == set(range(30))


@dataclass(frozen=True)
class RandomWorld:
    """Random plays of 30 users, the arguments of hydrate_candidates(), and the inputs of the sources."""

    plays: pl.DataFrame
    snapshot: dict[str, Any]
    context: CandidateContext


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RandomWorld:
    folder, plays = tmp_path_factory.mktemp("random"), random_plays(11)
    snapshot = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), folder), folder)
    return RandomWorld(plays, snapshot, context_of(plays, snapshot))


def as_strings(proposed: pl.DataFrame) -> pl.DataFrame:
    """Return proposals by user, best first, with user ids that do not depend on the bucket."""
    columns = proposed.select(
        pl.col("user_id").cast(pl.String), "track", pl.col("score").cast(pl.Float64), "seed_track"
    )
    return columns.sort("user_id", maintain_order=True)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
class TestEverySource:
    def test_rows_are_typed_and_distinct(self, source: Source, world: RandomWorld) -> None:
        found = source.propose(world.context, source.quota)
        assert found["user_id"].dtype == world.context.history.users["user_id"].dtype
        assert found["track"].dtype == pl.Int32 and found["seed_track"].dtype == pl.Int32
        assert found["score"].dtype.is_float() and found["score"].is_finite().all()
        assert found.drop("seed_track").null_count().sum_horizontal().item() == 0
        assert len(found) and not found.select("user_id", "track").is_duplicated().any()
        assert found["track"].is_between(0, 39).all() and found["seed_track"].drop_nulls().is_between(0, 39).all()

    @pytest.mark.parametrize("quota", [1, 3, None])
    def test_it_keeps_the_quota_and_ranks_the_best_first(
        self, source: Source, quota: int | None, world: RandomWorld
    ) -> None:
        found = as_strings(source.propose(world.context, quota or source.quota))
        assert found.group_by("user_id").len()["len"].max() <= (quota or source.quota)  # type: ignore[operator]
        assert found.equals(found.sort("user_id", "score", "track", descending=[False, True, False]))

    @pytest.mark.parametrize("num_buckets", [7, 64])
    def test_buckets_do_not_show(self, source: Source, num_buckets: int, world: RandomWorld) -> None:
        parts = [part for part in by_bucket(world.plays, num_buckets) if len(part)]
        found = [as_strings(source.propose(context_of(part, world.snapshot), source.quota)) for part in parts]
        whole = as_strings(source.propose(world.context, source.quota))
        assert pl.concat(found).sort("user_id", maintain_order=True).equals(whole)

    def test_it_is_disabled_where_the_catalog_lacks_a_fact(self, source: Source, world: RandomWorld) -> None:
        assert disabled_sources(world.context.catalog) == {}
        for fact in source.needs:
            catalog = world.context.catalog
            if fact == "market":
                bare = type(catalog)(catalog.tracks, catalog.neighbours, catalog.similarities, catalog.markets.clear())
            else:
                tracks = catalog.tracks.with_columns(pl.lit(None, catalog.tracks.schema[fact]).alias(fact))
                bare = type(catalog)(tracks, catalog.neighbours, catalog.similarities, catalog.markets)
            assert disabled_sources(bare)[source.name] == f"there is no {fact}"

    def test_nobody_and_nothing_are_no_error(self, source: Source, tmp_path: Path) -> None:
        nobody = plays_of([])
        snapshot = snapshot_inputs(nobody, catalog_of(nobody, tracks_of(0), tmp_path), tmp_path)
        assert source.propose(context_of(nobody, snapshot), source.quota).is_empty()

    def test_every_card_has_a_reason(self, source: Source, world: RandomWorld) -> None:
        proposed = source.propose(world.context, source.quota)
        catalog = world.context.catalog
        no_names = catalog.tracks.with_columns(artist_name=pl.lit(None, pl.String))
        for tracks in (catalog.tracks, no_names):
            for seed_track in (pl.col("seed_track"), pl.lit(None, pl.Int32).alias("seed_track")):
                cards = proposed.select("track", seed_track, source=pl.lit(source.name)).with_columns(
                    plays_of_track=pl.lit(0 if not source.is_repeat else 2), days_since_played=pl.lit(3.5)
                )
                bare = type(catalog)(tracks, catalog.neighbours, catalog.similarities, catalog.markets)
                assert render_reasons(cards, bare).is_not_null().all()

    def test_it_is_described(self, source: Source, world: RandomWorld) -> None:
        assert source.sentence and source.quota > 0 and source.reasons
        assert [one.name for one in SOURCES].count(source.name) == 1
        found = source.propose(world.context, source.quota)
        played = world.context.history.tracks.filter(pl.col("plays_of_track") > 0).select("user_id", "track")
        is_repeat = found.join(played, on=["user_id", "track"], how="semi").height == found.height
        assert is_repeat or not source.is_repeat
