"""templates/workflows: run step by step against a stand-in of Dataflow."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import LaunchFlexTemplateParameter

from pipelines.docs.render_template import template_metadata
from pipelines.options.options import RunOptions
from tests.templates.workflow_steps import Raised, run_workflow

TEXT = (Path(__file__).parents[2] / "templates" / "workflows" / "home_shelves.yaml").read_text()
DATAFLOW = "googleapis.dataflow.v1b3.projects.locations"
SETTINGS = {
    "GOOGLE_CLOUD_PROJECT_ID": "p",
    "GOOGLE_CLOUD_LOCATION": "europe-west1",
    "BUCKET": "b",
    "TEMPLATE": "gs://b/templates/home_shelves-abc.json",
    "EVENTS": "gs://b/events",
    "TRACKS": "gs://b/tracks",
}


def follow(argument: dict[str, Any], *states: str) -> tuple[Any, dict[str, Any], list[int]]:
    """What comes of a day whose job has these states, one after the other; what was launched; the waits."""
    launches: list[dict[str, Any]] = []
    waits: list[int] = []
    left = list(states)

    def launch(projectId: str, location: str, body: dict[str, Any]) -> dict[str, Any]:
        assert (projectId, location) == ("p", "europe-west1")
        launches.append(body["launchParameter"])
        return {"job": {"id": "j1"}}

    def get(projectId: str, location: str, jobId: str) -> dict[str, Any]:
        assert (projectId, location, jobId) == ("p", "europe-west1", "j1")
        return {"id": jobId, "currentState": left.pop(0)}

    calls = {
        f"{DATAFLOW}.flexTemplates.launch": launch,
        f"{DATAFLOW}.jobs.get": get,
        "sys.sleep": lambda seconds: waits.append(seconds),
    }
    returned = run_workflow(TEXT, argument, SETTINGS, calls, now="2026-01-02T04:10:00.123Z")
    (launched,) = launches
    return returned, launched, waits


def test_a_day_is_launched_and_followed_to_its_end() -> None:
    returned, launched, waits = follow({}, "JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_DONE")
    assert returned == launched["parameters"]["as_of"] == "2026-01-02" and waits == [60, 60, 60]
    assert launched["jobName"] == "homeshelf-2026-01-02"


def test_the_service_takes_what_is_launched() -> None:
    _, launched, _ = follow({"as_of": "2025-12-25T06:00:00"}, "JOB_STATE_DONE")
    assert launched["jobName"] == "homeshelf-2025-12-25" and launched["parameters"]["as_of"] == "2025-12-25T06:00:00"
    body = LaunchFlexTemplateParameter.from_json(json.dumps(launched))
    assert body.environment.service_account_email == "homeshelf-worker@p.iam.gserviceaccount.com"
    required = {one["name"] for one in template_metadata()["parameters"] if not one["isOptional"]}
    assert required <= set(body.parameters) <= {one.name for one in fields(RunOptions)}
    with pytest.raises(Exception, match="tempLocatoin"):
        LaunchFlexTemplateParameter.from_json(json.dumps(launched).replace("tempLocation", "tempLocatoin"))


@pytest.mark.parametrize("state", ["JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_DRAINED"])
def test_a_day_that_fails_fails_the_workflow(state: str) -> None:
    with pytest.raises(Raised, match=f"2026-01-02 ended as {state}, job j1"):
        follow({}, "JOB_STATE_RUNNING", state)
