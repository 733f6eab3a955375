"""Figures of real listening that the sample world is compared with; their source is that of its profile."""

from pipelines.sample_world.profile import QUANTILE_SHARES, Quantiles

SKIP_RATE_AFTER_SKIP = 0.6672
SKIP_RATE_AFTER_NON_SKIP = 0.1619
# Plays 0-999 of a history, 1,000-1,999, ...
REPEAT_SHARE_BY_THOUSAND_PLAYS = (0.49, 0.6633, 0.7139, 0.7507, 0.7787, 0.7861, 0.8, 0.7998, 0.8109, 0.8186)
SAME_TRACK_NEXT = 0.0533
SAME_ARTIST_NEXT = 0.2379
ARTISTS_PER_PLAY_IN_LONG_SESSIONS = 0.5952  # sessions of 10 plays or more
TOP_10_TRACKS_SHARE = 0.0575
TOP_100_TRACKS_SHARE = 0.2733
ARTIST_ZIPF_EXPONENT = 1.107  # plays by rank of the artist, from rank 10 on
NEW_RELEASE_SHARE = 0.0319  # plays within 28 days of the release

SESSION_LENGTH_MINUTES = Quantiles(QUANTILE_SHARES, (0, 0, 0.6, 2.0, 7.9, 24.0, 57.8, 115.9, 173.9, 367.2, 1000))
PLAYS_PER_ACTIVE_DAY = Quantiles(QUANTILE_SHARES, (1, 1, 5, 12, 30, 64, 115, 179, 235, 365, 800))
PLAYS_PER_USER_TRACK = Quantiles(QUANTILE_SHARES, (1, 1, 1, 1, 1, 2, 4, 13, 23, 60, 400))
