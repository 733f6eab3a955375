"""Declared tables: the name, type, unit and meaning of every column; the documentation is rendered from here."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema

TIMESTAMP = pa.timestamp("us", tz="UTC")
# Within a bucket a user is an index into the sorted ids of the bucket: strings are sent once per user, not per row.
USER_ID = pa.dictionary(pa.int32(), pa.string())
NAME = pa.dictionary(pa.int32(), pa.string())
# PLAYS store the index of an action in ACTIONS.
ACTIONS = ("play", "save", "like", "dislike", "playlist_add")
PLAY, SAVE, LIKE, DISLIKE, PLAYLIST_ADD = range(len(ACTIONS))
# Reasons of rejection in order of precedence: a rejected row has the first that applies.
REASONS = (
    "missing_user",
    "missing_track",
    "missing_time",
    "in_the_future",
    "arrived_in_the_future",
    "before_min_played_at",
    "negative_duration",
    "unknown_action",
    "unknown_track",
    "over_max_user_events",
    "exact_duplicate",
    "overlapping_play",
)
# Reasons of valid rows, which --max_rejected_fraction leaves out: of the future, beyond the newest, told of twice.
FUTURE = ("in_the_future", "arrived_in_the_future")
NOT_ERRORS = (*FUTURE, "over_max_user_events", "overlapping_play")
# Number of a user's latest tracks in each candidate row, which the ranker pools.
RECENT_LENGTH = 10

# ---- input --------------------------------------------------------------------------------------------------------

EVENTS = Schema(
    "events",
    (
        Column("user_id", pa.string(), "the listener", is_required=True),
        Column("track_id", pa.string(), "the track", is_required=True),
        Column("played_at", TIMESTAMP, "start of the play, or time of another action", is_required=True),
        Column("ms_played", pa.int64(), "duration of the play; null: unknown", "ms"),
        Column(
            "action",
            pa.string(),
            f"one of {', '.join(ACTIONS)}; null or absent: play; the latest of like and dislike counts",
        ),
        Column("arrived_at", TIMESTAMP, "time when the service received the event; null: at played_at"),
        Column("is_manual", pa.bool_(), "whether the user chose this very track; null: unknown"),
        Column("is_shuffle", pa.bool_(), "whether the player shuffled: what came next tells nothing; null: unknown"),
    ),
)

TRACKS = Schema(
    "tracks",
    (
        Column("track_id", pa.string(), "key", is_required=True),
        Column("title", pa.string(), "null or blank: pages show the track_id"),
        Column("artist_id", pa.string(), "main artist; null: unknown"),
        Column("artist_name", pa.string(), "null or blank: pages show the artist_id"),
        Column("album_id", pa.string(), "null: unknown"),
        Column("album_title", pa.string(), "null or blank: queues are named by the album_id"),
        Column("disc_number", pa.int32(), "of the track's disc in the album, from 1; null: 1"),
        Column("track_number", pa.int32(), "of the track on its disc, from 1; null: unknown"),
        Column("release_date", pa.date32(), "no page shows the track before it; null: unknown, never a new release"),
        Column("duration_ms", pa.int64(), "length of the recording", "ms"),
        Column("genres", pa.list_(pa.string()), "the most fitting first; case and outer space make no difference"),
        Column("explicit", pa.bool_(), "whether the lyrics are explicit; null: unknown"),
        Column(
            "markets",
            pa.list_(pa.string()),
            "ISO 3166 codes of the markets with rights, a null in it names none; empty: nowhere; null: all markets",
        ),
        Column("vector", pa.list_(pa.float32()), "content embedding, of the same length for all tracks"),
        Column("recording_id", pa.string(), "the recording, such as an ISRC: tracks of one are copies; null: by names"),
    ),
)

USERS = Schema(
    "users",
    (
        Column("user_id", pa.string(), "key", is_required=True),
        Column("market", pa.string(), "ISO 3166 code of the user's market"),
        Column("erased", pa.bool_(), "true: the user requested erasure, and all their rows are dropped on reading"),
    ),
)

# ---- between stages -----------------------------------------------------------------------------------------------

# EVENTS as read: the columns that stages use, ids as dictionaries.
EVENT_ROWS = Schema(
    "event_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("track_id", NAME, "as read"),
        Column("played_at", TIMESTAMP, "as read"),
        Column("ms_played", pa.int64(), "as read", "ms"),
        Column("action", NAME, "as read"),
        Column("arrived_at", TIMESTAMP, "as read"),
        Column("is_manual", pa.bool_(), "as read"),
        Column("is_shuffle", pa.bool_(), "as read"),
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
    Column("reason", NAME, "reason of rejection; null: the event is kept"),
)

PLAYS = Schema(
    "plays",
    (
        Column("user_id", USER_ID, "the listener"),
        Column("track", pa.int32(), "code of the track; null: a row for a user without kept events"),
        Column("played_at", TIMESTAMP, "start of the play; null with `track`"),
        Column("known_at", TIMESTAMP, "the later of played_at and arrived_at; null with `track`"),
        Column("ms_played", pa.int32(), "duration of the play, a day at most; null: unknown", "ms"),
        Column("action", pa.int8(), "index in ACTIONS"),
        Column("market", pa.int16(), "the user's market as a number (market_code); null: unknown"),
        Column("is_manual", pa.bool_(), "whether the user chose this very track; null: unknown"),
        Column("is_shuffle", pa.bool_(), "whether the player shuffled; null: unknown"),
    ),
)
HISTORIES = PLAYS.extended(
    "histories",
    Column("is_duplicate", pa.bool_(), "equal to the row before in all columns but known_at"),
    Column("is_older", pa.bool_(), "the user has --max_user_events newer events"),
    Column("is_overlapping", pa.bool_(), "begins within 60 s, while the user's play of the same recording goes on"),
)

# One row per track; integers only, so that sums do not depend on their order.
TRACK_COUNTS = Schema(
    "track_counts",
    (
        Column("track", pa.int32(), "code of the track"),
        Column("n_plays", pa.int64(), "plays"),
        Column("n_users", pa.int64(), "users who played it"),
        Column("n_plays_7d", pa.int64(), "plays of the last 7 days"),
        Column("n_timed", pa.int64(), "plays of known duration"),
        Column("n_skips", pa.int64(), "plays of known duration under 30 s"),
        Column("ms_played", pa.int64(), "total duration of plays of known duration", "ms"),
        Column("popularity", pa.int64(), "plays of 30 s or more, each halved per half-life of age", "2^-20 plays"),
        Column("first_played_at", TIMESTAMP, "first play by any user"),
    ),
)

# The most popular tracks of each market.
MARKET_COUNTS = Schema(
    "market_counts",
    (
        Column("market", pa.int16(), "number of the market (market_code)"),
        Column("track", pa.int32(), "code of the track"),
        Column("popularity", pa.int64(), "plays of 30 s or more, each halved per half-life of age", "2^-20 plays"),
    ),
)

TRACK_CODES = Schema(
    "track_codes",
    (
        Column("track_id", pa.string(), "key, sorted"),
        Column("track", pa.int32(), "code of the track that stands for its recording, see CATALOG"),
    ),
)

LISTENS = Schema(
    "listens",
    (
        Column("user", pa.int64(), "hash of the user_id"),
        Column("track", pa.int32(), "code of the track, which the user listens to for the first time"),
        Column("hour", pa.int32(), "start of the play", "hours since 1970"),
        Column("moments", pa.int32(), "moments for which this is the first listen, as bits: 1 is the earliest moment"),
        Column("is_own", pa.bool_(), "whether the track is of this bucket; other rows are listens around its tracks"),
    ),
)

NEIGHBOURS = Schema(
    "neighbours",
    (
        Column("track", pa.int32(), "code of a track"),
        Column("other", pa.int32(), "code of its neighbour"),
        Column("similarity", pa.float32(), "summed weight of co-listens, damped by the plays of both tracks"),
    ),
)

# One row per track; the index of the row is the code of the track.
CATALOG = Schema(
    "catalog",
    (
        Column("track_id", pa.string(), "key, sorted"),
        Column("title", pa.string(), "the track_id where the title is unknown"),
        Column("artist", pa.int32(), "code of the main artist; null: unknown"),
        Column("artist_id", pa.string(), "null: unknown"),
        Column("artist_name", pa.string(), "the artist_id where the name is unknown"),
        Column("album", pa.int32(), "code of the album; null: unknown"),
        Column("album_id", pa.string(), "null: unknown"),
        Column("album_title", pa.string(), "null: unknown"),
        Column("disc_number", pa.int32(), "null: unknown"),
        Column("track_number", pa.int32(), "null: unknown"),
        Column("genre", pa.int32(), "code of the first genre; null: unknown"),
        Column("genre_name", pa.string(), "first genre; null: unknown"),
        Column("release_date", pa.date32(), "null: unknown"),
        Column("duration_ms", pa.int64(), "null: unknown", "ms"),
        Column("explicit", pa.bool_(), "null: unknown"),
        Column("markets", pa.list_(pa.string()), "markets with rights; empty: nowhere; null: all markets"),
        Column("recording", pa.int32(), "code of the track that stands for all copies; its own: it has none"),
        Column("n_plays", pa.int64(), "plays before as_of"),
        Column("n_users", pa.int64(), "users who played it"),
        Column("n_plays_7d", pa.int64(), "plays of the 7 days before as_of"),
        Column("popularity", pa.float64(), "plays of 30 s or more, each halved per half-life of age"),
        Column("skip_rate", pa.float32(), "share of plays of known duration under 30 s; null: no such play"),
        Column("completion", pa.float32(), "mean duration of plays over that of the track, 1 at most; null: unknown"),
        Column("first_played_at", TIMESTAMP, "null: never played"),
    ),
)

# Columns of a candidate apart from its features (CANDIDATES in features.py adds a column for each feature).
CANDIDATE_KEYS = Schema(
    "candidate_keys",
    (
        Column("user_id", USER_ID, "the user that the track is proposed to"),
        Column("track", pa.int32(), "code of the track"),
        Column("artist", pa.int32(), "code of its artist; null: unknown"),
        Column("genre", pa.int32(), "code of its first genre; null: unknown"),
        Column("source", NAME, "the source that ranked the track best"),
        Column("sources", pa.int32(), "bit i: the i-th of SOURCES proposed the track"),
        Column("seed_track", pa.int32(), "code of the played track that the proposal comes from; null: none"),
        Column(
            "carried_over_position",
            pa.int32(),
            "position on a shelf that keeps its tracks since an earlier run; null: none",
        ),
        Column("daypart", pa.int32(), "index in DAYPARTS of the user's preferred daypart for the track; null: none"),
        Column("market", pa.int16(), "the user's market as a number (market_code); null: unknown"),
        Column("recent", pa.list_(pa.int32(), RECENT_LENGTH), "codes of the user's latest tracks, newest first, or -1"),
    ),
)

# ---- output -------------------------------------------------------------------------------------------------------

REJECTED = Schema(
    "rejected",
    (
        Column("user_id", pa.string(), "as read"),
        Column("track_id", pa.string(), "as read"),
        Column("played_at", TIMESTAMP, "as read"),
        Column("ms_played", pa.int64(), "as read", "ms"),
        Column("action", pa.string(), "as read"),
        Column("reason", pa.string(), f"reason of rejection, one of {', '.join(REASONS)}"),
    ),
)

SHELF_TRACK = pa.struct(
    [
        ("track_id", pa.string()),
        ("position", pa.int32()),
        ("score", pa.float32()),
        ("propensity", pa.float64()),
        ("source", pa.string()),
        ("seed_track_id", pa.string()),
        ("reason", pa.string()),
    ]
)
SHELF = pa.struct(
    [
        ("shelf_id", pa.string()),
        ("title", pa.string()),
        ("reason", pa.string()),
        ("format", pa.string()),
        ("position", pa.int32()),
        ("score", pa.float32()),
        ("propensity", pa.float64()),
        ("tracks", pa.list_(SHELF_TRACK)),
    ]
)

PAGES = Schema(
    "pages",
    (
        Column("user_id", pa.string(), "the user of the page"),
        Column("surface", pa.string(), "surface of the app: home or discover"),
        Column("propensity", pa.float64(), "probability of the whole page: the product of those of its choices"),
        Column("relaxed", pa.list_(pa.string()), "rules that could not hold, first_screen_artist_tracks among them"),
        Column(
            "shelves",
            pa.list_(SHELF),
            "in order; positions count from 0; a shelf's format is tracks (a row of cards), grid (small cards) or large"
            " (one large card first); its score is its value, a propensity the probability of a choice",
        ),
    ),
)
