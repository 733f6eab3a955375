"""Sources, merging and features, on worlds small enough to see through."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.context import CandidateContext
from transforms.candidates.embedding_sources import POPULARITY_WEIGHT
from transforms.candidates.sources import SOURCES, Source, disabled_sources
from transforms.catalog.catalog import Catalog
from transforms.embeddings.sequences import latest_sequences
from transforms.features.feature import OF_USER, Feature
from transforms.features.feature_tables import CANDIDATES
from transforms.features.features import FEATURES
from transforms.features.generate_candidates import generate_candidates
from transforms.features.hydrate import build_context, hydrate_candidates
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PLAYS, RECENT_LENGTH

Moment = dict[str, Any]
MINUTE = 1 / 1440
# tracks_of(20): artists a0..a6 (none where number % 5 == 4), genre pop for odd numbers, 17, 18, 19 released in December
ROWS = [
    # ann plays 0 and 1 in one session, often, and dislikes 7
    *({"user_id": "ann", "track": track, "days": 5 + n + track * MINUTE * 4} for n in range(4) for track in (0, 1)),
    {"user_id": "ann", "track": 7, "days": 4, "action": 3},
    # bob, cat and dan hear 2 beside 1, and everyone plays 3
    *(
        {"user_id": user, "track": track, "days": 3 + track * MINUTE * 4}
        for user in ("bob", "cat", "dan")
        for track in (1, 2)
    ),
    *({"user_id": user, "track": 3, "days": 2} for user in ("bob", "cat", "dan")),
    {"user_id": "bob", "track": 18, "days": 1},
    # where cat is, the newcomer is, too; of the others nobody knows
    {"user_id": "cat", "track": None, "days": None, "market": 5},
    {"user_id": "new", "track": None, "days": None, "market": 5},
]


@pytest.fixture
def plays() -> pl.DataFrame:
    return plays_of(ROWS)


@pytest.fixture
def catalog(plays: pl.DataFrame, tmp_path: Path) -> Catalog:
    return catalog_of(plays, tracks_of(20), tmp_path)


@pytest.fixture
def moment(plays: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> Moment:
    return snapshot_inputs(plays, catalog, tmp_path)


def context_of(plays: pl.DataFrame, moment: Moment) -> CandidateContext:
    given = ("catalog", "embeddings", "new_tracks", "as_of", "carry_over")
    return build_context(plays, **{name: moment[name] for name in given}, decay=moment["blend"].decay)


def proposed_by(source: str, plays: pl.DataFrame, moment: Moment, user: str) -> list[tuple[int, int | None]]:
    (entry,) = [entry for entry in SOURCES if entry.name == source]
    mine = entry.propose(context_of(plays, moment), entry.quota).filter(pl.col("user_id") == user)
    return mine.sort("score", "track", descending=[True, False]).select("track", "seed_track").rows()


@pytest.mark.parametrize(
    ("source", "user", "expected"),
    [
        # 0 was played a little later than 1 each time
        ("repeats", "ann", [(0, 0), (1, 1)]),
        ("repeats", "new", []),
        # 2 is first heard right after 1, which ann plays; 3 a day later, 18 another day later
        ("co_listened", "ann", [(2, 1), (3, 1), (18, 1)]),
        ("co_listened", "cat", [(18, 3), (0, 1)]),
        # what ann plays is near each other
        ("co_listened_repeats", "ann", [(1, 0), (0, 1)]),
        ("co_listened_repeats", "new", []),
        # ann plays artists 0 (of 0; also 7, which she disliked and so has touched) and 1 (of 1, 8, 15); then those of
        # the tracks near 1: 2 (of 2 and 16), 3 (of 3, 10 and 17)
        ("artists", "ann", [(8, 1), (15, 1)]),
        # cat plays artist 3 (of 17) with 3; nobody's vector knows the others apart
        ("new_releases", "cat", [(17, 3), (18, None)]),
        ("new_releases", "new", [(18, None), (17, None), (19, None)]),
        ("market", "new", [(3, None), (1, None), (2, None)]),
        ("market", "ann", []),
        ("popular", "new", [(1, None), (0, None), (3, None), (2, None)]),
    ],
)
def test_a_source_proposes(
    source: str, user: str, expected: list[tuple[int, int | None]], plays: pl.DataFrame, moment: Moment
) -> None:
    found = proposed_by(source, plays, moment, user)
    assert found[: len(expected)] == expected and (expected or not found)


def test_new_releases_of_the_users_artists_come_first(plays: pl.DataFrame, moment: Moment) -> None:
    more = plays_of([*ROWS, {"user_id": "cat", "track": 11, "days": 6}])
    assert proposed_by("new_releases", more, moment, "cat")[0] == (18, 11)


def test_popular_tracks_are_a_little_nearer_to_everyone(plays: pl.DataFrame, moment: Moment) -> None:
    context = context_of(plays, moment)
    popularity = context.catalog.tracks["popularity"].to_numpy()
    for source, prior in (("two_tower", POPULARITY_WEIGHT), ("deep_cuts", 0.0)):
        (entry,) = [entry for entry in SOURCES if entry.name == source]
        proposed = entry.propose(context, entry.quota)
        cosine = context.two_tower_similarity(proposed["user_id"], proposed["track"]).to_numpy()
        expected = cosine + prior * np.log1p(popularity[proposed["track"].to_numpy()])
        assert len(proposed) and proposed["score"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert popularity[proposed_by("two_tower", plays, moment, "ann")[0][0]] > 0


@pytest.mark.parametrize("entry", SOURCES, ids=lambda entry: entry.name)
def test_every_source_keeps_its_promises(entry: Source, plays: pl.DataFrame, moment: Moment, tmp_path: Path) -> None:
    candidates = hydrate_candidates(plays, **moment)
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
    assert entry.name not in disabled_sources(moment["catalog"])
    to_table(hydrate_candidates(plays, **snapshot_inputs(plays, lacking, tmp_path / "bare")), CANDIDATES)


def test_candidates_are_whole(plays: pl.DataFrame, moment: Moment) -> None:
    candidates = generate_candidates(plays, **moment)
    table = to_table(candidates, CANDIDATES)
    assert not candidates.select("user_id", "track").is_duplicated().any()
    assert candidates.select("user_id", "track").rows() == sorted(candidates.select("user_id", "track").rows())
    assert set(candidates["user_id"]) == {"ann", "bob", "cat", "dan", "new"}
    assert ("ann", 7) not in candidates.select("user_id", "track").rows()
    assert all(table.column(feature.name).null_count == 0 for feature in FEATURES)
    assert all(candidates[feature.name].is_finite().all() for feature in FEATURES)


def test_the_best_rank_names_the_source(plays: pl.DataFrame, moment: Moment) -> None:
    candidates = hydrate_candidates(plays, **moment)
    sources = {(user, track): source for user, track, source in candidates.select("user_id", "track", "source").rows()}
    # rank 0 of repeats and of popular: the first entry wins the tie
    assert sources["bob", 18] == "repeats" and sources["new", 1] == "popular" and sources["ann", 2] == "co_listened"
    # bob's third by recency is the first that is near his others, and what everyone plays most: the earlier entry
    assert sources["bob", 1] == "co_listened_repeats"
    both = candidates.filter((pl.col("user_id") == "ann") & (pl.col("track") == 1))
    assert both["score_repeats"].item() > -10 and both["score_popular"].item() > 0


def test_recent_tracks_travel_along(plays: pl.DataFrame, moment: Moment) -> None:
    candidates = hydrate_candidates(plays, **moment)
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


def cosine_of(plays: pl.DataFrame, moment: Moment) -> float:
    """Return the cosine of ann and track 0 by a plain product."""
    embeddings = moment["embeddings"]
    users = embeddings.embed_users(latest_sequences(plays, as_of=moment["as_of"]))
    ann, track = users[plays["user_id"].dtype.categories.to_list().index("ann")], embeddings.tracks[0]
    return float(ann @ track / np.linalg.norm(ann) / np.linalg.norm(track))


def co_listened_score(catalog: Catalog) -> float:
    """Return the similarity of tracks 1 and 0 times the root of the recency of track 1, the only other seed."""
    (similarity,) = catalog.similarities[1][catalog.neighbours[1] == 0].tolist()
    return float(similarity * math.sqrt(halved((days + 4 * MINUTE for days in DAYS), 30)))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_has_its_value(feature: Feature, plays: pl.DataFrame, catalog: Catalog, moment: Moment) -> None:
    computed = {
        "two_tower_similarity": lambda: cosine_of(plays, moment),
        "score_co_listened_repeats": lambda: co_listened_score(catalog),
    }
    expected = computed[feature.name]() if feature.name in computed else FACTS[feature.name]
    candidates = hydrate_candidates(plays, **moment)
    value = candidates.filter((pl.col("user_id") == "ann") & (pl.col("track") == 0))[feature.name].item()
    assert value == pytest.approx(expected, rel=1e-5)


OF_A_USER = [one for one in FEATURES if one.freshness == OF_USER or one.name.endswith("score_repeats")]


@pytest.mark.parametrize("feature", OF_A_USER, ids=lambda feature: feature.name)
def test_a_feature_of_a_user_without_plays_has_its_missing_value(
    feature: Feature, plays: pl.DataFrame, moment: Moment
) -> None:
    candidates = hydrate_candidates(plays, **moment)
    values = candidates.filter(pl.col("user_id") == "new")[feature.name].unique().to_list()
    assert values == pytest.approx([feature.missing])


@pytest.mark.parametrize("num_buckets", [1, 7, 64])
def test_buckets_do_not_show(num_buckets: int, tmp_path: Path) -> None:
    plays = random_plays(11)
    catalog = catalog_of(plays, tracks_of(40), tmp_path)
    moment = snapshot_inputs(plays, catalog, tmp_path)
    whole = to_table(hydrate_candidates(plays, **moment), CANDIDATES)
    parts = [hydrate_candidates(part, **moment) for part in by_bucket(plays, num_buckets) if len(part)]
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
def test_what_is_known_later_changes_nothing(column: str, seed: int, tmp_path: Path) -> None:
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
    """The log with a play of track 5 by everyone, that happens or becomes known only at the cutoff."""
    everyone = plays.unique("user_id", keep="first", maintain_order=True).with_columns(
        track=pl.lit(5, dtype=pl.Int32), action=pl.lit(0, dtype=pl.Int8), ms_played=pl.lit(200_000, dtype=pl.Int32)
    )
    happened = cutoff if column == "played_at" else cutoff - timedelta(hours=1)
    times = everyone.with_columns(played_at=pl.lit(happened), known_at=pl.lit(cutoff))
    return to_frame(to_table(pl.concat([plays, times.cast(plays.schema)]).sort("user_id", "played_at"), PLAYS))
