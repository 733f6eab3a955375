"""The check of conventions finds what it is for, in a small tree that breaks each of them."""

import subprocess
from pathlib import Path

from tests.conventions import MAX_FILES, MAX_TWINS, check

GOOD = '"""Add."""\n\nfrom models.first import first\n\n\ndef used() -> int:\n    """Return 1."""\n    return first()\n'


def tree(root: Path, **files: str) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_nothing_is_found_where_the_conventions_hold(tmp_path: Path) -> None:
    first = '"""Give numbers."""\n\n\ndef first() -> int:\n    """Return 1."""\n    return 1\n'
    last = '"""Start."""\n\nfrom models.second import used\n\n\ndef main() -> int:\n    """Run."""\n    return used()\n'
    assert check(tree(tmp_path, models__first=first, models__second=GOOD, pipelines__cli=last)).places == []


def test_each_breach_is_found(tmp_path: Path) -> None:
    twins = "".join(f"def twin{number}(): pass\n\n" for number in range(MAX_TWINS + 1))
    uses = "".join(f"twin{number}()\n" for number in range(MAX_TWINS + 1))
    long = "def _long():\n" + "    pass\n" * 40
    wide = "def _wide(a, b, c, d, e, f, g, h): pass\n"
    clause = 'def _clause():\n    """Whether it rains."""\n'
    found = check(
        tree(
            tmp_path,
            models__one=twins + uses + uses,
            models__two=twins + long + wide + clause,
            models__utils="",
            transforms__three="class OldManager: pass\n\ndef lonely(): pass\n\nOldManager\n",
            **{f"pipelines__file{number}": "" for number in range(MAX_FILES + 1)},
            tests__long_too=long,
        )
    )
    for text in (
        "models/one.py:1: twin0 is defined in models/one.py, models/two.py",
        "_long() has 41 lines",
        "_wide() takes 8 parameters",
        "begins with a clause: Whether it rains.",
        "models/utils.py:1: a name that says nothing",
        "name OldManager",
        "lonely is used nowhere in the packages",
        f"pipelines:1: {MAX_FILES + 1} files in one folder",
        "tests/long_too.py:1: _long() has 41 lines",
    ):
        assert any(text in place for place in found.places), text
    assert len(found.places) == MAX_TWINS + 1 + 8, found.places
