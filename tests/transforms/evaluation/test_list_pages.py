"""Ranked lists of pages, in the order in which they are read."""

from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl

from models.towers.user_tower import UserTower
from tests.stages import joined, run_graph, tables_of
from tests.transforms.evaluation.ranked_lists import lists_of, scored_candidates
from tests.worlds import AS_OF
from transforms.embeddings.embeddings import Embeddings
from transforms.evaluation.list_pages import ListPages, list_pages
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PAGES, TRACK_CODES

POSITIONS = ("user_id", "track", "shelf_id", "shelf_position", "track_position")


def test_pages_are_read_shelf_by_shelf(tmp_path: Path) -> None:
    scored, catalog = scored_candidates(tmp_path)
    policy = Policy(("home",), 5, 4, 0.0, 0.0, 0.0, 1, as_of=AS_OF)
    both = replace(policy, surfaces=("home", "discover"))
    vectors = Embeddings(np.zeros((40, 0), np.float32), UserTower(np.zeros((40, 0), np.float32), {}), "", None)
    home, pages = (
        to_frame(to_table(assemble_pages(scored, catalog=catalog, embeddings=vectors, policy=one, rules=()), PAGES))
        for one in (policy, both)
    )
    assert len(pages) == 2 * len(home), "the other surface is no part of the list"
    evaluation_rows = list_pages(pages, track_codes=catalog.coded.select("track_id", "track"))
    lists = lists_of(evaluation_rows)
    positions = {row[:2]: row[2:] for row in evaluation_rows.select(POSITIONS).iter_rows()}
    for page in home.iter_rows(named=True):
        cards = [
            (shelf["shelf_id"], shelf["position"], track["position"], int(track["track_id"][1:]))
            for shelf in page["shelves"]
            for track in shelf["tracks"]
        ]
        assert lists["page", page["user_id"]] == [track for *_, track in cards]
        for shelf, row, column, track in cards:
            assert positions[page["user_id"], track] == (shelf, row, column)


def shelf(shelf_id: str, position: int, *tracks: str) -> dict[str, object]:
    cards = [{"track_id": track, "position": position} for position, track in enumerate(tracks)]
    return {"shelf_id": shelf_id, "position": position, "tracks": cards}


CODES = pl.DataFrame({"track_id": list("abc"), "track": pl.Series([0, 1, 2], dtype=pl.Int32)})
ROWS = [
    {"user_id": "ann", "surface": "home", "shelves": [shelf("mix", 0, "c", "a"), shelf("fresh", 1, "b")]},
    {"user_id": "bob", "surface": "home", "shelves": []},
    {"user_id": "cat", "surface": "discover", "shelves": [shelf("mix", 0, "a")]},
]
LIST = [("ann", 2, 0, "mix", 0, 0), ("ann", 0, 1, "mix", 0, 1), ("ann", 1, 2, "fresh", 1, 0)]
COLUMNS = ("user_id", "track", "rank", "shelf_id", "shelf_position", "track_position")


def test_an_empty_page_and_another_surface_have_no_list() -> None:
    evaluation_rows = list_pages(PAGES.frame(ROWS), track_codes=CODES)
    assert evaluation_rows.select(COLUMNS).rows() == LIST
    assert to_table(evaluation_rows, EVALUATION_ROWS).column("system").to_pylist() == ["page"] * 3
    assert list_pages(PAGES.frame(ROWS[1:]), track_codes=CODES).is_empty()


def test_the_stage_lists_the_pages_of_every_bucket() -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        return tables_of(root, "pages", PAGES, [PAGES.frame([row]) for row in ROWS]) | ListPages(codes)

    assert joined(run_graph(build)).sort("rank").select(COLUMNS).rows() == LIST
