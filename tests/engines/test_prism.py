"""The whole run on Prism: make prism."""

from pathlib import Path

import pytest

from tests.engines.failing import hold_that_a_failure_is_said
from tests.runs import DCN, Published, run_on

PRISM = Path(__file__).parents[2] / ".prism" / "prism"
FLAGS = ["--runner=PrismRunner", f"--prism_location={PRISM}"]
pytestmark = pytest.mark.skipif(not PRISM.exists(), reason="no Prism here: make prism (needs go)")


def test_prism_writes_the_same_bytes(world: Path, published: Published, tmp_path: Path) -> None:
    assert run_on(world, tmp_path, *DCN, *FLAGS).hashes() == published.hashes()


def test_a_failing_run_reports_the_reason(
    world: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_that_a_failure_is_said(world, published, tmp_path, capsys, *FLAGS)
