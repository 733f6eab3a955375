"""A run that must fail: all its events are plays of a track that is not in the catalog."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.runs import FAST, Published


def hold_that_a_failure_is_said(
    world: Path, published: Published, folder: Path, capsys: pytest.CaptureFixture[str], *engine: str
) -> None:
    """Check for exit status 1, counts on standard error and no pointer, whatever the engine's errors look like."""
    events = pl.read_parquet(world / "events" / "*.parquet").head(50)
    events.with_columns(track_id=pl.lit("nobody's song")).write_parquet(folder / "events.parquet")
    reused = [f"--{name}={published.folder}" for name in ("ranker", "embeddings")]
    tables = [f"--events={folder}/events.parquet", f"--tracks={world}/tracks", f"--output={folder}/out"]
    assert main(["run", *tables, *FAST, *reused, "--num_warm_epochs=0", *engine]) == 1
    assert "homeshelf: failed: 50 of 50 events were rejected (unknown_track 50)" in capsys.readouterr().err
    assert not list((folder / "out").glob("ds=*/CURRENT"))
