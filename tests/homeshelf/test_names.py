"""The names of the package: all in the reference, and each loaded when it is asked for."""

import re
from pathlib import Path

import pytest

import homeshelf

ROOT = Path(__file__).parents[2]


def test_the_reference_describes_every_name_once() -> None:
    text = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    described = re.findall(r"^::: homeshelf\.(\w+)$", text, re.MULTILINE)
    assert sorted(described) == sorted(homeshelf.__all__)
    functions = [getattr(homeshelf, name) for name in homeshelf.__all__ if callable(getattr(homeshelf, name))]
    assert functions and [one for one in functions if not one.__doc__] == []


def test_names_for_type_checkers_are_those_that_are_loaded() -> None:
    text = Path(str(homeshelf.__file__)).read_text(encoding="utf-8")
    typed = re.findall(r"^    from (\S+) import (\w+) as \2$", text, re.MULTILINE)
    assert {name: module for module, name in typed} == homeshelf._HOMES and len(typed) == len(homeshelf._HOMES)


def test_there_is_no_other_name() -> None:
    assert set(homeshelf.__all__) <= set(dir(homeshelf))
    with pytest.raises(AttributeError, match="'homeshelf' has no attribute 'build_home'"):
        homeshelf.build_home  # noqa: B018
