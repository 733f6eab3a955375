import ast
import subprocess
import sys

import pytest

from tests.fast import ROOT, is_fast


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/transforms/events/test_clean_events.py", True),
        ("tests/pipelines/test_modes.py", False),
        # TensorFlow behind two imports
        ("tests/models/towers/test_two_tower.py", False),
    ],
)
def test_files_that_load_tensorflow_or_whole_runs_are_slow(path: str, expected: bool) -> None:
    assert is_fast(ROOT / path) == expected


def test_fast_files_load_no_tensorflow() -> None:
    files = [path for path in (ROOT / "tests" / "transforms").rglob("test_*.py") if is_fast(path)]
    # what the files import, without compiling the files themselves
    nodes = [node for path in files for node in ast.parse(path.read_text()).body]
    imports = {ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)}
    code = "\n".join([*sorted(imports), "import sys; print('tensorflow' in sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(files) > 50 and done.stdout == "False\n"
