"""FEATURES: what the ranker sees of a candidate, in training and in scoring alike. Adding one is one entry."""

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import pyarrow as pa

from transforms.candidates.context import CandidateContext
from transforms.candidates.sources import SOURCES
from transforms.catalog.catalog import Catalog
from transforms.events.ages import days_since, whole_days_since
from transforms.events.match_impressions import IMPRESSION_COLUMNS
from transforms.features.rewards import LABELS, PROBABILITIES, REWARDS
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, TIMESTAMP, USER_ID

# "Never" in days: ten years, so that a logarithm keeps it apart from any real gap.
NEVER_DAYS = 3650.0


@dataclass(frozen=True)
class Feature:
    """One number per candidate.

    expression: over a candidate joined with its user, its track's catalog row (CATALOG), and the user's own facts on
        the track, its artist and its genre (see History).
    missing: the value where the expression is null.
    group: what it is about.
    freshness: up to when it knows, of what.
    """

    name: str
    expression: pl.Expr
    sentence: str
    missing: float = 0.0
    group: str = ""
    freshness: str = ""


OF_USER, OF_ALL = "as_of: the user's events known then", "as_of: everyone's events known then"
OF_TABLE = "the run: its track table"
OF_TOWERS = "as_of: towers trained then on everyone's events, and the user's events known then"
OF_SOURCES = "as_of: both events and towers of then"
OF_BLEND = "as_of: the sources of then; weighed as fitted to the last label window of training examples"


def _group(name: str, freshness: str, *features: Feature) -> tuple[Feature, ...]:
    """Features that an explanation names together; one that says nothing else is as fresh as its group."""
    return tuple(replace(feature, group=name, freshness=feature.freshness or freshness) for feature in features)


def _fact(name: str, sentence: str, missing: float = 0.0) -> Feature:
    """A feature that is a column of the joined frame as it stands."""
    return Feature(name, pl.col(name), sentence, missing)


def _log_rank(name: str) -> pl.Expr:
    """Logarithm of the place among the user's candidates by a column, the highest first, equal ones in the first's."""
    return pl.col(name).rank("min", descending=True).over("user_id").log()


FEATURES = (
    *_group(
        "the user and the track",
        OF_USER,
        _fact("plays_of_track", "the user's plays of the track of 30 s or more"),
        _fact("skips_of_track", "the user's plays of the track under 30 s"),
        _fact("completion_of_track", "mean share of the track that the user heard", 0.5),
        _fact("days_since_played", "days since the user played the track", NEVER_DAYS),
        _fact("days_since_first_played", "days since the user first played the track", NEVER_DAYS),
        _fact("recency", "the user's plays of the track of 30 s or more, each halved per 30 days"),
        _fact("activation", "ACT-R base-level activation of the track for the user", -10.0),
        _fact("is_liked", "1 if the user liked, saved or added the track"),
    ),
    *_group(
        "the user and its artist and genre",
        OF_USER,
        _fact("plays_of_artist", "the user's plays of the artist"),
        _fact("days_since_artist", "days since the user played the artist", NEVER_DAYS),
        Feature(
            "share_of_artist",
            pl.col("plays_of_artist") / pl.col("user_plays"),
            "share of the artist in the user's plays",
        ),
        _fact("share_of_genre", "share of the track's first genre in the user's plays"),
    ),
    *_group(
        "the track",
        OF_ALL,
        Feature("track_popularity", pl.col("popularity").log1p(), "ln(1 + plays of everyone, halved per half-life)"),
        Feature("track_plays_7d", pl.col("n_plays_7d").log1p(), "ln(1 + plays of everyone in the last 7 days)"),
        Feature(
            "track_replays", pl.col("n_plays") / pl.col("n_users"), "plays of the track per user who played it", 1.0
        ),
        Feature("track_users", pl.col("n_users").log1p(), "ln(1 + users who played the track)"),
        Feature("track_skip_rate", pl.col("skip_rate"), "share of everyone's plays of the track under 30 s", 0.3),
        Feature("track_completion", pl.col("completion"), "mean share of the track that everyone heard", 0.5),
        Feature(
            "days_since_release", pl.col("days_since_release"), "age of the recording", NEVER_DAYS, freshness=OF_TABLE
        ),
        _fact("track_days_since_first_play", "days since anyone first played the track", NEVER_DAYS),
    ),
    *_group(
        "the user",
        OF_USER,
        _fact("user_plays", "the user's plays"),
        _fact("user_plays_7d", "the user's plays in the last 7 days"),
        _fact("user_skip_rate", "share of the user's plays under 30 s", 0.3),
        _fact("user_distinct_track_ratio", "distinct tracks per play of the user", 1.0),
        _fact("days_since_active", "days since the user's last play", NEVER_DAYS),
    ),
    *_group(
        "the merge of all sources",
        OF_BLEND,
        _fact("blend_score", "probability that the user listens, by the merge of all sources"),
        Feature("blend_rank", _log_rank("blend_score"), "ln of the place in the merged ranking, from 1"),
    ),
    *_group(
        "the two towers",
        OF_TOWERS,
        _fact("two_tower_similarity", "cosine of the user's and the track's vector, of the two towers"),
        Feature("two_tower_rank", _log_rank("two_tower_similarity"), "ln of the place by that cosine, from 1"),
    ),
    *_group(
        "places and scores at the sources",
        OF_SOURCES,
        *(
            _fact(
                f"rank_score_{source.name}",
                f"ln((1 + quota) / (1 + rank)) at the source {source.name}; 0: not among its own",
            )
            for source in SOURCES
        ),
        *(
            _fact(
                f"score_{source.name}",
                f"score of the source: {source.sentence}",
                -10.0 if source.name == "repeats" else 0.0,
            )
            for source in SOURCES
        ),
    ),
)

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

CANDIDATES = CANDIDATE_KEYS.extended("candidates", *(Column(one.name, pa.float32(), one.sentence) for one in FEATURES))


EXAMPLES = CANDIDATES.extended(
    "examples",
    Column("cutoff_at", TIMESTAMP, "the moment the candidate was generated for; every feature is as of then"),
    *(
        Column(label, pa.float32(), f"1 if {reward.sentence}; null: not known, or not settled yet")
        for label, reward in zip(LABELS, REWARDS, strict=True)
    ),
    *IMPRESSION_COLUMNS,
)
SCORED = CANDIDATES.extended(
    "scored",
    Column("score", pa.float32(), "expected reward: the chances of all rewards, each times its weight"),
    *(
        Column(chance, pa.float32(), f"chance that it is {reward.sentence}; null: the ranker does not know")
        for chance, reward in zip(PROBABILITIES, REWARDS, strict=True)
    ),
)
# The published forms, with ids.
FEATURE_ROWS = EXAMPLES.extended("features", Column("track_id", pa.string(), "the track"))
HOLDOUT_ROWS = Schema("holdout", FEATURE_ROWS.columns)
RANKED = Schema(
    "candidates",
    (
        Column("user_id", USER_ID, "for whom"),
        Column("track_id", pa.string(), "the track"),
        *(SCORED[name] for name in ("score", *PROBABILITIES)),
        SCORED["source"],
        SCORED["sources"],
        Column("seed_track_id", pa.string(), "the track of the user's that led to it; null: none did"),
        *(CANDIDATE_KEYS[name] for name in ("carried_over_position", "daypart", "market")),
        *CANDIDATES.columns[len(CANDIDATE_KEYS.columns) :],
    ),
)


def featurize(proposed: pl.DataFrame, context: CandidateContext) -> pl.DataFrame:
    """Proposed candidates (user_id, track, source, seed_track, fusion, affinity, score_*) -> CANDIDATES."""
    history = context.history
    joined = (
        _with_catalog(proposed, context.catalog, context.as_of)
        .join(history.users, on="user_id", how="left", maintain_order="left")
        .join(history.tracks.drop("artist", "genre"), on=["user_id", "track"], how="left", maintain_order="left")
        .join(history.artists.drop("top_track"), on=["user_id", "artist"], how="left", maintain_order="left")
        .join(history.genres, on=["user_id", "genre"], how="left", maintain_order="left")
        .with_columns(daypart=pl.coalesce("daypart_of_artist", "daypart_of_genre"))
    )
    values = (
        pl.when(value.is_finite()).then(value).otherwise(feature.missing).cast(pl.Float32).alias(feature.name)
        for feature, value in ((one, one.expression.cast(pl.Float32)) for one in FEATURES)
    )
    keys = (name for name in CANDIDATE_KEYS.names if name != "recent")
    length = CANDIDATE_KEYS["recent"].type.list_size
    padding = pl.lit([-1] * length, dtype=pl.List(pl.Int32))
    recent = pl.col("recent").fill_null([]).list.concat(padding).list.head(length).list.to_array(length)
    return joined.select(*keys, recent, *values).select(CANDIDATES.names)


def _with_catalog(proposed: pl.DataFrame, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    played = days_since("first_played_at", as_of)
    columns = [
        "artist",
        "genre",
        "release_date",
        "n_plays",
        "n_users",
        "n_plays_7d",
        "popularity",
        "skip_rate",
        "completion",
        "first_played_at",
    ]
    rows = catalog.tracks.select(columns)[proposed["track"]]
    return proposed.hstack(rows).with_columns(
        days_since_release=whole_days_since("release_date", as_of.date()).clip(lower_bound=0),
        track_days_since_first_play=played,
    )
