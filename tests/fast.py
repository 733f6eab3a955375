"""make test FAST=1: the tests that load no TensorFlow, run no whole graph, and took no time when they last ran."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a fast test never imports, however indirectly: TensorFlow takes seconds to load, a whole run to end.
_SLOW_MODULES = {"models._tensorflow", "pipelines.cli", "tests.runs", "tests.built_once", "tests.notebooks"}
_SLOW_SECONDS = 0.2
_KEY = "homeshelf/seconds"


class FastTests:
    """Plugin of pytest: remembers in its cache how long each test took, and with --fast leaves the slow ones out."""

    def __init__(self, config: pytest.Config) -> None:
        # absent with -p no:cacheprovider
        self.cache, self.is_fast = getattr(config, "cache", None), config.getoption("--fast")
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        is_slow = self.is_fast and collection_path.match("test_*.py") and not is_fast(collection_path)
        return True if is_slow else None

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self.is_fast and self.cache:
            known = self.cache.get(_KEY, {})
            slow = [item for item in items if known.get(item.nodeid, 0) > _SLOW_SECONDS]
            config.hook.pytest_deselected(items=slow)
            items[:] = [item for item in items if known.get(item.nodeid, 0) <= _SLOW_SECONDS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # not in the processes of pytest-xdist: their reports reach the one that they work for
        if self.cache and not hasattr(session.config, "workerinput"):
            self.cache.set(_KEY, {**self.cache.get(_KEY, {}), **self.seconds})


def is_fast(test_file: Path) -> bool:
    """Return whether importing a test file loads none of the slow modules."""
    found: set[str] = set()
    waiting = [test_file]
    while waiting:
        for module in _imports_of(waiting.pop()) - found:
            found.add(module)
            path = ROOT.joinpath(*module.split("."))
            waiting += [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return not _SLOW_MODULES & found


@cache
def _imports_of(path: Path) -> frozenset[str]:
    """Return the modules, and the names in modules, that the top of a file imports."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return frozenset(names)
