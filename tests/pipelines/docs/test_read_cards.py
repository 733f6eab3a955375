"""The snippets of the page on cards run as they stand, and give the same answer."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.runs import Published, cards

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "read-cards.md"


def test_polars_duckdb_and_pandas_find_the_same_artists(
    published: Published, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "home").symlink_to(published.folder.parents[1])
    monkeypatch.chdir(tmp_path)
    pointer, *libraries = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    exec(pointer, names)
    found = []
    for snippet in libraries:
        exec(snippet, names)
        found.append(names["openers"])
    first = cards(published.table("pages").drop("propensity", "relaxed")).filter(shelf_position=0, position=0)
    named = first.join(pl.read_parquet(world / "tracks").select("track_id", "artist_name"), on="track_id")
    counted = named.group_by("artist_name").agg(homes=pl.len(), score=pl.col("score").mean())
    expected = counted.sort("homes", "artist_name", descending=[True, False]).head(10)
    for openers in (found[0], found[1].pl(), pl.from_pandas(found[2])):
        assert_frame_equal(openers, expected, check_dtypes=False)
    assert len(found) == 3 and expected["homes"][0] > 1
