from collections.abc import Iterator
from functools import cache

import pytest
from apache_beam.runners.worker import statecache
from apache_beam.transforms import core, userstate
from apache_beam.typehints import typecheck
from hypothesis import settings

from tests.fast import FastTests

# The first example of a test pays for imports, and on a busy machine any may be slow: time is no failure. The same few
# examples each time: a change that is tested fails for what it changed. --hypothesis-profile=search looks for others.
settings.register_profile("same", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("search", deadline=None, max_examples=400)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def beam_inspects_once() -> Iterator[None]:
    """Let Beam look for state and timers once in each class of DoFn, and not weigh what it caches of side inputs.

    It looks some ten times into every DoFn of a graph, which is a quarter of the time of a small run. Functions of Map
    and FlatMap could have state too: ours have none. To weigh a side input it walks through all loaded modules; ours
    are paths and small tables, far from what the cache may hold.
    """
    find_specs = userstate.get_dofn_specs
    specs_of_class = cache(lambda kind: find_specs(object.__new__(kind)))

    def find_specs_once(dofn: core.DoFn) -> tuple[set, set]:
        if isinstance(dofn, typecheck.AbstractDoFnWrapper):
            return find_specs(dofn)
        return (set(), set()) if isinstance(dofn, core.CallableWrapperDoFn) else specs_of_class(type(dofn))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(userstate, "get_dofn_specs", find_specs_once)
        patch.setattr(statecache, "get_deep_size", lambda *objects: 1)
        yield


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
