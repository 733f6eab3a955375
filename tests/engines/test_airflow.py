"""The DAGs of templates/airflow in a real Airflow: make airflow."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.cloud.dataflow_v1beta3 import LaunchFlexTemplateParameter

from pipelines.docs.render_template import template_metadata
from tests.runs import Published

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin"
DAGS = ROOT / "templates" / "airflow" / "home_shelves.py"
pytestmark = pytest.mark.skipif(not (AIRFLOW / "airflow").exists(), reason="no Airflow here: make airflow")

FACTS = f"""
import json, runpy
found = runpy.run_path({str(DAGS)!r})
facts = [{{
    "catchup": dag.catchup, "max_active_runs": dag.max_active_runs, "retries": dag.task_dict["run"].retries,
    "start": dag.start_date.isoformat(),
}} for dag in (found["local"], found["dataflow"])]
print(json.dumps(facts))
"""
CLOUD = {
    **{name: f"gs://b/{name}" for name in ("events", "tracks", "output", "template")},
    "project": "p",
    "region": "europe-west1",
    "service_account": "homeshelf-worker@p.iam.gserviceaccount.com",
    "subnetwork": "regions/europe-west1/subnetworks/default",
    "bucket": "gs://b",
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Set up an Airflow with its own database and the DAGs."""
    home = tmp_path_factory.mktemp("airflow")
    given = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "HOMESHELF_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    airflow(given, "db", "migrate")
    airflow(given, "dags", "reserialize")
    return given


def airflow(environment: dict[str, str], *arguments: str) -> str:
    """Run an airflow command; return its output and log."""
    done = subprocess.run(
        [AIRFLOW / "airflow", *arguments],
        env=environment,
        cwd=environment["AIRFLOW_HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def with_settings(environment: dict[str, str], settings: dict[str, str]) -> dict[str, str]:
    return {**environment, "AIRFLOW_VAR_HOMESHELF": json.dumps(settings)}


def test_one_run_a_day_is_caught_up_with_and_retried(environment: dict[str, str]) -> None:
    done = subprocess.run([AIRFLOW / "python", "-c", FACTS], env=environment, capture_output=True, text=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts == 2 * [{"catchup": True, "max_active_runs": 1, "retries": 2, "start": "2026-01-01T00:00:00+00:00"}]


def test_a_week_is_filled_with_one_command(environment: dict[str, str]) -> None:
    dates = ["--from-date", "2026-01-02", "--to-date", "2026-01-09"]
    said = airflow(environment, "backfill", "create", "--dag-id", "home_shelves_local", *dates, "--dry-run")
    assert re.findall(r"(2026-\S+) 04:10:00", said) == [f"2026-01-{day:02}" for day in range(2, 9)]


def test_dataflow_accepts_the_launched_template(environment: dict[str, str]) -> None:
    settings = with_settings(environment, CLOUD)
    said = airflow(settings, "tasks", "render", "home_shelves_dataflow", "run", "2026-01-02T04:10:00")
    body = ast.literal_eval(re.findall(r"# property: body\n# -+\n(.+)\n", said)[0])
    launched = LaunchFlexTemplateParameter.from_json(json.dumps(body["launchParameter"]))
    assert launched.job_name == "homeshelf-20260102" and launched.parameters["as_of"] == "2026-01-02"
    assert launched.container_spec_gcs_path == "gs://b/template"
    assert launched.environment.service_account_email == CLOUD["service_account"]
    parameters = template_metadata()["parameters"]
    required = {one["name"] for one in parameters if not one["isOptional"]}
    assert required <= set(launched.parameters) <= {one["name"] for one in parameters}


def test_a_day_is_run_with_the_local_runner(environment: dict[str, str], world: Path, tmp_path: Path) -> None:
    tables = {name: str(world / name) for name in ("events", "tracks")}
    settings = with_settings(environment, {**tables, "output": f"{tmp_path}/home"})
    airflow(settings, "dags", "test", "home_shelves_local", "2026-01-01T04:10:00")
    run = Published(tmp_path / "home")
    assert run.manifest["as_of"] == "2026-01-01T00:00:00+00:00" and run.pointer.parent.name == "ds=2025-12-31"
    assert len(run.table("pages")) > 100


def test_a_day_that_fails_fails_the_task(environment: dict[str, str], tmp_path: Path) -> None:
    tables = {name: f"{tmp_path}/nothing" for name in ("events", "tracks")}
    settings = with_settings(environment, {**tables, "output": f"{tmp_path}/home"})
    # unlike a DAG, a single task is not retried
    said = airflow(settings, "tasks", "test", "home_shelves_local", "run", "2026-01-01T04:10:00")
    assert "no Parquet file there" in said and "Task failed with exception" in said
