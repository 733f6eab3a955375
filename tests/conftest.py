from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.object_stores import gs_store, s3_store

# the first example of a test pays for imports, and on a busy machine any may be slow: time is no failure
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def gs() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, gs_store(patch) as root:
        yield root


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_store(patch) as root:
        yield root
