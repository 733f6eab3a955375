"""FEATURES: the inputs of the ranker, the same in training and in scoring. Adding one is one entry."""

import polars as pl

from transforms.candidates.sources import SOURCES
from transforms.features.feature import (
    NEVER_DAYS,
    OF_ALL,
    OF_BLEND,
    OF_SOURCES,
    OF_TABLE,
    OF_TOWERS,
    OF_USER,
    Feature,
    column_feature,
    feature_group,
    log_rank,
)
from transforms.plugins import plugin_entries

FEATURES: tuple[Feature, ...] = (
    *feature_group(
        "the user and the track",
        OF_USER,
        column_feature("plays_of_track", "the user's plays of the track of 30 s or more"),
        column_feature("skips_of_track", "the user's plays of the track under 30 s"),
        column_feature("completion_of_track", "mean played share of the track over the user's plays", 0.5),
        column_feature("days_since_played", "days since the user's last play of the track", NEVER_DAYS),
        column_feature("days_since_first_played", "days since the user's first play of the track", NEVER_DAYS),
        column_feature("recency", "the user's plays of the track of 30 s or more, each halved per 30 days"),
        column_feature("activation", "ACT-R base-level activation of the track for the user", -10.0),
        column_feature("is_liked", "1 if the user liked, saved or added the track"),
    ),
    *feature_group(
        "the user and its artist and genre",
        OF_USER,
        column_feature("plays_of_artist", "the user's plays of the artist"),
        column_feature("days_since_artist", "days since the user's last play of the artist", NEVER_DAYS),
        Feature(
            "share_of_artist",
            pl.col("plays_of_artist") / pl.col("user_plays"),
            "share of the artist in the user's plays",
        ),
        column_feature("share_of_genre", "share of the track's first genre in the user's plays"),
    ),
    *feature_group(
        "the track",
        OF_ALL,
        Feature("track_popularity", pl.col("popularity").log1p(), "ln(1 + plays of everyone, halved per half-life)"),
        Feature("track_plays_7d", pl.col("n_plays_7d").log1p(), "ln(1 + plays of everyone in the last 7 days)"),
        Feature(
            "track_replays", pl.col("n_plays") / pl.col("n_users"), "plays of the track per user who played it", 1.0
        ),
        Feature("track_users", pl.col("n_users").log1p(), "ln(1 + users who played the track)"),
        Feature("track_skip_rate", pl.col("skip_rate"), "share of everyone's plays of the track under 30 s", 0.3),
        Feature("track_completion", pl.col("completion"), "mean played share of the track over everyone's plays", 0.5),
        Feature(
            "days_since_release",
            pl.col("days_since_release"),
            "days since the release date",
            NEVER_DAYS,
            freshness=OF_TABLE,
        ),
        Feature(
            "track_days_since_first_play",
            pl.col("track_days_since_first_play"),
            "days since anyone's first play of the track",
            NEVER_DAYS,
            grows_with_log=True,
        ),
    ),
    *feature_group(
        "the user",
        OF_USER,
        column_feature("user_plays", "the user's plays"),
        column_feature("user_plays_7d", "the user's plays in the last 7 days"),
        column_feature("user_skip_rate", "share of the user's plays under 30 s", 0.3),
        column_feature("user_distinct_track_ratio", "distinct tracks per play of the user", 1.0),
        column_feature("days_since_active", "days since the user's last play", NEVER_DAYS),
    ),
    *feature_group(
        "the blend of all sources",
        OF_BLEND,
        column_feature("blend_score", "probability that the user listens, by the blend of all sources"),
        Feature("blend_rank", log_rank("blend_score"), "ln(1 + rank) by blend_score among the user's candidates"),
    ),
    *feature_group(
        "the two towers",
        OF_TOWERS,
        column_feature("two_tower_similarity", "cosine of the user's and the track's vector of the two towers"),
        Feature(
            "two_tower_rank",
            log_rank("two_tower_similarity"),
            "ln(1 + rank) by two_tower_similarity among the user's candidates",
        ),
    ),
    *feature_group(
        "ranks and scores at the sources",
        OF_SOURCES,
        *(
            column_feature(
                f"rank_score_{source.name}",
                f"ln((1 + quota) / (1 + rank)) at the source {source.name}; 0: not proposed by it",
            )
            for source in SOURCES
        ),
        *(
            column_feature(
                f"score_{source.name}",
                f"score of the source: {source.sentence}",
                source.missing_score,
            )
            for source in SOURCES
        ),
    ),
    *plugin_entries("FEATURES"),
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
