"""Every table's columns: name, type, unit, meaning. The README's tables are rendered from here."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema

TIMESTAMP = pa.timestamp("us", tz="UTC")
# Inside a bucket a user is a code into the bucket's sorted ids: strings cross the wire once per user, not once per row.
USER_ID = pa.dictionary(pa.int32(), pa.string())
NAME = pa.dictionary(pa.int32(), pa.string())
# The position in ACTIONS is the code that PLAYS carry.
ACTIONS = ("play", "save", "like", "dislike", "playlist_add")
PLAY, SAVE, LIKE, DISLIKE, PLAYLIST_ADD = range(len(ACTIONS))
# In order of precedence: a row has the first reason that holds. Rows that are not yet known at as_of, or beside which
# their user has enough newer ones, do not count against --max_rejected_fraction.
REASONS = (
    "missing_user",
    "missing_track",
    "missing_time",
    "in_the_future",
    "before_1970",
    "negative_duration",
    "unknown_action",
    "unknown_track",
    "over_max_user_events",
    "exact_duplicate",
)
# Whole and true all the same.
NOT_ERRORS = ("in_the_future", "over_max_user_events")
# How many of a user's latest tracks travel with each candidate, for the ranker to pool.
RECENT_LENGTH = 10

# ---- what a user brings -------------------------------------------------------------------------------------------

EVENTS = Schema(
    "events",
    (
        Column("user_id", pa.string(), "who listened", is_required=True),
        Column("track_id", pa.string(), "to what", is_required=True),
        Column("played_at", TIMESTAMP, "start of the play", is_required=True),
        Column("ms_played", pa.int64(), "how long it was heard; null: not known", "ms"),
        Column("action", pa.string(), f"one of {', '.join(ACTIONS)}; null or absent: play"),
        Column("surface", pa.string(), "where in the app"),
        Column("shelf_id", pa.string(), "the shelf it was started from"),
        Column("request_id", pa.string(), "the page request it answers (impressions.request_id)"),
        Column("arrived_at", TIMESTAMP, "when the service learned of it; null: at once"),
    ),
)

TRACKS = Schema(
    "tracks",
    (
        Column("track_id", pa.string(), "key", is_required=True),
        Column("title", pa.string(), "null: the id is shown"),
        Column("artist_id", pa.string(), "main artist; null: unknown"),
        Column("artist_name", pa.string(), "null: the artist's id is shown"),
        Column("album_id", pa.string(), "null: unknown"),
        Column("album", pa.string(), "title of the album"),
        Column("release_date", pa.date32(), "null: unknown, never a new release"),
        Column("duration_ms", pa.int64(), "length of the recording", "ms"),
        Column("genres", pa.list_(pa.string()), "most fitting first"),
        Column("explicit", pa.bool_(), "null: not known"),
        Column("markets", pa.list_(pa.string()), "ISO 3166 codes where it may be played; null: everywhere"),
        Column("vector", pa.list_(pa.float32()), "content embedding; one length for all tracks"),
    ),
)

USERS = Schema(
    "users",
    (
        Column("user_id", pa.string(), "key", is_required=True),
        Column("market", pa.string(), "ISO 3166 code"),
        Column("created_at", TIMESTAMP, "when the account was made"),
        Column("erased", pa.bool_(), "true: asked to be forgotten; no row of theirs gets beyond the reading"),
    ),
)

IMPRESSIONS = Schema(
    "impressions",
    (
        Column("request_id", pa.string(), "the page request", is_required=True),
        Column("user_id", pa.string(), "who saw it", is_required=True),
        Column("shown_at", TIMESTAMP, "when", is_required=True),
        Column("surface", pa.string(), "where in the app"),
        Column("shelf_id", pa.string(), "on which shelf"),
        Column("shelf_position", pa.int32(), "place of the shelf on the page, from 0"),
        Column("track_id", pa.string(), "what was shown", is_required=True),
        Column("position", pa.int32(), "place of the track on the shelf, from 0"),
        Column("propensity", pa.float64(), "probability with which the policy chose it there"),
        Column("policy", pa.string(), "name of the policy"),
    ),
)

# ---- what flows between stages ------------------------------------------------------------------------------------

# EVENTS as they are read: only what the main job needs, ids as dictionaries.
EVENT_ROWS = Schema(
    "event_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("track_id", NAME, "as read"),
        Column("played_at", TIMESTAMP, "as read"),
        Column("ms_played", pa.int64(), "as read", "ms"),
        Column("action", NAME, "as read"),
        Column("arrived_at", TIMESTAMP, "as read"),
    ),
)
USER_ROWS = Schema(
    "user_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("market", NAME, "as read"),
        Column("erased", pa.bool_(), "as read"),
    ),
)
CHECKED = EVENT_ROWS.extended(
    "checked_events",
    Column("track", pa.int32(), "code of the track; null: not in the catalog"),
    Column("reason", NAME, "why it does not count; null: it does"),
)

PLAYS = Schema(
    "plays",
    (
        Column("user_id", USER_ID, "who"),
        Column("track", pa.int32(), "code of the track; null: the user is known, but no event of theirs counts"),
        Column("played_at", TIMESTAMP, "start of the play; null with `track`"),
        Column(
            "known_at", TIMESTAMP, "when the service had it: the later of played_at and arrived_at; null with `track`"
        ),
        Column("ms_played", pa.int32(), "how long it was heard, a day at most; null: not known", "ms"),
        Column("action", pa.int8(), "position in ACTIONS"),
        Column("market", pa.int16(), "the user's, as a number (see markets.py); null: not known"),
    ),
)
HISTORIES = PLAYS.extended(
    "histories",
    Column("is_duplicate", pa.bool_(), "equal in all columns to the row before"),
    Column("is_older", pa.bool_(), "its user has as many newer events as count"),
)

# Per track code and window of history; integers only, so that sums do not depend on their order.
TRACK_COUNTS = Schema(
    "track_counts",
    (
        Column("track", pa.int32(), "code of the track"),
        Column("n_plays", pa.int64(), "plays"),
        Column("n_users", pa.int64(), "users who played it"),
        Column("n_plays_7d", pa.int64(), "plays of the last 7 days"),
        Column("n_timed", pa.int64(), "plays whose `ms_played` is known"),
        Column("n_skips", pa.int64(), "timed plays under 30 s"),
        Column("ms_played", pa.int64(), "sum over timed plays", "ms"),
        Column("popularity", pa.int64(), "plays, each halved per half-life of age", "2^-20 plays"),
        Column("first_played_at", TIMESTAMP, "first play of anyone"),
    ),
)

# Per market: the tracks most played in it.
MARKET_COUNTS = Schema(
    "market_counts",
    (
        Column("market", pa.int16(), "number of the market (see markets.py)"),
        Column("track", pa.int32(), "code of the track"),
        Column("popularity", pa.int64(), "plays of 30 s or more, each halved per half-life of age", "2^-20 plays"),
    ),
)

TRACK_CODES = Schema(
    "track_codes",
    (
        Column("track_id", pa.string(), "key, sorted"),
        Column("track", pa.int32(), "its place among all ids"),
    ),
)

LISTENS = Schema(
    "listens",
    (
        Column("user", pa.int64(), "hash of the user_id"),
        Column("track", pa.int32(), "code of a track that the user first listened to"),
        Column("hour", pa.int32(), "start of the play", "hours since 1970"),
        Column("moments", pa.int32(), "the moments that take it for a first listen, as bits: 1 the earliest"),
        Column("is_own", pa.bool_(), "whether the track is of this bucket; others are there as what is near"),
    ),
)

NEIGHBOURS = Schema(
    "neighbours",
    (
        Column("track", pa.int32(), "code of a track"),
        Column("other", pa.int32(), "code of its neighbour"),
        Column("similarity", pa.float32(), "weight of the co-listens over the powers of both counts"),
    ),
)

# One row per track; the row number is the track's code.
CATALOG = Schema(
    "catalog",
    (
        Column("track_id", pa.string(), "key, sorted"),
        Column("title", pa.string(), "the id where no title is known"),
        Column("artist", pa.int32(), "code of the main artist; null: unknown"),
        Column("artist_id", pa.string(), "null: unknown"),
        Column("artist_name", pa.string(), "the artist's id where no name is known"),
        Column("album", pa.int32(), "code of the album; null: unknown"),
        Column("genre", pa.int32(), "code of the first genre; null: unknown"),
        Column("genre_name", pa.string(), "null: unknown"),
        Column("release_date", pa.date32(), "null: unknown"),
        Column("duration_ms", pa.int64(), "null: unknown", "ms"),
        Column("explicit", pa.bool_(), "null: not known"),
        Column("markets", pa.list_(pa.string()), "where it may be played; null: everywhere"),
        Column("n_plays", pa.int64(), "plays before as_of"),
        Column("n_users", pa.int64(), "users who played it"),
        Column("n_plays_7d", pa.int64(), "plays of the 7 days before as_of"),
        Column("popularity", pa.float64(), "plays, each halved per half-life of age"),
        Column("skip_rate", pa.float32(), "share of timed plays under 30 s; null: none timed"),
        Column("completion", pa.float32(), "mean share of the track that was heard; null: not known"),
        Column("first_played_at", TIMESTAMP, "null: never played"),
    ),
)

# What a candidate is, apart from its features (CANDIDATES in features.py adds one column per feature).
CANDIDATE_KEYS = Schema(
    "candidate_keys",
    (
        Column("user_id", USER_ID, "for whom"),
        Column("track", pa.int32(), "code of the track"),
        Column("artist", pa.int32(), "code of its artist; null: unknown"),
        Column("genre", pa.int32(), "code of its first genre; null: unknown"),
        Column("source", NAME, "the source that ranked it best"),
        Column("sources", pa.int32(), "bit i: the i-th of SOURCES proposed it"),
        Column("because_track", pa.int32(), "code of the track of the user's that led to it; null: none did"),
        Column("weekly_place", pa.int32(), "position on the user's weekly shelf of earlier this week; null: none"),
        Column("daypart", pa.int32(), "place in DAYPARTS of when the user plays such tracks; null: no part stands out"),
        Column("market", pa.int16(), "the user's, as a number (see markets.py); null: not known"),
        Column(
            "recent", pa.list_(pa.int32(), RECENT_LENGTH), "codes of the user's latest tracks, newest first, -1 padded"
        ),
    ),
)

# ---- what comes out -----------------------------------------------------------------------------------------------

REJECTED = Schema(
    "rejected",
    (
        Column("user_id", pa.string(), "as read"),
        Column("track_id", pa.string(), "as read"),
        Column("played_at", TIMESTAMP, "as read"),
        Column("ms_played", pa.int64(), "as read", "ms"),
        Column("action", pa.string(), "as read"),
        Column("reason", pa.string(), "why it does not count"),
    ),
)

SHELF_TRACK = pa.struct(
    [
        ("track_id", pa.string()),
        ("position", pa.int32()),
        ("score", pa.float32()),
        ("propensity", pa.float64()),
        ("source", pa.string()),
        ("because_track_id", pa.string()),
        ("reason", pa.string()),
    ]
)
SHELF = pa.struct(
    [
        ("shelf_id", pa.string()),
        ("title", pa.string()),
        ("reason", pa.string()),
        ("position", pa.int32()),
        ("score", pa.float32()),
        ("propensity", pa.float64()),
        ("tracks", pa.list_(SHELF_TRACK)),
    ]
)

PAGES = Schema(
    "pages",
    (
        Column("user_id", pa.string(), "whose page"),
        Column("surface", pa.string(), "where in the app: home or discover"),
        Column("context", pa.string(), "moment of the day the page is for: any"),
        Column("propensity", pa.float64(), "probability of the whole page: the product of those of its choices"),
        Column("relaxed", pa.list_(pa.string()), "rules that were meant for the page and could not all hold"),
        Column(
            "shelves", pa.list_(SHELF), "in order; positions count from 0, propensity is the probability of the choice"
        ),
    ),
)
