"""The metrics of a run, counted by hand."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl

from tests.stages import element_of, run_graph, tables_of
from tests.worlds import AS_OF, by_bucket, catalog_of, plays_of, tracks_of
from transforms.events.user_samples import count_known_users
from transforms.features.feature_tables import SCORED
from transforms.publishing.measure_run import MeasureRun, NewTrackFloor
from transforms.tables.histograms import count_values, histogram_mapping
from transforms.tables.schemas import PAGES, PLAYS

PLAYED = plays_of([{"user_id": user, "track": 1, "days": 2} for user in ("ann", "bob", "cat")])


def shelf(shelf_id: str, *tracks: str) -> dict[str, object]:
    return {"shelf_id": shelf_id, "tracks": [{"track_id": track} for track in tracks]}


# ann has a page on two surfaces, bob an empty one, cat none
PAGE_ROWS = [
    {"user_id": "ann", "surface": "home", "shelves": [shelf("fresh", "t1", "t2"), shelf("mix", "t3")]},
    {"user_id": "ann", "surface": "discover", "shelves": [shelf("fresh", "t1")]},
    {"user_id": "bob", "surface": "home", "shelves": []},
]
# of tracks_of(20), tracks 17, 18 and 19 are new: 17 is proposed as such to two users, 18 to one, and 19 by others only
SCORED_ROWS = [
    {"user_id": user, "track": track, "score": score, "rank_score_new_tracks": place}
    for user, track, score, place in [
        ("ann", 17, 0.5, 2.0),
        ("ann", 18, 0.25, 1.0),
        ("bob", 17, 0.5, 1.0),
        ("bob", 19, 0.0, 0.0),
        ("cat", 1, 2.0, 0.0),
    ]
]


def metrics_of(folder: Path, *, pages: pl.DataFrame, scored: pl.DataFrame, max_users: int = 1_000) -> dict[str, Any]:
    catalog_of(PLAYED, tracks_of(20), folder / "catalog")

    def build(root: beam.Pipeline) -> beam.PCollection:
        plays = tables_of(root, "plays", PLAYS, by_bucket(PLAYED, 2))
        scores = tables_of(root, "scored", SCORED, by_bucket(scored, 2))
        catalog = element_of(root, "catalog", str(folder / "catalog"))
        halves = tables_of(root, "pages", PAGES, [pages[:2], pages[2:]])
        return halves | MeasureRun(plays | count_known_users(), scores, catalog, max_users, 1, NewTrackFloor(AS_OF, 2))

    (text,) = run_graph(build)
    return dict(json.loads(text))


def test_a_run_is_counted(tmp_path: Path) -> None:
    scored = SCORED.frame(SCORED_ROWS)
    found = metrics_of(tmp_path, pages=PAGES.frame(PAGE_ROWS), scored=scored)
    histograms = found.pop("histograms")
    # publish_run() adds the others
    assert (found.pop("events"), found.pop("rejected"), found.pop("auc"), found.pop("ledger")) == (0, {}, None, {})
    assert found.pop("cards_by_decile") == [0] * 10
    assert {*found.pop("last_day").values(), *found.pop("queues").values()} == {0}
    assert found == {
        "users": 3,
        "pages": 3,
        "empty_pages": 1,
        "users_with_page": 2,
        "shelves": {"fresh": 2, "mix": 1},
        "tracks_by_shelf": {"fresh": 3, "mix": 1},
        "tracks_on_pages": 3,
        "deep_cards": 0,
        "tracks": 20,
        "new_tracks": {"total": 3, "at_floor": 1},
    }
    assert histograms == histogram_mapping(count_values(scored, names=["rank_score_new_tracks", "score"]))


def test_histograms_are_of_a_sample_of_whole_users(tmp_path: Path) -> None:
    rows = [{"user_id": f"u{n:03d}", "track": 1, "score": float(n)} for n in range(200)]
    found = metrics_of(tmp_path, pages=PAGES.frame(), scored=SCORED.frame(rows), max_users=1)
    # three users are known, so the share is a third
    assert 30 < sum(found["histograms"]["score"].values()) < 110
    assert (found["pages"], found["tracks_on_pages"]) == (0, 0)
