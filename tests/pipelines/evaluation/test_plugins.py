"""A metric and a baseline from one file each are measured, reported and documented like our own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
METRIC = """
import polars as pl
from transforms.evaluation.metrics.metric import Metric

METRICS = (
    Metric(
        "odd_share",
        "list",
        (pl.col("track") % 2).mean(),
        "share of the first 10 tracks with an odd code",
        heading="odd",
        group="list",
        tables=("beyond accuracy",),
        higher_is_better=None,
    ),
)
"""
BASELINE = """
import numpy as np
from models.baselines.interactions import Baseline

BASELINES = (
    Baseline(
        "by_code", "all tracks in the order of their codes", "", ({},),
        lambda plays, *_: np.tile(-np.arange(plays.num_tracks, dtype=np.float32), (plays.num_users, 1)),
    ),
)
"""
SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path

from pipelines.docs.entry_sections import entry_tables
from pipelines.evaluation.baselines import choose_baselines
from pipelines.evaluation.estimates import Estimates
from pipelines.evaluation.report import describe_metrics, report_values
from pipelines.evaluation.report_tables import tables_of
from tests.pipelines.evaluation.reports import sample_report
from tests.transforms.evaluation.random_lists import SOURCES, catalog, random_evaluation_rows
from tests.worlds import AS_OF
from transforms.evaluation.measure_lists import measure_lists
from transforms.evaluation.metrics.system import System

sums = measure_lists(
    random_evaluation_rows(1), catalog=catalog(Path(sys.argv[1])), cutoff_at=AS_OF, sources=SOURCES,
    num_replicates=4, seed=1,
)
values = list(report_values(Estimates(sums, 0.95), [System("page", "ours")], ""))
report = replace(sample_report(), values=values, metrics=describe_metrics())
docs = entry_tables()
print(json.dumps({
    "value": [one.value for one in values if one.metric == "odd_share"],
    "heads": [head for table in tables_of(report) for _, head in table.heads],
    "docs": [docs["metrics"].count("odd_share"), docs["baselines"].count("by_code")],
    "baselines": [one.name for one in choose_baselines("by_code")],
}))
"""


def test_a_toy_metric_and_a_toy_baseline_need_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "toy_metric.py").write_text(METRIC)
    (tmp_path / "toy_baseline.py").write_text(BASELINE)
    environment = os.environ | {
        "HOMESHELF_PLUGINS": "toy_metric,toy_baseline",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "catalog")]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["value"]) == 1 and 0 < found["value"][0] < 1
    assert "odd" in found["heads"] and found["docs"] == [1, 1] and found["baselines"] == ["by_code"]
