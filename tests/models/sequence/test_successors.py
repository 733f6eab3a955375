"""Successor counts against a plain loop, in whole numbers and out of fold."""

import numpy as np
import pytest

from models.sequence.contract import NUM_FOLDS, PlayWindows
from models.sequence.successors import (
    PAIR_UNIT,
    SUCCESSORS_LISTED,
    count_pairs,
    directed_vectors,
    list_successors,
    of_everyone,
)
from tests.models.sequence.random_windows import NUM_TRACKS, random_windows


def plain_counts(windows: PlayWindows) -> np.ndarray:
    counts = np.zeros((NUM_FOLDS, NUM_TRACKS, NUM_TRACKS), dtype=np.int64)
    for window in range(len(windows)):
        one = windows.take(slice(window, window + 1))
        for column in range(int(one.first[0]), int(one.length[0])):
            for distance in range(1, 6):
                before = column - distance
                gaps = np.diff(one.seconds[0, max(before, 0) : column + 1])
                if before < 0 or one.track[0, before] < 0 or (gaps > 1800).any():
                    break
                fold, pair = one.fold[0], (one.track[0, before], one.track[0, column])
                counts[fold][pair] += PAIR_UNIT // distance
    return counts


def test_pairs_are_counted_once_in_their_session_and_fold() -> None:
    windows = random_windows(1)
    windows.first[20:] = 4
    expected = plain_counts(windows)
    found = count_pairs([windows.take(slice(0, 10)), windows.take(slice(10, None))], NUM_TRACKS)
    assert expected.sum() > 1000
    assert np.array_equal(np.stack([one.toarray() for one in found]), expected)


@pytest.mark.parametrize("fold", [0, 3, -1])
def test_the_counts_of_a_fold_leave_its_own_listeners_out(fold: int) -> None:
    windows = random_windows(2)
    expected = plain_counts(windows)
    total = expected.sum(axis=0) - (expected[fold] if fold >= 0 else 0)
    table = list_successors(count_pairs([windows], NUM_TRACKS))
    last = np.array([[3, -1, 7, 8, 9]])
    track, count = table.lists_of(last, np.array([fold]))
    starts = np.cumsum((0, *SUCCESSORS_LISTED))
    for place, one in enumerate(last[0]):
        part = slice(starts[place], starts[place + 1])
        pairs = {(t, c) for t, c in zip(track[0, part], count[0, part], strict=True) if c}
        assert pairs == ({(t, c) for t, c in enumerate(total[one]) if c} if one >= 0 else set())
    if fold < 0:
        again = of_everyone(table).lists_of(last, np.array([fold]))
        assert np.array_equal(again[1], count)


def test_factors_point_from_a_track_to_its_successor() -> None:
    earlier, later = directed_vectors(count_pairs([random_windows(3)], NUM_TRACKS), 16, seed=1)
    scores = earlier @ later.T
    within = [track for track in range(NUM_TRACKS) if track % 5 != 4]
    assert np.mean(scores[within].argmax(axis=1) // 5 == np.array(within) // 5) > 0.9
    assert np.mean([scores[track, track + 1] > scores[track + 1, track] for track in within]) > 0.9
