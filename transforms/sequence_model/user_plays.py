"""The plays of listeners as arrays, and the windows of them that the sequence model reads."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.sequence.contract import (
    COMPLETE,
    CONTEXT_PLAYS,
    HEARD,
    MEMORY_TRACKS,
    NO_TRACK,
    NUM_FOLDS,
    PARTIAL,
    SKIPPED,
    UNKNOWN,
    WINDOW_DAYPARTS,
    WINDOW_PLAYS,
    PlayWindows,
)
from transforms.events.listening import SKIP_MS
from transforms.tables.groups import rank_in_run
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import LIKE, PLAY, PLAYLIST_ADD, SAVE

# Share of a track's length from which a play is complete.
_COMPLETE_SHARE = 0.8
_SAVED_WITHIN = pl.duration(hours=1)
# Newest plays before a window that its memory is made of, and the least age of one.
_REMEMBERED_PLAYS = 1_000
_LEAST_DAYS, _DAY = 60 / 86_400, 86_400.0
_STEP = WINDOW_PLAYS - CONTEXT_PLAYS
# Newest windows of a listener that are trained on, so that heavy listeners do not dominate.
_WINDOWS_PER_USER = 50


@dataclass(frozen=True)
class UserPlays:
    """N plays of U users, by user and then by time, skipped ones too.

    user: int64 [N]. track: int32 [N]. seconds: float64 [N]. action, daypart, is_saved: int8 [N], as in PlayWindows.
    starts: int64 [U + 1], rows of each user. keys: uint64 [U], hashes of the users' ids.
    """

    user: np.ndarray
    track: np.ndarray
    seconds: np.ndarray
    action: np.ndarray
    daypart: np.ndarray
    is_saved: np.ndarray
    starts: np.ndarray
    keys: np.ndarray


def user_plays(plays: pl.DataFrame, duration_ms: pl.Series) -> UserPlays:
    """Convert PLAYS of whole users in order; duration_ms: of each track, null where unknown."""
    ids = plays["user_id"].unique(maintain_order=True)
    coded = plays.with_columns(user=plays["user_id"].rle_id().cast(pl.Int64)).filter(pl.col("track").is_not_null())
    rows = coded.filter(pl.col("action") == PLAY)
    share = rows["ms_played"] / duration_ms.gather(rows["track"])
    action = (
        pl.when(pl.col("ms_played").is_null())
        .then(UNKNOWN)
        .when(pl.col("ms_played") < SKIP_MS)
        .then(SKIPPED)
        .when(pl.lit(share).is_null())
        .then(HEARD)
        .when(pl.lit(share) >= _COMPLETE_SHARE)
        .then(COMPLETE)
        .otherwise(PARTIAL)
    )
    columns = rows.select(
        "user",
        "track",
        seconds=pl.col("played_at").dt.epoch("us") / 1e6,
        action=action.cast(pl.Int8),
        daypart=(pl.col("played_at").dt.hour().cast(pl.Int32) * WINDOW_DAYPARTS // 24).cast(pl.Int8),
        is_saved=_is_saved(rows, coded.filter(pl.col("action").is_in([SAVE, LIKE, PLAYLIST_ADD]))),
    )
    arrays = {name: columns[name].to_numpy() for name in columns.columns}
    starts = np.searchsorted(arrays["user"], np.arange(len(ids) + 1))
    return UserPlays(**arrays, starts=starts, keys=stable_hash(ids, seed=0))


def _is_saved(plays: pl.DataFrame, saves: pl.DataFrame) -> pl.Series:
    """Return whether each play's user saved its track within an hour: int8."""
    if saves.is_empty():
        return pl.Series("is_saved", np.zeros(len(plays), dtype=np.int8))
    by = ["user", "track"]
    times = saves.select(*by, saved_at="played_at").sort("saved_at")
    found = plays.select(*by, "played_at").with_row_index().sort("played_at")
    # both are sorted by time, which Polars cannot see within groups
    joined = found.join_asof(
        times, left_on="played_at", right_on="saved_at", by=by, strategy="forward", check_sortedness=False
    )
    is_near = ((pl.col("saved_at") - pl.col("played_at")) <= _SAVED_WITHIN).fill_null(False).cast(pl.Int8)
    return joined.sort("index").select(is_saved=is_near).to_series()


@dataclass(frozen=True)
class NumberedWindows:
    """Windows with the key of each one's user and its number among the user's windows: uint64 [S], int32 [S]."""

    windows: PlayWindows
    key: np.ndarray
    number: np.ndarray


def training_windows(plays: UserPlays) -> NumberedWindows:
    """Return windows in which every play is predicted once, each but the first with CONTEXT_PLAYS plays before those.

    columns of a user's plays   ^ 0 1 ... 49 | 50 ...           ^ stands before the first play
    window 0                    ^ ......... 49                  predicts 0 to 49
    window 1                         39 ...... 49 | 50 ... 89   predicts 50 to 89
    """
    count = np.diff(plays.starts)
    num_windows = np.where(count > 0, 1 + np.maximum(0, (count - CONTEXT_PLAYS - 1) // _STEP), 0)
    user = np.repeat(np.arange(len(count)), num_windows)
    number = rank_in_run(user)
    is_kept = number >= num_windows[user] - _WINDOWS_PER_USER
    user, number = user[is_kept], number[is_kept]
    # column 0 of a user is before the first play, so column c is play c - 1
    low = np.maximum(0, number * _STEP - 1) + plays.starts[user]
    high = np.minimum(plays.starts[user + 1], plays.starts[user] + number * _STEP + WINDOW_PLAYS)
    windows = _windows(plays, user, low, high, has_start=number == 0)
    windows.first[:] = np.where(number == 0, 1, CONTEXT_PLAYS + 1)
    return NumberedWindows(windows, plays.keys[user], number.astype(np.int32))


def request_windows(plays: UserPlays, user: np.ndarray, before: np.ndarray, seconds: np.ndarray) -> PlayWindows:
    """Return windows that ask at `seconds` [S] for the next play of each user [S], who has played rows below `before`.

    The last column is the question: it has a time, and no track.
    """
    count = before - plays.starts[user]
    low = np.where(count < WINDOW_PLAYS, plays.starts[user], before - WINDOW_PLAYS)
    windows = _windows(plays, user, low, before, has_start=count < WINDOW_PLAYS)
    is_later = np.arange(WINDOW_PLAYS + 1) >= windows.length[:, None]
    windows.seconds[is_later] = np.broadcast_to(seconds[:, None], is_later.shape)[is_later]
    is_new = windows.length == 1
    windows.seconds[is_new, 0] = seconds[is_new]
    windows.length[:] += 1
    return windows


def _windows(
    plays: UserPlays, user: np.ndarray, low: np.ndarray, high: np.ndarray, *, has_start: np.ndarray
) -> PlayWindows:
    """Return the plays of rows low to high (exclusive) of each user, with has_start behind a column without a play."""
    row = low[:, None] + np.arange(WINDOW_PLAYS + 1) - has_start[:, None]
    is_play = (row >= low[:, None]) & (row < high[:, None])
    found = np.where(is_play, row, 0)
    length = (high - low + has_start).astype(np.int32)

    def taken(values: np.ndarray, fill: int) -> np.ndarray:
        if not len(values):
            return np.full(row.shape, fill, dtype=values.dtype)
        return np.where(is_play, values[found], values.dtype.type(fill))

    # padding and the column before the first play have the time of the nearest play
    nearest = np.clip(row, low[:, None], np.maximum(high[:, None] - 1, low[:, None]))
    seconds = plays.seconds[np.minimum(nearest, len(plays.seconds) - 1)] if len(plays.seconds) else np.zeros(row.shape)
    memory, strength = _memories(plays, user, low)
    return PlayWindows(
        track=taken(plays.track, NO_TRACK),
        seconds=seconds,
        action=taken(plays.action, UNKNOWN),
        is_saved=taken(plays.is_saved, 0),
        daypart=taken(plays.daypart, 0),
        length=length,
        first=np.ones(len(user), dtype=np.int32),
        memory=memory,
        strength=strength,
        fold=(plays.keys[user] % np.uint64(NUM_FOLDS)).astype(np.int8),
    )


def _memories(plays: UserPlays, user: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks of the highest activation among the plays before row `low`, and ln of it: [S, MEMORY_TRACKS].

    The activation of a track is the sum of age^-1/2 over its plays, in days as of the first play of the window.
    """
    memory = np.full((len(user), MEMORY_TRACKS), NO_TRACK, dtype=np.int32)
    strength = np.zeros((len(user), MEMORY_TRACKS), dtype=np.float32)
    count = np.minimum(low - plays.starts[user], _REMEMBERED_PLAYS)
    if not count.sum():
        return memory, strength
    window = np.repeat(np.arange(len(user)), count)
    row = low[window] - 1 - rank_in_run(window)
    days = np.maximum((plays.seconds[np.minimum(low, len(plays.seconds) - 1)][window] - plays.seconds[row]) / _DAY, 0)
    frame = pl.DataFrame({"window": window, "track": plays.track[row], "weight": (days + _LEAST_DAYS) ** -0.5})
    summed = frame.group_by("window", "track", maintain_order=True).agg(pl.col("weight").sum())
    ordered = summed.sort("window", "weight", "track", descending=[False, True, False])
    window = ordered["window"].to_numpy()
    place = rank_in_run(window)
    is_kept = place < MEMORY_TRACKS
    at = (window[is_kept], place[is_kept])
    memory[at] = ordered["track"].to_numpy()[is_kept]
    strength[at] = np.log(ordered["weight"].to_numpy()[is_kept])
    return memory, strength
