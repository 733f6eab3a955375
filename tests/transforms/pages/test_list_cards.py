"""The table of cards: a row for each card of the nested pages, with the names of its track."""

from pathlib import Path

import apache_beam as beam
from hypothesis import given, settings

from tests.stages import element_of, joined, run_graph, tables_of
from tests.transforms.pages.small_pages import (
    CATALOG_OF_TRACKS,
    POLICY,
    Row,
    candidate_rows,
    pages_of,
    scored,
)
from tests.worlds import catalog_of, random_plays, tracks_of
from transforms.pages.list_cards import CARDS, PLACE, ListCards, list_cards
from transforms.tables.columns import to_table
from transforms.tables.schemas import PAGES


def expected(pages: list[Row], names: dict[str, tuple[str, str | None]]) -> list[Row]:
    return [
        {
            **{name: page[name] for name in ("user_id", "surface")},
            **{
                f"shelf_{name}": shelf[name]
                for name in ("position", "title", "reason", "format", "score", "propensity")
            },
            **{f"card_{name}": card[name] for name in ("position", "score", "propensity", "reason")},
            **{name: card[name] for name in ("track_id", "source", "seed_track_id")},
            "shelf_id": shelf["shelf_id"],
            "title": names[card["track_id"]][0],
            "artist_name": names[card["track_id"]][1],
        }
        for page in pages
        for shelf in page["shelves"]
        for card in shelf["tracks"]
    ]


@settings(max_examples=20)
@given(candidate_rows())
def test_every_card_is_a_row_in_the_order_of_the_pages(rows: list[Row]) -> None:
    names = CATALOG_OF_TRACKS.tracks.select("track_id", "title", "artist_name")
    pages = pages_of(scored(*rows), POLICY)
    cards = list_cards(PAGES.frame(pages), catalog=CATALOG_OF_TRACKS)
    by_id = {track: (title, artist) for track, title, artist in names.rows()}
    listed = to_table(cards, CARDS).to_pylist()
    assert [dict(sorted(row.items())) for row in listed] == [
        dict(sorted(row.items())) for row in expected(pages, by_id)
    ]
    assert cards.select(PLACE).is_unique().all() and cards.select(PLACE).equals(cards.select(PLACE).sort(PLACE))


def test_the_stage_lists_the_cards_of_every_table(tmp_path: Path) -> None:
    catalog = catalog_of(random_plays(1, num_tracks=20), tracks_of(20), tmp_path)
    shelf = {"shelf_id": "x", "position": 0}
    pages = [
        {"user_id": user, "surface": "home", "shelves": [{**shelf, "tracks": [{"track_id": "t0001", "position": 0}]}]}
        for user in "ab"
    ]
    frames = [PAGES.frame(pages[:1]), PAGES.frame(pages[1:]), PAGES.frame()]

    def build(root: beam.Pipeline) -> beam.PCollection:
        return tables_of(root, "pages", PAGES, frames) | ListCards(element_of(root, "catalog", str(tmp_path)))

    found = joined(run_graph(build))
    assert found.equals(joined([(0, to_table(list_cards(PAGES.frame(pages), catalog=catalog), CARDS))]))
    assert found.select("user_id", "track_id").rows() == [("a", "t0001"), ("b", "t0001")]
