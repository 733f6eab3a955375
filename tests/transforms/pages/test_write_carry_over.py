"""Weekly shelves that earlier runs of the week have shown."""

from datetime import date
from typing import Any

import apache_beam as beam
import polars as pl

from tests.stages import joined, run_graph, tables_of
from transforms.candidates.carry_over import CARRY_OVER, latest_carry_over
from transforms.pages.write_carry_over import CARRY_OVER_PAGES, WriteCarryOver, write_carry_over
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import TRACK_CODES

MONDAY, TUESDAY = date(2026, 6, 1), date(2026, 6, 2)
CODES = pl.DataFrame({"track_id": ["a", "b", "c", "mine"], "track": pl.Series([0, 1, 2, 3], dtype=pl.Int32)})
USERS = pl.DataFrame({"user_id": pl.Series(["ann", "bob", "cat"], dtype=pl.Enum(["ann", "bob", "cat"]))})


def page(user_id: str, surface: str, tracks: str, shelf_id: str = "weekly_discovery") -> dict[str, Any]:
    cards = [
        {"track_id": track, "position": place, "source": "two_tower", "seed_track_id": "mine"}
        for place, track in enumerate(tracks)
    ]
    shelves = [{"shelf_id": "popular_now", "tracks": [{"track_id": "c"}]}, {"shelf_id": shelf_id, "tracks": cards}]
    return {"user_id": user_id, "surface": surface, "shelves": shelves}


def kept(day: date, *pages: dict[str, Any]) -> pl.DataFrame:
    return write_carry_over(CARRY_OVER_PAGES.frame(list(pages)), day=day, track_codes=CODES)


def test_the_shelf_is_read_with_its_places_and_causes() -> None:
    rows = kept(MONDAY, page("ann", "home", "ba"), page("bob", "home", "a", shelf_id="on_repeat"))
    expected = [
        {"user_id": "ann", "track": track, "seed_track": 3, "source": "two_tower", "position": place, "day": MONDAY}
        for place, track in enumerate([1, 0])
    ]
    assert to_table(rows.sort("position"), CARRY_OVER).to_pylist() == expected


def test_homes_shelf_counts_where_both_surfaces_have_one() -> None:
    rows = kept(MONDAY, page("ann", "discover", "a"), page("ann", "home", "b"), page("bob", "discover", "c"))
    assert rows.select("user_id", "track").cast({"user_id": pl.String}).sort("user_id").rows() == [
        ("ann", 1),
        ("bob", 2),
    ]


def test_a_track_that_left_the_catalog_is_not_kept() -> None:
    assert kept(MONDAY, page("ann", "home", "axb"))["track"].sort().to_list() == [0, 1]


def test_pages_without_the_shelf_keep_nothing() -> None:
    assert len(kept(MONDAY)) == 0
    assert len(kept(MONDAY, page("ann", "home", "ab", shelf_id="on_repeat"))) == 0


def test_the_latest_shelf_of_each_user_counts() -> None:
    """Tuesday's run showed bob other shelves; nobody asks for dan."""
    monday = kept(MONDAY, page("ann", "home", "ab"), page("bob", "home", "c"), page("dan", "home", "a"))
    tuesday = kept(TUESDAY, page("ann", "home", "cb"))
    carry_over = pl.concat(rows.cast({"user_id": pl.String}) for rows in (monday, tuesday))
    found = latest_carry_over(USERS, carry_over)
    assert found["user_id"].dtype == USERS["user_id"].dtype
    rows = found.cast({"user_id": pl.String}).sort("user_id", "position").select("user_id", "track", "day").rows()
    assert rows == [("ann", 2, TUESDAY), ("ann", 1, TUESDAY), ("bob", 2, MONDAY)]
    assert latest_carry_over(USERS, None).is_empty()


def test_the_stage_keeps_the_shelves_of_every_table() -> None:
    frames = [CARRY_OVER_PAGES.frame([page("ann", "home", "ba")]), CARRY_OVER_PAGES.frame([page("bob", "home", "c")])]

    def build(root: beam.Pipeline) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        return tables_of(root, "pages", CARRY_OVER_PAGES, frames) | WriteCarryOver(MONDAY, codes)

    found = joined(run_graph(build)).sort("user_id", "position")
    assert found.select("user_id", "track", "position", "day").rows() == [
        ("ann", 1, 0, MONDAY),
        ("ann", 0, 1, MONDAY),
        ("bob", 2, 0, MONDAY),
    ]
