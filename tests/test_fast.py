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
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    code = (
        f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(modules) > 50 and done.stdout == "False\n"
