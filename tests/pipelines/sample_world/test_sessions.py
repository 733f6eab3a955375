"""Session starts against a plain loop."""

import numpy as np

from pipelines.sample_world.sessions import Sessions, push_apart
from transforms.events.listening import SESSION_GAP_MINUTES


def test_sessions_are_pushed_apart_only_as_far_as_needed():
    random = np.random.default_rng(7)
    user = np.sort(random.integers(0, 5, 200))
    start = 1_700_000_000_000 + random.integers(0, 40 * 3_600_000, 200)
    start = start[np.lexsort((start, user))]
    duration = random.integers(1, 3_600_000, 200)
    pushed = push_apart(Sessions(user, start, np.ones(200, dtype=np.int64)), duration, np.random.default_rng(1))
    assert (pushed >= start).all()
    for i in range(200):
        if i == 0 or user[i - 1] != user[i]:
            assert pushed[i] == start[i]
        else:
            pause = pushed[i] - pushed[i - 1] - duration[i - 1]
            assert pause > SESSION_GAP_MINUTES * 60_000
            assert pushed[i] == start[i] or pause < 5 * 3_600_000
