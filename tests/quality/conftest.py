"""Whole runs that several tests share."""

from pathlib import Path

import pytest

from pipelines.cli import main
from tests.quality.listens import FLAGS_30MUSIC
from tests.runs import Published


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Run on the default sample world."""
    folder = tmp_path_factory.mktemp("planted")
    assert main(["sample", f"--output={folder}"]) == 0
    tables = [f"--{flag}={folder}/{name}" for flag, name in (("events", "events"), ("tracks", "tracks"))]
    return _run(folder / "out", *tables)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Run on 30Music: real listening without artists and genres."""
    return _run(tmp_path_factory.mktemp("music"), *FLAGS_30MUSIC)


def _run(output: Path, *flags: str) -> Published:
    assert main(["run", *flags, f"--output={output}"]) == 0
    return Published(output)
