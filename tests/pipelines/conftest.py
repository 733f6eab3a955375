from datetime import datetime, timezone
from pathlib import Path

import pytest

from pipelines.sample_world import write_sample_world
from tests.runs import Published, run_on

ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_sample_world(folder, num_users=150, num_tracks=2000, num_days=40, seed=5, ends_at=ENDS_AT)
    return folder


@pytest.fixture(scope="session")
def published(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return run_on(world, tmp_path_factory.mktemp("published"), "--num_buckets=7")
