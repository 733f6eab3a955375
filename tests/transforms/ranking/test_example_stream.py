"""Training examples, streamed from files whose row groups and ends divide users."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.ranking.training_examples import HEADS, examples_file
from tests.worlds import catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.features.hydrate import hydrate_candidates
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import (
    learn_vocabulary,
)


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path)), catalog


def test_a_user_whose_rows_lie_in_two_row_groups_or_files_is_one(
    world: tuple[pl.DataFrame, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates, catalog = world
    rows = learn_vocabulary(catalog, min_plays=5).rows_of(catalog)
    ordered = candidates.sort("user_id", "track")
    monkeypatch.setattr("transforms.tables.files._ROWS_PER_GROUP", 50)
    parts = [ordered[:130], ordered[130:]]
    paths = [examples_file(tmp_path / f"{n}.parquet", part, 1).path for n, part in enumerate(parts)]
    chunks = list(stream_examples(paths, rows, HEADS))
    assert [len(chunk) for chunk in chunks[:4]] == [50, 50, 30, 50]
    group = np.concatenate([chunk.group for chunk in chunks])
    np.testing.assert_array_equal(group, ordered["user_id"].rank("dense").to_numpy())
    assert sum(len(chunk) for chunk in chunks) == len(candidates)
