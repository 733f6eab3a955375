"""The small history that tests of sources and features share, its catalog and what candidates are generated from."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.transforms.small_history import small_plays
from tests.worlds import catalog_of, snapshot_inputs, tracks_of
from transforms.catalog.catalog import Catalog


@pytest.fixture
def plays() -> pl.DataFrame:
    return small_plays()


@pytest.fixture
def catalog(plays: pl.DataFrame, tmp_path: Path) -> Catalog:
    return catalog_of(plays, tracks_of(20), tmp_path)


@pytest.fixture
def snapshot(plays: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> dict[str, Any]:
    return snapshot_inputs(plays, catalog, tmp_path)
