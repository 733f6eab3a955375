"""Small random windows of plays, and a model for them."""

from dataclasses import replace

import numpy as np

from models.sequence.contract import MEMORY_TRACKS, WINDOW_PLAYS, PlayWindows, SequenceOptions
from models.sequence.sequence_data import SequenceData
from models.sequence.successors import count_pairs, list_successors
from models.towers.contract import NUM_GENRES, NUM_WORDS, TrackContent

NUM_TRACKS, HOUR = 40, 3_600.0
OPTIONS = SequenceOptions(
    size=16,
    num_layers=1,
    num_heads=2,
    num_epochs=2,
    batch_plays=200,
    learning_rate=0.01,
    table_learning_rate=0.05,
    dropout=0.1,
    id_dropout=0.1,
    num_negatives=16,
    max_full_tracks=1_000,
    feedback_weight=0.1,
    seed=1,
)


def random_windows(seed: int, num_windows: int = 60, num_tracks: int = NUM_TRACKS) -> PlayWindows:
    """Draw windows of albums of five tracks in order; each third window is the first of its listener."""
    rng = np.random.default_rng(seed)
    shape = (num_windows, WINDOW_PLAYS + 1)
    album = rng.integers(0, num_tracks // 5, (num_windows, shape[1] // 5 + 1)).repeat(5, axis=1)[:, : shape[1]]
    track = (album * 5 + np.arange(shape[1]) % 5).astype(np.int32)
    length = rng.integers(3, shape[1] + 1, num_windows).astype(np.int32)
    gap = np.where(np.arange(shape[1]) % 5 == 0, rng.uniform(1, 40, shape) * HOUR, 200.0)
    windows = PlayWindows(
        track=track,
        seconds=1.7e9 + np.cumsum(gap, axis=1),
        action=rng.integers(0, 5, shape).astype(np.int8),
        is_saved=(rng.random(shape) < 0.1).astype(np.int8),
        daypart=rng.integers(0, 4, shape).astype(np.int8),
        length=length,
        first=np.ones(num_windows, dtype=np.int32),
        memory=np.where(rng.random((num_windows, MEMORY_TRACKS)) < 0.1, 7, -1).astype(np.int32),
        strength=rng.normal(size=(num_windows, MEMORY_TRACKS)).astype(np.float32),
        fold=rng.integers(0, 5, num_windows).astype(np.int8),
    )
    windows.track[::3, 0] = -1
    windows.track[np.arange(shape[1]) >= length[:, None]] = -1
    return windows


def content_of(num_plays: np.ndarray, artist: np.ndarray | None = None) -> TrackContent:
    """Return content without anything but an artist each."""
    n = len(num_plays)
    return TrackContent(
        artist=np.zeros(n, dtype=np.int32) if artist is None else artist.astype(np.int32),
        genres=np.zeros((n, NUM_GENRES), dtype=np.int32),
        words=np.zeros((n, NUM_WORDS), dtype=np.int32),
        vector=np.zeros((n, 0), dtype=np.float32),
        facts=np.zeros((n, 2), dtype=np.float32),
        num_plays=num_plays,
        num_rows={"artist": 16, "genre": 16, "word": 16},
    )


class KeptCheckpoints:
    """Checkpoints in memory."""

    def __init__(self) -> None:
        self.states: list[dict[str, np.ndarray]] = []

    def save(self, state: dict[str, np.ndarray]) -> None:
        self.states.append(dict(state))

    def latest(self) -> dict[str, np.ndarray] | None:
        return self.states[-1] if self.states else None


def data_of(windows: PlayWindows, artist: np.ndarray | None = None, num_tracks: int = NUM_TRACKS) -> SequenceData:
    """Return the training data of windows, in two blocks."""
    half = len(windows) // 2
    blocks = [windows.take(slice(0, half)), windows.take(slice(half, None))]
    pairs = count_pairs(blocks, num_tracks)
    plays = np.bincount(windows.track[windows.track >= 0], minlength=num_tracks)
    return SequenceData(
        windows=lambda: iter(blocks),
        pairs=pairs,
        successors=list_successors(pairs),
        content=content_of(plays, artist),
        on_epoch=lambda figures: None,
        checkpoints=KeptCheckpoints(),
    )


def changed_at(windows: PlayWindows, column: int, track: int) -> PlayWindows:
    """Return windows with another track in one column and after it, and other actions there."""
    tracks, actions = windows.track.copy(), windows.action.copy()
    tracks[:, column:] = track
    actions[:, column:] = 1
    return replace(windows, track=tracks, action=actions)
