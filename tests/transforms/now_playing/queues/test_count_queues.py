"""Counts of queues, and their seeds."""

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF
from transforms.now_playing.queues.count_queues import count_queues
from transforms.now_playing.queues.list_seeds import SEEDS, list_seeds
from transforms.now_playing.queues.queue_tables import QUEUES
from transforms.tables.buckets import MapBuckets


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


def test_seeds_are_queues_without_their_tracks() -> None:
    about = {"user_id": "u", "context": "album", "context_id": "b", "name": "Title by One", "started_at": AS_OF}
    row = {**about, "familiar_per_10": 5, "relaxed": [], "tracks": []}

    def graph(root):  # type: ignore[no-untyped-def]
        return tables_of(root, "queues", QUEUES, [QUEUES.frame([row])]) | MapBuckets(list_seeds, out=SEEDS)

    assert joined(run_graph(graph)).to_dicts() == [about]
