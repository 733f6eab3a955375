"""Airflow: homeshelf run, once a day. Two DAGs, both paused until one is switched on.

docs/how-to/operate/schedule.md says what they need.

home_shelves_local      on the worker of Airflow, in homeshelf's own environment (HOMESHELF_PYTHON)
home_shelves_dataflow   on Dataflow, from the Flex Template that templates/launch.sh builds

Settings are fields of the Airflow Variable `homeshelf` (JSON).
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.apache.beam.operators.beam import BeamRunPythonPipelineOperator
from airflow.providers.google.cloud.operators.dataflow import DataflowStartFlexTemplateOperator
from airflow.sdk import DAG

# At 04:10 what was played before midnight has arrived.
DAILY = {
    "schedule": "10 4 * * *",
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "catchup": True,
    # a day is compared with the day before it, keeps its weekly shelves, and may continue its embeddings
    "max_active_runs": 1,
    "default_args": {"retries": 2, "retry_delay": timedelta(minutes=10), "depends_on_past": False},
    "doc_md": __doc__,
    "tags": ["homeshelf"],
}

# The flags of homeshelf run; add what it needs, such as tracks_columns or ranker. The moment is that of the schedule,
# not of the clock: a retry, a late run and a backfill make the pages of their own day.
FLAGS = {
    **{name: f"{{{{ var.json.homeshelf.{name} }}}}" for name in ("events", "tracks", "output")},
    "as_of": "{{ data_interval_end | ds }}",
    # weekly shelves keep their tracks within a week
    "carry_over_from": "{{ var.json.homeshelf.output }}",
}

with DAG("home_shelves_local", **DAILY) as local:
    BeamRunPythonPipelineOperator(
        task_id="run",
        py_interpreter=os.environ.get("HOMESHELF_PYTHON", "/srv/homeshelf/.venv/bin/python"),
        py_options=["-m"],
        py_file="pipelines.home_shelves",
        runner="FnApiRunner",
        pipeline_options=FLAGS,
        execution_timeout=timedelta(hours=6),
    )

with DAG("home_shelves_dataflow", **DAILY) as dataflow:
    DataflowStartFlexTemplateOperator(
        task_id="run",
        project_id="{{ var.json.homeshelf.project }}",
        location="{{ var.json.homeshelf.region }}",
        body={
            "launchParameter": {
                "jobName": "homeshelf-{{ data_interval_end | ds_nodash }}",
                "containerSpecGcsPath": "{{ var.json.homeshelf.template }}",
                "parameters": FLAGS,
                "environment": {
                    "serviceAccountEmail": "{{ var.json.homeshelf.service_account }}",
                    "subnetwork": "{{ var.json.homeshelf.subnetwork }}",
                    "ipConfiguration": "WORKER_IP_PRIVATE",
                    "tempLocation": "{{ var.json.homeshelf.bucket }}/temp",
                    "stagingLocation": "{{ var.json.homeshelf.bucket }}/staging",
                    "machineType": "n2-highmem-4",
                    "maxWorkers": 10,
                    "additionalExperiments": ["use_runner_v2"],
                },
            }
        },
        execution_timeout=timedelta(hours=6),
    )
