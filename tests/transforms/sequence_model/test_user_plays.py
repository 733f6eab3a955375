"""Windows of plays against a plain loop."""

import numpy as np
import polars as pl
import pytest

from models.sequence.contract import COMPLETE, HEARD, MEMORY_TRACKS, PARTIAL, SKIPPED, UNKNOWN, WINDOW_PLAYS
from tests.transforms.sequence_model.windows_of_plays import NO_DURATIONS, plain_windows
from tests.worlds import plays_of, random_plays
from transforms.sequence_model.user_plays import request_windows, training_windows, user_plays

MINUTE = 1 / 1440


@pytest.mark.parametrize("num_plays", [60, 1500, 4000])
def test_every_play_is_predicted_once_from_the_plays_before_it(num_plays: int) -> None:
    plays = random_plays(71, num_plays=num_plays)
    numbered = training_windows(user_plays(plays, NO_DURATIONS))
    windows, expected = numbered.windows, plain_windows(plays)
    assert len(windows) == len(expected)
    for row, one in enumerate(expected):
        used = windows.track[row, : windows.length[row]]
        assert used.tolist() == one["tracks"] and numbered.number[row] == one["number"]
        assert windows.track[row, windows.first[row] : windows.length[row]].tolist() == one["predicted"]
        assert (windows.track[row, windows.length[row] :] == -1).all()
    assert (np.diff(windows.seconds, axis=1) >= 0).all()
    assert sum(len(one["predicted"]) for one in expected) == plays.filter(pl.col("action") == 0).height


def test_a_request_knows_the_plays_before_it_and_the_time_of_the_next() -> None:
    plays = user_plays(random_plays(72, num_plays=3000), NO_DURATIONS)
    rows = np.concatenate([np.arange(0, len(plays.track), 13), plays.starts[:-1]])
    rows = rows[rows < len(plays.track)]
    windows = request_windows(plays, plays.user[rows], rows, plays.seconds[rows])
    for number, row in enumerate(rows):
        known = plays.track[max(plays.starts[plays.user[row]], row - WINDOW_PLAYS) : row].tolist()
        has_all = bool(row - plays.starts[plays.user[row]] < WINDOW_PLAYS)
        last = windows.length[number] - 1
        assert windows.track[number, :last].tolist() == [-1] * has_all + known
        assert windows.seconds[number, last] == plays.seconds[row]
        earlier = plays.track[plays.starts[plays.user[row]] : row - WINDOW_PLAYS] if not has_all else []
        kept = set(windows.memory[number][windows.memory[number] >= 0].tolist())
        assert kept <= set(earlier) and len(kept) == min(MEMORY_TRACKS, len(set(earlier)))


def test_memory_is_ordered_by_activation() -> None:
    old = [{"user_id": "ann", "track": track, "days": 30 - n / 100} for n, track in enumerate((1, 2, 2, 2, 3))]
    new = [{"user_id": "ann", "track": 9, "days": 1 - n * MINUTE * 4} for n in range(WINDOW_PLAYS)]
    plays = user_plays(plays_of(old + new), NO_DURATIONS)
    windows = request_windows(plays, np.array([0]), np.array([55]), plays.seconds[-1:] + 200)
    assert windows.memory[0, :4].tolist() == [2, 3, 1, -1]
    ages = (plays.seconds[5] - plays.seconds[1:4]) / 86_400 + 60 / 86_400
    assert windows.strength[0, 0] == pytest.approx(np.log((ages**-0.5).sum()), rel=1e-5)


def test_actions_and_saves() -> None:
    rows = [
        {"user_id": "ann", "track": 0, "days": 5, "ms_played": 10_000},
        {"user_id": "ann", "track": 0, "days": 4, "ms_played": 90_000},
        {"user_id": "ann", "track": 0, "days": 3, "ms_played": 190_000},
        {"user_id": "ann", "track": 1, "days": 2, "ms_played": 190_000},
        {"user_id": "ann", "track": 1, "days": 1, "ms_played": None},
        {"user_id": "ann", "track": 0, "days": 3 - 30 * MINUTE, "action": 1},
        {"user_id": "ann", "track": 1, "days": 2 - 90 * MINUTE, "action": 2},
    ]
    plays = user_plays(plays_of(rows), pl.Series([200_000, None]))
    assert plays.action.tolist() == [SKIPPED, PARTIAL, COMPLETE, HEARD, UNKNOWN]
    assert plays.is_saved.tolist() == [0, 0, 1, 0, 0]


def test_nobody_has_no_window() -> None:
    nothing = training_windows(user_plays(random_plays(1).clear(), NO_DURATIONS)).windows
    assert len(nothing) == 0 and nothing.track.shape == (0, WINDOW_PLAYS + 1)
