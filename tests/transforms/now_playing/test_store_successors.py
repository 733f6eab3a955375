"""Successors as an artifact: the likeliest first, nothing for other tracks."""

from pathlib import Path

import numpy as np

from tests.stages import element_of, run_graph, tables_of
from tests.worlds import tracks_of
from transforms.catalog.collect_tracks import write_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.now_playing.store_successors import StoreSuccessors
from transforms.now_playing.successor_lists import open_successor_lists
from transforms.now_playing.successor_tables import MOST_SUCCESSORS, SUCCESSOR_ROWS
from transforms.tables.columns import to_table


def test_the_stage_stores_the_lists_of_all_buckets(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(tracks_of(5), READ_TRACKS)), match_names=True)
    rows = [
        {"track": 3, "other": 1, "chance": 0.25, "source": "content"},
        {"track": 3, "other": 2, "chance": 0.5, "source": "followed"},
        {"track": 0, "other": 4, "chance": 1.0, "source": "co_listened"},
    ]

    def graph(root):  # type: ignore[no-untyped-def]
        tables = tables_of(
            root, "rows", SUCCESSOR_ROWS, [SUCCESSOR_ROWS.frame(rows[:2]), SUCCESSOR_ROWS.frame(rows[2:])]
        )
        return tables | StoreSuccessors(element_of(root, "tracks", str(tmp_path / "tracks")), str(tmp_path / "out"))

    (path,) = run_graph(graph)
    lists = open_successor_lists(path)
    assert lists.other.shape == (5, MOST_SUCCESSORS)
    assert lists.other[3, :3].tolist() == [2, 1, -1] and lists.chance[3, :3].tolist() == [0.5, 0.25, 0]
    assert lists.other[0, :2].tolist() == [4, -1] and (np.asarray(lists.other[1]) == -1).all()
