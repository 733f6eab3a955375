"""The whole run on Flink: make flink."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.engines.failing import hold_that_a_failure_is_said
from tests.engines.flink import JOB_SERVER, flink_cluster
from tests.runs import DCN, Published, run_on

pytestmark = pytest.mark.skipif(
    not JOB_SERVER.exists() or not shutil.which("java"), reason="no Flink here: make flink (needs java and mvn)"
)
FLINK = ["--runner=FlinkRunner", f"--flink_job_server_jar={JOB_SERVER}", "--parallelism=2"]
MINI = ["--flink_master=[local]"]


def test_two_slots_in_one_process_write_the_same_bytes(world: Path, published: Published, tmp_path: Path) -> None:
    assert run_on(world, tmp_path, *DCN, *FLINK, *MINI).hashes() == published.hashes()


def test_two_task_managers_with_workers_of_their_own_write_the_same_bytes(
    world: Path, published: Published, tmp_path: Path
) -> None:
    (tmp_path / "cluster").mkdir()
    with flink_cluster(tmp_path / "cluster") as cluster:
        run = run_on(world, tmp_path / "out", *DCN, *FLINK, *cluster.flags)
        (job,) = cluster.ask("/jobs/overview")["jobs"]
        vertices = cluster.ask(f"/jobs/{job['jid']}")["vertices"]
        ran = Counter(
            manager["taskmanager-id"]
            for vertex in vertices
            for manager in cluster.ask(f"/jobs/{job['jid']}/vertices/{vertex['id']}/taskmanagers")["taskmanagers"]
        )
        assert job["state"] == "FINISHED" and len(ran) == 2 and min(ran.values()) > len(vertices) / 2
        assert cluster.num_workers == 2
    assert run.hashes() == run.read_hashes() == published.hashes()


def test_a_failing_run_reports_the_reason(
    world: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_that_a_failure_is_said(world, published, tmp_path, capsys, *FLINK, *MINI)
