"""Counts of queues."""

from transforms.now_playing.queues.count_queues import count_queues
from transforms.now_playing.queues.queue_tables import QUEUES


def test_queues_with_a_relaxed_rule_are_counted_once() -> None:
    rows = [
        {
            "user_id": "u",
            "context": "track",
            "context_id": f"t{n}",
            "familiar_per_10": 5,
            "relaxed": names,
            "tracks": [],
        }
        for n, names in enumerate(([], ["artist gap"], ["artist gap", "familiar share"]))
    ]
    assert count_queues(QUEUES.frame(rows)).rows() == [("queues/made", 3), ("queues/relaxed", 2)]
    assert count_queues(QUEUES.frame()).rows() == [("queues/made", 0), ("queues/relaxed", 0)]
