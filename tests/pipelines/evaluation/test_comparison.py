"""homeshelf compare on the files of two evaluations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.cli import main
from pipelines.evaluation.comparison import ComparedMean, Comparison, print_comparison
from pipelines.evaluation.report import cutoff_folder
from pipelines.evaluation.report_data import EvaluationReport, report_to_json
from pipelines.rendering.console import PlainConsole
from tests.pipelines.evaluation.made_up_sums import NUM_USERS, ndcg, sums_of
from tests.pipelines.evaluation.reports import KINDS, sample_report


def write_evaluation(folder: Path, report: EvaluationReport, page: float) -> None:
    """Write report and sums; of every user the page shows this share of the coming plays, at most."""
    rng = np.random.default_rng(1)
    values = {ndcg("ease", kind): rng.random(NUM_USERS) for kind in KINDS}
    values |= {("page", "share_of_plays", kind): page * rng.random(NUM_USERS) for kind in KINDS}
    folder.mkdir()
    (folder / "report.json").write_text(report_to_json(report))
    for number, cutoff in enumerate(report.protocol.cutoffs):
        below = folder / cutoff_folder(cutoff)
        below.mkdir()
        sums_of(values, first_user=1000 * number).write_parquet(below / "sums.parquet")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    one, other = (tmp_path_factory.mktemp("evaluations") / name for name in ("one", "other"))
    write_evaluation(one, sample_report(), page=0.8)
    write_evaluation(other, sample_report(), page=0.2)
    return one, other


def test_two_evaluations_are_compared_on_the_same_users(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, folders)]) == 0
    printed = capsys.readouterr().out
    (row,) = (line for line in printed.splitlines() if line.split()[:3] == ["page", "share_of_plays", "all"])
    assert "worse" in row
    (row,) = (line for line in printed.splitlines() if line.split()[:3] == ["ease", "ndcg@10", "all"])
    assert "no difference" in row and "+0.0000" in row
    assert "not the same users" not in printed


@pytest.mark.parametrize(("gate", "status"), [("page", 3), ("ranker,ease", 0)])
def test_a_gate_fails_where_a_system_is_worse(gate: str, status: int, folders: tuple[Path, Path]) -> None:
    assert main(["compare", *map(str, folders), f"--not_worse={gate}"]) == status
    assert main(["compare", "--not_worse", gate, *map(str, folders)]) == status


def test_other_users_are_named(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = sample_report()
    write_evaluation(tmp_path / "more", replace(report, data=[replace(one, users=2000) for one in report.data]), 0.8)
    assert main(["compare", str(folders[0]), str(tmp_path / "more")]) == 0
    assert "not the same users or targets" in capsys.readouterr().out


def test_what_cannot_be_compared_is_refused(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = sample_report()
    write_evaluation(tmp_path / "later", replace(report, protocol=replace(report.protocol, horizon_days=3.0)), 0.8)
    write_evaluation(tmp_path / "broken", report, 0.8)
    (tmp_path / "broken" / cutoff_folder(report.protocol.cutoffs[1]) / "sums.parquet").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.json").write_text("{}")
    cases = {
        (str(folders[0]), str(tmp_path / "later")): "not the same protocol: horizon_days is 7.0 in",
        (str(folders[0]), str(tmp_path / "nothing")): "report.json: not the report of an evaluation",
        (str(folders[0]), str(tmp_path / "other")): "report.json: not the report of an evaluation",
        (str(folders[0]), str(tmp_path / "broken")): "sums.parquet: cannot be read",
        (str(folders[0]),): "parameter B requires an argument",
        (*map(str, folders), "--not_worse=nobody"): "--not_worse: 'nobody' is not in both evaluations",
        (*map(str, folders), "--not_worses=page"): "unknown flag --not_worses=page",
    }
    for arguments, message in cases.items():
        assert main(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_a_comparison_says_what_is_no_difference() -> None:
    means = [
        ComparedMean("ranker", "ndcg@10", "all", 0.1, 0.12, 0.02, low, 0.03, 1.2, verdict)
        for low, verdict in ((0.01, "better"), (-0.01, "no difference"))
    ]
    console = PlainConsole(width=120, record=True, file=open("/dev/null", "w"))
    print_comparison(console, Comparison("x", "y", False, means))
    printed = console.export_text()
    assert "▲ better" in printed and "= no difference" in printed and "not the same users" in printed
