"""Sets of queues: distances of unknown vectors, and random numbers that depend on the day."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY
from transforms.now_playing.queues.build_sets import distances, queue_hashes
from transforms.now_playing.queues.queue_tables import QueuePolicy


def test_a_track_without_a_vector_is_at_the_usual_distance_of_every_other() -> None:
    vector = np.array([[[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]]], dtype=np.float32)
    found = distances(vector, vector, usual=0.7)
    assert found[0] == pytest.approx(np.array([[0.0, 0.7, 0.4], [0.7, 0.7, 0.7], [0.4, 0.7, 0.0]]), abs=1e-6)
    assert (distances(vector[:, :, :0], vector[:, :1, :0], usual=0.7) == np.float32(0.7)).all()


def test_random_numbers_of_queues_depend_on_seed_user_context_and_day() -> None:
    listeners: Any = SimpleNamespace(users=pl.DataFrame({"user_id": ["a", "b"]}))
    queues = pl.DataFrame({"user": [0, 0, 1, 0], "context": [0, 0, 0, 1], "code": [5, 6, 5, 5]})

    def hashes(policy: QueuePolicy) -> list[int]:
        found: list[int] = queue_hashes(queues, listeners, policy).tolist()
        return found

    first = hashes(QueuePolicy(AS_OF, seed=1))
    assert first == hashes(QueuePolicy(AS_OF - DAY / 2, seed=1))
    others = [QueuePolicy(AS_OF, seed=2), QueuePolicy(AS_OF + DAY, seed=1)]
    assert len({*first, *(number for policy in others for number in hashes(policy))}) == 12
