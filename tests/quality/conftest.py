"""Whole runs that several tests share, and the evaluation of one of them."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.built_once import built_once
from tests.quality.evaluated import evaluate_run
from tests.quality.listens import LISTENS, LISTENS_COLUMNS
from tests.runs import Published

# Every twelfth listener: pages are right or wrong whatever the number of users.
MUSIC_SHARE = 12
# Of the planted world: a week, and a gap of half an hour, before its end.
PLANTED_AT = "2025-12-24T23:00"


@pytest.fixture(scope="session")
def planted() -> Published:
    """Run on the default sample world, a week before its end."""
    return Published(built_once("planted", _run_planted) / "out")


@pytest.fixture(scope="session")
def planted_evaluation(planted: Published) -> Path:
    """Evaluate the models of the run on the planted world by its last week."""
    given = planted.manifest["options"]
    flags = [f"--{name}={given[name]}" for name in ("events", "tracks", "users_table")]
    flags += [f"--as_of={PLANTED_AT}", "--baselines=decayed_popularity"]
    return built_once("planted evaluation", lambda folder: evaluate_run(planted, folder, flags))


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
    tables = {"events": "events", "tracks": "tracks", "users_table": "users"}
    _run(folder / "out", *(f"--{name}={folder}/{table}" for name, table in tables.items()), f"--as_of={PLANTED_AT}")


def _sample_listens(folder: Path) -> None:
    listens = pl.read_parquet(LISTENS)
    users = listens.select(pl.col("user_id").unique().sort()).gather_every(MUSIC_SHARE)
    listens.join(users, on="user_id", how="semi", maintain_order="left").write_parquet(folder / "events.parquet")


def _run(output: Path, *flags: str) -> None:
    assert main(["run", *flags, f"--output={output}"]) == 0
