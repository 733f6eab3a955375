"""Drivers of the work of each stage: users, tracks, events."""

from typing import Literal

Driver = Literal["users", "tracks", "events", "sampled users", "feature users", "nothing"]

# Stages that are not named here grow with the users.
_EVENTS = (
    "read_tables drop_erased count_erased clean_events keep_plays keep_rejected count_read order_histories keep_first"
    " keep_others count_kept read_bucket write_bucket count_tracks count_markets sum_markets top_k_of_markets"
    " keep_first_listens split_listens find_neighbours fit_decay count_last_day_plays write_rejected"
)
_TRACKS = (
    "distinct_tracks drop_vectors count_cleared_tracks reject_tracks write_rejected_tracks write_tracks"
    " sum_track_counts build_catalog best_audience page_tracks"
)
# The examples of at most --max_training_users users.
_SAMPLED = (
    "sample_sequences train_towers sample_union sample_examples fit_blend write_features write_holdout train_ranker"
)
# The users whose features are published, at most --max_feature_users, and as many for histograms.
_FEATURES = "sample_features sample_values write_candidate_features"
_NOTHING = (
    "union_erased sum_users sum_counts sum_likelihoods sum_audiences sum_histograms check_limits publish_run"
    " measure_run commit_day"
)
_OF_STAGE: dict[str, Driver] = {
    **dict.fromkeys(_EVENTS.split(), "events"),
    **dict.fromkeys(_TRACKS.split(), "tracks"),
    **dict.fromkeys(_SAMPLED.split(), "sampled users"),
    **dict.fromkeys(_FEATURES.split(), "feature users"),
    **dict.fromkeys(_NOTHING.split(), "nothing"),
}


def driver_of(stage: str) -> Driver:
    """Return what a stage grows with."""
    return _OF_STAGE.get(stage, "users")
