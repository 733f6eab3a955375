"""Batches of windows for TensorFlow: cut to the longest of their kind, with what is asked and what came."""

from collections.abc import Iterator, Mapping

import numpy as np

from models.sequence.contract import (
    COMPLETE,
    FIRST_PLAY,
    HEARD,
    NO_TRACK,
    SKIPPED,
    UNKNOWN,
    WINDOW_PLAYS,
    PlayWindows,
    SequenceOptions,
    WindowStream,
    gap_bucket,
    query_of_gap,
)
from models.sequence.successors import PAIR_UNIT, SUCCESSORS_LISTED, SuccessorTable

SequenceBatch = Mapping[str, np.ndarray]
# Windows of similar length share a batch: padding to these numbers of plays is little.
LENGTH_BUCKETS = (8, 16, 24, 32, 40, WINDOW_PLAYS)
# Counts are increased by this before the logarithm: a count of 0 never competes, one of 1 / 5 hardly.
_COUNT_OFFSET = 0.1


def stream_sequence_batches(
    windows: WindowStream, successors: SuccessorTable, num_tracks: int, options: SequenceOptions, epoch: int
) -> Iterator[SequenceBatch]:
    """Yield batches of all windows, in an order that follows from (seed, epoch), a block of windows at a time."""
    rng = np.random.default_rng((options.seed, epoch))
    for block in windows():
        batches = list(_batch_rows(block.length - 1, options.batch_plays, rng))
        for number in rng.permutation(len(batches)):
            width, rows = batches[number]
            yield training_batch(block.take(rows).cut(width + 1), successors, num_tracks, options, rng)


def _batch_rows(num_plays: np.ndarray, batch_plays: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the padded length and the windows of each batch."""
    bucket = np.searchsorted(LENGTH_BUCKETS, num_plays)
    for number, width in enumerate(LENGTH_BUCKETS):
        rows = rng.permutation(np.flatnonzero(bucket == number))
        size = max(1, batch_plays // width)
        yield from ((width, rows[start : start + size]) for start in range(0, len(rows), size))


def training_batch(
    windows: PlayWindows,
    successors: SuccessorTable,
    num_tracks: int,
    options: SequenceOptions,
    rng: np.random.Generator,
) -> SequenceBatch:
    """Return the inputs of a training step: those of context_arrays() and of P predicted plays.

    position: int32 [P], window times width plus column of the last known play. target: int32 [P].
    weight: float32 [P], 0 for a skipped play, which is no wish, 1 for a complete one, between for others.
    feedback: float32 [P, 3], labels in the order of FEEDBACK, -1 where unknown.
    negative: int32 [M], tracks drawn uniformly; empty where the softmax over the catalogue is complete.
    has_id: float32 [N + 1], 0 for tracks whose own vectors are hidden in this step.
    """
    width = windows.track.shape[1] - 1
    is_predicted = np.arange(1, width + 1) >= windows.first[:, None]
    is_predicted &= np.arange(1, width + 1) < windows.length[:, None]
    window, column = np.nonzero(is_predicted)
    action = windows.action[window, column + 1]
    draws = options.num_negatives if num_tracks > options.max_full_tracks else 0
    share = np.array([1.0, 0.0, 1.0, 0.5, 1.0], dtype=np.float32)[action]
    return {
        **context_arrays(windows),
        **successor_arrays(windows, window, column, successors, windows.fold[window]),
        "position": (window * width + column).astype(np.int32),
        "target": windows.track[window, column + 1],
        "weight": share,
        "feedback": _feedback(action, windows.is_saved[window, column + 1]),
        "negative": rng.integers(0, num_tracks, draws, dtype=np.int32),
        "has_id": (rng.random(num_tracks + 1) >= options.id_dropout).astype(np.float32),
    }


def scoring_batch(windows: PlayWindows, successors: SuccessorTable) -> SequenceBatch:
    """Return the inputs that predict the last play in use of each window; its track and action are not read."""
    window, column = np.arange(len(windows)), windows.length.astype(np.int64) - 2
    nobody = np.full(len(windows), -1)
    return {
        **context_arrays(windows),
        **successor_arrays(windows, window, column, successors, nobody),
        "position": (window * (windows.track.shape[1] - 1) + column).astype(np.int32),
    }


def context_arrays(windows: PlayWindows) -> SequenceBatch:
    """Return what the model reads of the plays [S, L] but the last one.

    track: int32, NO_TRACK where none. action, gap, daypart, query: int32; gap is the bucket of the time since the play
    before, query what is asked for the next one. minutes, asked: float32, time of the play and of the next one since
    the window's first. length: int32 [S], plays in use. memory, strength: as in PlayWindows.
    """
    minutes = ((windows.seconds - windows.seconds[:, :1]) / 60).astype(np.float32)
    gaps = gap_bucket(np.diff(windows.seconds, axis=1))
    starts = windows.track[:, 0] == NO_TRACK
    query = query_of_gap(gaps)
    query[starts, 0] = FIRST_PLAY
    return {
        "track": windows.track[:, :-1],
        "action": windows.action[:, :-1].astype(np.int32),
        "gap": np.concatenate([np.zeros((len(windows), 1), dtype=np.int32), gaps[:, :-1]], axis=1).astype(np.int32),
        "daypart": windows.daypart[:, :-1].astype(np.int32),
        "query": query.astype(np.int32),
        "minutes": minutes[:, :-1],
        "asked": minutes[:, 1:],
        "length": windows.length - 1,
        "memory": windows.memory,
        "strength": windows.strength,
    }


def successor_arrays(
    windows: PlayWindows, window: np.ndarray, column: np.ndarray, successors: SuccessorTable, fold: np.ndarray
) -> SequenceBatch:
    """Return the successors of the plays up to `column` [P] of windows: tracks, ln of counts [P, K], -inf if none."""
    back = column[:, None] - np.arange(len(SUCCESSORS_LISTED))
    last = np.where(back >= 0, windows.track[window[:, None], np.maximum(back, 0)], NO_TRACK)
    track, count = successors.lists_of(last, fold)
    with np.errstate(divide="ignore"):
        strength = np.where(count > 0, np.log(count / PAIR_UNIT + _COUNT_OFFSET), -np.inf).astype(np.float32)
    return {"successor": track, "frequency": strength}


def _feedback(action: np.ndarray, is_saved: np.ndarray) -> np.ndarray:
    labels = np.stack([action == SKIPPED, action == COMPLETE, is_saved == 1], axis=1).astype(np.float32)
    is_known = np.stack([action != UNKNOWN, (action != UNKNOWN) & (action != HEARD), is_saved >= 0], axis=1)
    return np.where(is_known, labels, np.float32(-1))


def padded_lengths(windows: PlayWindows) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the padded length and the windows of each length bucket, in order."""
    bucket = np.searchsorted(LENGTH_BUCKETS, windows.length - 1)
    for number, width in enumerate(LENGTH_BUCKETS):
        rows = np.flatnonzero(bucket == number)
        if len(rows):
            yield width, rows
