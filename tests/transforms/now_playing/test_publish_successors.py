"""Published successors: rights and rules of each market, the likeliest first."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, tables_of
from tests.transforms.now_playing.queue_worlds import RULES
from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.now_playing.publish_successors import PublishSuccessors, publish_successors
from transforms.now_playing.successor_tables import SUCCESSOR_ROWS
from transforms.pages.rules.read_rules import parse_rules

ROWS = SUCCESSOR_ROWS.frame(
    [{"track": 0, "other": other, "chance": 0.5**other, "source": "followed"} for other in range(1, 5)]
    + [{"track": 1, "other": 2, "chance": 0.5, "source": "content"}]
)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Track 1 may be played in AF only, 2 is explicit; the market of the plays is AF."""
    limited = tracks_of(20).with_columns(
        markets=pl.when(pl.int_range(pl.len()) == 1).then(pl.lit(["AF"])),
        explicit=pl.int_range(pl.len()) == 2,
    )
    return catalog_of(random_plays(1, num_tracks=20), limited, tmp_path / "catalog")


def lists_of(published: pl.DataFrame) -> dict[tuple[str, str], list[str]]:
    return {
        (row["track_id"], row["market"]): [one["track_id"] for one in row["successors"]] for row in published.to_dicts()
    }


def rules_of(text: str):  # type: ignore[no-untyped-def]
    return parse_rules(text, ("mix",), ("home", "now_playing"))


def test_without_rights_and_rules_there_is_one_list(tmp_path: Path) -> None:
    catalog = catalog_of(random_plays(1, num_tracks=20), tracks_of(20), tmp_path / "catalog")
    published = publish_successors(ROWS, catalog=catalog, rules=(), as_of=AS_OF)
    assert lists_of(published) == {
        ("t0000", ""): ["t0001", "t0002", "t0003", "t0004"],
        ("t0001", ""): ["t0002"],
    }
    assert [one["position"] for one in published["successors"][0]] == [0, 1, 2, 3]
    assert published["successors"][0][0]["chance"] == 0.5


def test_rules_and_rights_are_those_of_the_market_and_of_the_surface(catalog: Catalog) -> None:
    published = publish_successors(ROWS, catalog=catalog, rules=rules_of(RULES), as_of=AS_OF)
    assert lists_of(published) == {
        ("t0000", ""): ["t0001", "t0002", "t0003", "t0004"],
        ("t0000", "AF"): ["t0001", "t0003", "t0004"],
        ("t0001", ""): ["t0002"],
        ("t0001", "AF"): [],
    }


def test_a_run_at_midnight_has_the_rules_of_the_day_that_ends_and_the_releases_of_the_one_that_begins(
    tmp_path: Path,
) -> None:
    begins = AS_OF.date()
    ends = begins - timedelta(days=1)
    released = [None, begins, begins + timedelta(days=1), None, None]
    tracks = tracks_of(5).with_columns(release_date=pl.Series(released, dtype=pl.Date))
    catalog = catalog_of(random_plays(1, num_tracks=5), tracks, tmp_path / "catalog")
    text = f"""
rules:
  - exclude: {{tracks: [t0003]}}
    when: {{until: {ends}}}
  - exclude: {{tracks: [t0004]}}
    when: {{from: {begins}}}
"""
    published = publish_successors(ROWS, catalog=catalog, rules=rules_of(text), as_of=AS_OF)
    assert lists_of(published)["t0000", ""] == ["t0001", "t0004"]


def test_the_stage_maps_every_bucket(catalog: Catalog, tmp_path: Path) -> None:
    def graph(root):  # type: ignore[no-untyped-def]
        path = element_of(root, "catalog", str(tmp_path / "catalog"))
        parts = [ROWS.filter(pl.col("track") == track) for track in (0, 1)]
        return tables_of(root, "rows", SUCCESSOR_ROWS, parts) | PublishSuccessors(path, (), AS_OF)

    published = publish_successors(ROWS, catalog=catalog, rules=(), as_of=AS_OF)
    assert lists_of(joined(run_graph(graph))) == lists_of(published)
