"""Counts of pages, and histograms of parts."""

from pathlib import Path

import numpy as np
import polars as pl

from tests.worlds import catalog_of, plays_of, tracks_of
from transforms.publishing.run_metrics import (
    PAGE_TRACKS,
    count_cards_by_decile,
    count_deep_cards,
    count_pages,
    distinct_tracks,
    page_tracks,
    sample_values,
)
from transforms.tables.columns import to_frame, to_table
from transforms.tables.counts import COUNTS, sum_counts
from transforms.tables.histograms import (
    HISTOGRAM,
    histogram_mapping,
    sum_histograms,
)
from transforms.tables.schemas import PAGES


def test_histograms_of_parts_add_up() -> None:
    frame = pl.DataFrame({"user_id": [f"u{n % 40}" for n in range(2000)], "a": np.linspace(-5, 5, 2000)})
    whole = sample_values(frame, names=["a"], share=0.5, seed=3)
    users = frame["user_id"].unique(maintain_order=True)
    parts = [frame.filter(pl.col("user_id").is_in(users[n::3].implode())) for n in range(3)]
    added = sum_histograms(pl.concat(sample_values(part, names=["a"], share=0.5, seed=3) for part in parts))
    assert histogram_mapping(added) == histogram_mapping(whole)
    assert 0 < sum(histogram_mapping(whole)["a"].values()) < 2000
    assert to_frame(to_table(added, HISTOGRAM)).equals(added)


def test_pages_are_counted() -> None:
    def shelf(shelf_id: str, *tracks: str) -> dict[str, object]:
        return {"shelf_id": shelf_id, "tracks": [{"track_id": track} for track in tracks]}

    pages = PAGES.frame(
        [
            {
                "user_id": "a",
                "shelves": [shelf("fresh", "t1", "t2"), shelf("mix", "t3"), shelf("mix", "t1")],
            },
            {"user_id": "a", "shelves": []},
            {"user_id": "b", "shelves": [shelf("fresh", "t4")]},
            {"user_id": "c", "shelves": []},
            {"user_id": "d", "shelves": None},
        ]
    )
    expected = {
        "pages": 5, "empty_pages": 3, "users_with_page": 4,
        "shelves/fresh": 2, "shelves/mix": 2, "tracks/fresh": 3, "tracks/mix": 2,
    }  # fmt: skip
    assert dict(count_pages(pages).rows()) == expected
    halves = pl.concat([count_pages(pages[:2]), count_pages(pages[2:])])
    assert dict(to_frame(to_table(sum_counts(halves), COUNTS)).rows()) == expected  # type: ignore[arg-type]
    assert set(page_tracks(pages)["track_id"]) == {"t1", "t2", "t3", "t4"}
    assert dict(count_pages(PAGES.frame()).rows()) == {"pages": 0, "empty_pages": 0, "users_with_page": 0}


def test_cards_in_the_deep_catalogue_are_counted_a_copy_as_its_recording(tmp_path: Path) -> None:
    """Track 0 has 80 % of the plays; 1 is its copy, and 2 and 3 are deep."""
    plays = plays_of([{"user_id": "u", "track": track, "days": 1 + n / 9} for n, track in enumerate([0] * 8 + [2] * 2)])
    tracks = tracks_of(4).with_columns(
        recording_id=pl.Series(["a", "a", "b", "c"]), artist_id=pl.lit("x"), artist_name=pl.lit("x")
    )
    catalog = catalog_of(plays, tracks, tmp_path / "catalog")
    cards = PAGE_TRACKS.frame([{"track_id": f"t000{n}", "n_cards": 10**n} for n in range(4)])
    assert count_deep_cards(cards, catalog) == 1100
    # 2 has the last plays, and 3 none
    assert count_cards_by_decile(cards, catalog) == (11, 0, 0, 0, 0, 0, 0, 0, 100, 1000)
    assert distinct_tracks(pl.concat([cards, cards]))["n_cards"].sum() == 2222
