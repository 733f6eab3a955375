"""Plugins as files: found, named, refused; in processes of their own, because modules are loaded once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(folder: Path, code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )


def loaded(folder: Path, name: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    code = f"{before}\nfrom pipelines.configuration.use_plugins import use_plugins\nuse_plugins({name!r})\n"
    return run(folder, f"{code}from transforms.plugins import *\nprint(plugin_entries('THINGS'), *plugin_hashes())")


def test_a_file_adds_its_entries_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("THINGS = ('a', 'b')\n")
    assert loaded(tmp_path, "mine.py").stdout == "('a', 'b') mine\n"
    assert loaded(ROOT, f"{tmp_path}/mine.py,json").stdout == "('a', 'b') mine json\n"


def test_a_file_that_the_variable_names_may_be_loaded_before(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("THINGS = ('a', 'b')\n")
    before = "import os; os.environ['HOMESHELF_PLUGINS'] = 'mine.py'\nfrom transforms.plugins import *\n"
    done = loaded(tmp_path, " mine.py", f"{before}plugin_entries('THINGS')")
    assert done.stdout == "('a', 'b') mine\n", done.stderr


def test_a_worker_process_finds_the_functions_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def twice(n): return 2 * n\nTHINGS = (twice,)\n")
    code = """
import pickle, subprocess, sys
from pipelines.configuration.use_plugins import use_plugins
use_plugins("mine.py")
from transforms.plugins import plugin_entries
sent = pickle.dumps(plugin_entries("THINGS")[0])
worker = "import pickle, sys; from transforms.plugins import *; [load_plugin(one) for one in plugin_names()];"
worker += f"print(pickle.loads({sent!r})(21))"
print(subprocess.run([sys.executable, "-c", worker], cwd="/", capture_output=True, text=True))
"""
    assert "stdout='42\\n'" in run(tmp_path, code).stdout


@pytest.mark.parametrize(
    ("name", "source", "before", "said"),
    [
        ("gone.py", "", "", "gone.py: there is no such file"),
        ("gone_module", "", "", "No module named 'gone_module'"),
        ("mine.py", "THINGS = (", "", "was never closed"),
        ("mine.py", "1 / 0", "", "division by zero"),
        ("own/json.py", "", "import json", "another module is called 'json'"),
        ("mine.py", "from transforms.plugins import plugin_entries\nplugin_entries('THINGS')", "", "needs its THINGS"),
        ("mine.py", "", "from transforms.plugins import plugin_entries; plugin_entries('THINGS')", "loaded before"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(
    name: str, source: str, before: str, said: str, tmp_path: Path
) -> None:
    if not name.startswith("gone"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    done = loaded(tmp_path, name, before)
    last = done.stderr.splitlines()[-1]
    assert "UsageError" in last and said in last, done.stderr
