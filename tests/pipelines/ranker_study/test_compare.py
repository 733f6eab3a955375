"""The command homeshelf benchmark on a published run."""

import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from pipelines.ranker_study import boosting
from pipelines.ranker_study.boosting import ExampleArrays
from pipelines.ranker_study.compare import has_both_outcomes
from tests.runs import Published


def test_the_benchmark_compares_orderings_on_the_same_held_out_users(
    world: Path,
    published: Published,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boosting, "NUM_LEAVES", (7,))
    monkeypatch.setattr(boosting, "MAX_TREES", 10)
    holdout = published.table("holdout")
    lists = holdout.select(
        "user_id", "track_id", "cutoff_at", score=pl.col("label_listened").cast(pl.Float64), rank=pl.lit(0)
    )
    lists.cast({"user_id": pl.String, "track_id": pl.String, "rank": pl.Int32}).write_parquet(
        tmp_path / "oracle.parquet"
    )
    flags = [f"--run={published.folder}", "--num_threads=1", f"--oracle={tmp_path}/oracle.parquet"]
    assert main(["benchmark", *flags]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{-(-holdout['user_id'].n_unique() // 2):,} users" in out
    for name in (
        "ranker",
        "blend",
        "best source, repeats",
        "popularity",
        "LambdaRank",
        "the oracle 1.000 1.000",
    ):
        assert f"{name} " in f"{out} "
    training = published.manifest["training"]
    # the same rows as those on which the run evaluated the ranker, and its calibration
    assert f"{training['heads']['listened']['auc']:.4f}" in out
    for name, figures in (*training["heads"].items(), *training["segments"].items()):
        error = figures["calibration_error"]
        rows = f"{name} {figures['examples']:,}"
        assert f"{rows} {error:.4f}" in out if error is not None else rows in out
    assert "scoring: the ranker" in out and "rows/s" in out


def test_examples_of_another_version_are_refused(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / published.folder.parent.name / published.folder.name
    run.mkdir(parents=True)
    schemas = {**published.manifest["schemas"], "features": "0123456789ab"}
    (run / "manifest.json").write_text(json.dumps({**published.manifest, "schemas": schemas}))
    assert main(["benchmark", f"--run={run}"]) == 2
    assert "its examples have the columns of another homeshelf" in capsys.readouterr().err


def test_the_options_of_a_run_are_read_back_from_its_manifest(published: Published) -> None:
    options = PublishedRun(str(published.folder)).options
    assert (options.hidden_units, options.training_windows) == ((16,), (2,))
    assert (options.batch_size, options.num_buckets) == (512, 2)
    assert options.as_of == datetime(2026, 1, 1, tzinfo=timezone.utc) and options.rules == ""


def test_a_reward_with_one_outcome_or_none_settled_is_not_learnable() -> None:
    labels = np.array([[0, np.nan, 0], [1, np.nan, 0], [1, np.nan, 0]], dtype=np.float32)
    heads = ("listened", "retained_28d", "skipped")
    rows = ExampleArrays(heads, np.zeros((3, 1), np.float32), labels, np.zeros(3), np.zeros(3, np.int32))
    assert [has_both_outcomes(rows, head) for head in range(3)] == [True, False, False]
