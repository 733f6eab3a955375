from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.fast import FastTests

# The first example of a test pays for imports, and on a busy machine any may be slow: time is no failure. The same
# examples each time: a change that is tested fails for what it changed. --hypothesis-profile=search looks for others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def gs() -> Iterator[str]:
    from tests.object_stores import gs_store

    with pytest.MonkeyPatch.context() as patch, gs_store(patch) as root:
        yield root


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    from tests.object_stores import s3_store

    with pytest.MonkeyPatch.context() as patch, s3_store(patch) as root:
        yield root


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out TensorFlow, whole runs, and what took long")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FastTests(config))
