"""Features and candidates of a small history, and of random ones."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.small_history import MINUTE
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.embeddings.sequences import latest_sequences
from transforms.features.feature import OF_USER, Feature
from transforms.features.feature_tables import CANDIDATES
from transforms.features.features import FEATURES
from transforms.features.generate_candidates import generate_candidates
from transforms.features.hydrate import hydrate_candidates
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PLAYS, RECENT_LENGTH


def test_candidates_are_whole(plays: pl.DataFrame, snapshot: dict[str, Any]) -> None:
    candidates = generate_candidates(plays, **snapshot)
    table = to_table(candidates, CANDIDATES)
    assert not candidates.select("user_id", "track").is_duplicated().any()
    assert candidates.select("user_id", "track").rows() == sorted(candidates.select("user_id", "track").rows())
    assert set(candidates["user_id"]) == {"ann", "bob", "cat", "dan", "new"}
    assert ("ann", 7) not in candidates.select("user_id", "track").rows()
    assert all(table.column(feature.name).null_count == 0 for feature in FEATURES)
    assert all(candidates[feature.name].is_finite().all() for feature in FEATURES)


def test_the_best_rank_names_the_source(plays: pl.DataFrame, snapshot: dict[str, Any]) -> None:
    candidates = hydrate_candidates(plays, **snapshot)
    sources = {(user, track): source for user, track, source in candidates.select("user_id", "track", "source").rows()}
    # rank 0 of repeats and of popular: the first entry wins the tie
    assert sources["bob", 18] == "repeats" and sources["new", 1] == "popular" and sources["ann", 2] == "co_listened"
    # rank 0 of co-listened repeats and of popular, rank 2 of repeats: the earlier entry of those with rank 0
    assert sources["bob", 1] == "co_listened_repeats"
    both = candidates.filter((pl.col("user_id") == "ann") & (pl.col("track") == 1))
    assert both["score_repeats"].item() > -10 and both["score_popular"].item() > 0


def test_candidates_carry_the_recent_tracks_of_their_user(plays: pl.DataFrame, snapshot: dict[str, Any]) -> None:
    candidates = hydrate_candidates(plays, **snapshot)
    recent = {row["user_id"]: list(row["recent"]) for row in candidates.iter_rows(named=True)}
    assert recent["new"] == [-1] * RECENT_LENGTH
    assert recent["bob"] == [18, 3, 1, 2] + [-1] * (RECENT_LENGTH - 4)


def halved(days: Iterable[float], half_life: float) -> float:
    return sum(0.5 ** (age / half_life) for age in days)


# Of ann and track 0, which she alone plays: four times in full, 5, 6, 7 and 8 days ago, each time after track 1.
DAYS = (5, 6, 7, 8)
ACTIVATION = math.log(sum((24 * days) ** -0.5 for days in DAYS))
# rank 0 of her two repeats by activation, rank 1 of them by co-listening, rank 1 of everyone's tracks; 0: not proposed
RANK_SCORES = {
    "repeats": math.log(101 / 1),
    "co_listened_repeats": math.log(101 / 2),
    "co_listened": 0.0,
    "two_tower": 0.0,
    "artists": 0.0,
    "deep_cuts": 0.0,
    "new_releases": 0.0,
    "new_tracks": 0.0,
    "market": 0.0,
    "popular": math.log(201 / 2),
}
FACTS = {
    "plays_of_track": 4.0,
    "skips_of_track": 0.0,
    "completion_of_track": 1.0,
    "days_since_played": 5.0,
    "days_since_first_played": 8.0,
    "recency": halved(DAYS, 30),
    "activation": ACTIVATION,
    "is_liked": 0.0,
    "plays_of_artist": 4.0,
    "days_since_artist": 5.0,
    "share_of_artist": 0.5,
    "share_of_genre": 0.0,
    "track_popularity": math.log1p(halved(DAYS, 14)),
    "track_plays_7d": math.log1p(3),
    "track_replays": 4.0,
    "track_users": math.log1p(1),
    "track_skip_rate": 0.0,
    "track_completion": 1.0,
    "days_since_release": 2192.0,
    "track_days_since_first_play": 8.0,
    "user_plays": 8.0,
    # of track 1 the third play is 4 minutes older than 7 days
    "user_plays_7d": 5.0,
    "user_skip_rate": 0.0,
    "user_distinct_track_ratio": 0.25,
    "days_since_active": 5.0,
    # the weights of PRIOR_BLEND: .25 for each rank score, 1 for a repeat, .2 for its activation, -5
    "blend_score": 1 / (1 + math.exp(4 - 0.25 * sum(RANK_SCORES.values()) - 0.2 * ACTIVATION)),
    # tracks 18, 2, 3 and 1 have a higher score, and also a higher cosine
    "blend_rank": math.log(5),
    "two_tower_rank": math.log(5),
    **{f"rank_score_{name}": value for name, value in RANK_SCORES.items()},
    "score_repeats": ACTIVATION,
    "score_co_listened": 0.0,
    "score_two_tower": 0.0,
    "score_artists": 0.0,
    "score_deep_cuts": 0.0,
    "score_new_releases": 0.0,
    "score_new_tracks": 0.0,
    "score_market": 0.0,
    "score_popular": halved(DAYS, 14),
}


def cosine_of(plays: pl.DataFrame, snapshot: dict[str, Any]) -> float:
    """Return the cosine of ann and track 0 by a plain product."""
    embeddings = snapshot["embeddings"]
    users = embeddings.embed_users(latest_sequences(plays, as_of=snapshot["as_of"]))
    ann, track = users[plays["user_id"].dtype.categories.to_list().index("ann")], embeddings.tracks[0]
    return float(ann @ track / np.linalg.norm(ann) / np.linalg.norm(track))


def co_listened_score(catalog: Catalog) -> float:
    """Return the similarity of tracks 1 and 0 times the root of the recency of track 1, the only other seed."""
    (similarity,) = catalog.similarities[1][catalog.neighbours[1] == 0].tolist()
    return float(similarity * math.sqrt(halved((days + 4 * MINUTE for days in DAYS), 30)))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_has_its_value(
    feature: Feature, plays: pl.DataFrame, catalog: Catalog, snapshot: dict[str, Any]
) -> None:
    computed = {
        "two_tower_similarity": lambda: cosine_of(plays, snapshot),
        "score_co_listened_repeats": lambda: co_listened_score(catalog),
    }
    expected = computed[feature.name]() if feature.name in computed else FACTS[feature.name]
    candidates = hydrate_candidates(plays, **snapshot)
    value = candidates.filter((pl.col("user_id") == "ann") & (pl.col("track") == 0))[feature.name].item()
    assert value == pytest.approx(expected, rel=1e-5)


OF_A_USER = [one for one in FEATURES if one.freshness == OF_USER or one.name.endswith("score_repeats")]


@pytest.mark.parametrize("feature", OF_A_USER, ids=lambda feature: feature.name)
def test_a_feature_of_a_user_without_plays_has_its_missing_value(
    feature: Feature, plays: pl.DataFrame, snapshot: dict[str, Any]
) -> None:
    candidates = hydrate_candidates(plays, **snapshot)
    values = candidates.filter(pl.col("user_id") == "new")[feature.name].unique().to_list()
    assert values == pytest.approx([feature.missing])


@pytest.mark.parametrize("num_buckets", [1, 7, 64])
def test_candidates_do_not_depend_on_buckets(num_buckets: int, tmp_path: Path) -> None:
    plays = random_plays(11)
    catalog = catalog_of(plays, tracks_of(40), tmp_path)
    snapshot = snapshot_inputs(plays, catalog, tmp_path)
    whole = to_table(hydrate_candidates(plays, **snapshot), CANDIDATES)
    parts = [hydrate_candidates(part, **snapshot) for part in by_bucket(plays, num_buckets) if len(part)]
    tables = [
        to_table(part, CANDIDATES).set_column(0, "user_id", to_table(part, CANDIDATES).column(0).cast("string"))
        for part in parts
    ]
    joined = pl.concat(pl.DataFrame(pl.from_arrow(table)) for table in tables).sort("user_id", "track")
    expected = pl.DataFrame(pl.from_arrow(whole.set_column(0, "user_id", whole.column(0).cast("string"))))
    assert joined.with_columns(pl.col("source").cast(pl.String)).equals(
        expected.with_columns(pl.col("source").cast(pl.String))
    )


@pytest.mark.parametrize("column", ["played_at", "known_at"])
@pytest.mark.parametrize("seed", [1, 2])
def test_later_events_do_not_change_candidates(column: str, seed: int, tmp_path: Path) -> None:
    cutoff = AS_OF - 10 * DAY
    plays = random_plays(seed)
    leak = leaked(plays, column, cutoff)
    catalogs = [catalog_of(log, tracks_of(40), tmp_path / str(n), as_of=cutoff) for n, log in enumerate((plays, leak))]
    moments = [
        snapshot_inputs(log, c, tmp_path / str(n), as_of=cutoff)
        for n, (log, c) in enumerate(zip((plays, leak), catalogs, strict=True))
    ]
    before, after = (hydrate_candidates(log, **m) for log, m in zip((plays, leak), moments, strict=True))
    assert len(leak) > len(plays) and to_table(after, CANDIDATES).equals(to_table(before, CANDIDATES))


def leaked(plays: pl.DataFrame, column: str, cutoff: datetime) -> pl.DataFrame:
    """Return the log with a play of track 5 by every user, which happens or becomes known only at the cutoff."""
    everyone = plays.unique("user_id", keep="first", maintain_order=True).with_columns(
        track=pl.lit(5, dtype=pl.Int32), action=pl.lit(0, dtype=pl.Int8), ms_played=pl.lit(200_000, dtype=pl.Int32)
    )
    happened = cutoff if column == "played_at" else cutoff - timedelta(hours=1)
    times = everyone.with_columns(played_at=pl.lit(happened), known_at=pl.lit(cutoff))
    return to_frame(to_table(pl.concat([plays, times.cast(plays.schema)]).sort("user_id", "played_at"), PLAYS))
