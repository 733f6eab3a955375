import json
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from models.metrics import auc
from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.ranker_study import boosting, compare
from pipelines.ranker_study.boosting import (
    NDCG_K,
    ExampleArrays,
    fit_best_size,
    fit_boosting,
    mean_interval,
    ratio_interval,
)
from pipelines.ranker_study.oracle import oracle_shares
from pipelines.sample_world.oracle_lists import ORACLE_LISTS
from tests.runs import Published


def test_it_prints_both_on_the_same_later_users(
    world: Path,
    published: Published,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boosting, "LEAVES", (7,))
    monkeypatch.setattr(boosting, "MOST_TREES", 10)
    held = published.table("holdout")
    known = held.select(
        "user_id", "track_id", "cutoff_at", score=pl.col("label_listened").cast(pl.Float64), rank=pl.lit(0)
    )
    known.cast({"user_id": pl.String, "track_id": pl.String, "rank": pl.Int32}).write_parquet(tmp_path / "best.parquet")
    flags = [f"--run={published.folder}", "--num_threads=1", f"--oracle={tmp_path}/best.parquet"]
    assert main(["benchmark", *flags]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{-(-held['user_id'].n_unique() // 2):,} users" in out
    for name in (
        "ranker",
        "blend",
        "best source, repeats",
        "popularity",
        "LambdaRank",
        "the planted truth 1.000 1.000",
    ):
        assert f"{name} " in f"{out} "
    training = published.manifest["training"]
    # the same rows as the trial of the ranker judged, and its calibration
    assert f"{training['heads']['listened']['auc']:.4f}" in out
    for name, figures in (*training["heads"].items(), *training["segments"].items()):
        told = figures["calibration_error"]
        rows = f"{name} {figures['examples']:,}"
        assert f"{rows} {told:.4f}" in out if told is not None else rows in out
    assert "scoring: the ranker" in out and "rows/s" in out


def test_a_reward_that_is_not_settled_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array([[0, np.nan, 0], [1, np.nan, 0], [1, np.nan, 0]], dtype=np.float32)
    rows = ExampleArrays(np.zeros((3, 1), np.float32), labels, np.zeros(3), np.zeros(3, np.int32))
    assert [compare.has_both_outcomes(rows, head) for head in range(3)] == [True, False, False]
    score = np.array([0.1, 0.9, 0.2])
    heads = ("listened", "retained_28d", "skipped")
    Console().print(
        compare.reward_auc_table(heads, score[:, None].repeat(3, axis=1), rows, {0: compare.Ordering(-score, 7.0)})
    )
    out = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "listened 1.0000 0.0000 +1.0000" in out
    assert [line for line in out if line.startswith("retained_28d")] == ["retained_28d not settled, or always the same"]


def test_examples_of_another_version_are_refused(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / published.folder.parent.name / published.folder.name
    run.mkdir(parents=True)
    schemas = {**published.manifest["schemas"], "features": "0123456789ab"}
    (run / "manifest.json").write_text(json.dumps({**published.manifest, "schemas": schemas}))
    assert main(["benchmark", f"--run={run}"]) == 2
    assert "its examples have the columns of another homeshelf" in capsys.readouterr().err


def test_best_lists_of_another_moment_are_refused(published: Published, tmp_path: Path) -> None:
    at = datetime(2025, 12, 1, tzinfo=timezone.utc)
    lists = ORACLE_LISTS.frame([{"user_id": "u", "track_id": "t", "rank": 0, "score": 0.5, "cutoff_at": at}])
    lists.write_parquet(tmp_path / "best.parquet")
    with pytest.raises(UsageError, match=r"no list is of 2025-12-25 00:00"):
        oracle_shares(PublishedRun(str(published.folder)), str(tmp_path / "best.parquet"), np.zeros(1, bool), {})


def test_the_reach_is_what_stands_in_the_first_places(published: Published, tmp_path: Path) -> None:
    """One user of whom all is known: the best list's order is 1, and one that begins with its worst tracks is not."""
    held = published.table("holdout").with_columns(pl.col("user_id", "track_id").cast(pl.String))
    chance = np.random.default_rng(1).random(len(held))
    lists = held.select("user_id", "track_id", "cutoff_at", score=pl.Series(chance), rank=pl.lit(0, pl.Int32))
    unseen = lists.with_columns(track_id="other " + pl.col("track_id"), score=pl.lit(2.0))
    pl.concat([lists, unseen]).write_parquet(tmp_path / "best.parquet")
    everyone, orders = np.ones(len(held), bool), {"best": chance, "worst": -chance}
    found = oracle_shares(PublishedRun(str(published.folder)), str(tmp_path / "best.parquet"), everyone, orders)
    assert found["best"] == pytest.approx(found["the planted truth"]) and found["best"][0] == pytest.approx(1)
    by_user = lists.group_by("user_id").agg(
        best=pl.col("score").top_k(NDCG_K).sum(),
        worst=pl.col("score").bottom_k(NDCG_K).sum(),
        all=2.0 * pl.len().clip(upper_bound=NDCG_K),
    )
    assert found["worst"][0] == pytest.approx(by_user["worst"].sum() / by_user["best"].sum())
    assert found["best"][1] == pytest.approx(by_user["best"].sum() / by_user["all"].sum())


def test_the_flags_of_a_run_are_read_as_they_were_given(published: Published) -> None:
    options = PublishedRun(str(published.folder)).options
    assert (options.hidden_units, options.training_windows, options.batch_size, options.num_buckets) == (
        (16,),
        (2,),
        512,
        2,
    )
    assert options.as_of == datetime(2026, 1, 1, tzinfo=timezone.utc) and options.rules == ""


def test_a_ratio_has_the_interval_of_a_ratio() -> None:
    rng = np.random.default_rng(3)
    theirs = rng.gamma(2.0, 1.0, 3_000)
    ours = np.append(1.2 * theirs + rng.normal(0, 0.5, 3_000), [np.nan, 5.0])
    times, low, high = ratio_interval(ours, np.append(theirs, [1.0, np.nan]))
    assert times == pytest.approx(ours[:-2].mean() / theirs.mean()) and low < times < high
    # of the delta method
    spread = np.std(ours[:-2] - times * theirs) / theirs.mean() / np.sqrt(3_000)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_boosting_finds_what_no_line_tells() -> None:
    rng = np.random.default_rng(1)
    dense = rng.normal(size=(12_000, 3)).astype(np.float32)
    chance = np.where(dense[:, 0] * dense[:, 1] > 0, 0.5, 0.05)
    labels = (rng.random(12_000) < chance).astype(np.float32)[:, None]
    labels[rng.random(12_000) < 0.1] = np.nan
    rows = ExampleArrays(dense, labels, np.nan_to_num(labels[:, 0]), np.repeat(np.arange(400, dtype=np.int32), 30))
    parts = [rows.of(rows.group % 3 == rest) for rest in range(3)]
    assert all((part.sizes == 30).all() and len(part.sizes) in (133, 134) for part in parts)
    settled = np.isfinite(parts[2].labels[:, 0])
    for objective, head in (("binary", 0), ("lambdarank", None)):
        scores, seconds = fit_best_size(partial(fit_boosting, *parts, 1, objective, head))
        assert auc(parts[2].labels[settled, 0], scores[settled]) > 0.7 and seconds > 0


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(2).normal(0.3, 1.0, 4_000)
    mean, low, high = mean_interval(np.append(values, np.nan))
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(4_000), rel=0.1) and low < mean < high
