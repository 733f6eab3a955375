"""Whole runs that several tests share."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.built_once import built_once
from tests.quality.listens import LISTENS, LISTENS_COLUMNS
from tests.runs import Published

# Every twelfth listener: pages are right or wrong whatever the number of users.
MUSIC_SHARE = 12


@pytest.fixture(scope="session")
def planted() -> Published:
    """Run on the default sample world."""
    return Published(built_once("planted", _run_planted) / "out")


@pytest.fixture(scope="session")
def music_events() -> Path:
    """Return the events of a twelfth of the listeners of 30Music."""
    return built_once("music_events", _sample_listens)


@pytest.fixture(scope="session")
def music(music_events: Path) -> Published:
    """Run on 30Music: real listening without artists and genres."""
    return Published(built_once("music", lambda folder: _run(folder, f"--events={music_events}", LISTENS_COLUMNS)))


def _run_planted(folder: Path) -> None:
    assert main(["sample", f"--output={folder}"]) == 0
    _run(folder / "out", *(f"--{name}={folder}/{name}" for name in ("events", "tracks")))


def _sample_listens(folder: Path) -> None:
    listens = pl.read_parquet(LISTENS)
    users = listens.select(pl.col("user_id").unique().sort()).gather_every(MUSIC_SHARE)
    listens.join(users, on="user_id", how="semi", maintain_order="left").write_parquet(folder / "events.parquet")


def _run(output: Path, *flags: str) -> None:
    assert main(["run", *flags, f"--output={output}"]) == 0
