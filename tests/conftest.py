from collections.abc import Iterator

import pytest

from tests.object_stores import gs_store, s3_store


@pytest.fixture(scope="session")
def gs() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, gs_store(patch) as root:
        yield root


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_store(patch) as root:
        yield root
