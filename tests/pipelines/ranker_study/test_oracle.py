"""Shares of the oracle's probability against plain sums."""

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.ranker_study.boosting import NDCG_K
from pipelines.ranker_study.oracle import ORACLE, oracle_shares
from pipelines.sample_world.oracle_lists import ORACLE_LISTS
from tests.runs import Published


def test_oracle_lists_of_another_cutoff_are_refused(published: Published, tmp_path: Path) -> None:
    at = datetime(2025, 12, 1, tzinfo=timezone.utc)
    lists = ORACLE_LISTS.frame([{"user_id": "u", "track_id": "t", "rank": 0, "score": 0.5, "cutoff_at": at}])
    lists.write_parquet(tmp_path / "oracle.parquet")
    with pytest.raises(UsageError, match=r"no list is of 2025-12-25 00:00"):
        oracle_shares(PublishedRun(str(published.folder)), str(tmp_path / "oracle.parquet"), np.zeros(1, bool), {})


def test_shares_are_the_probability_on_the_first_ranks_over_the_most_possible(
    published: Published, tmp_path: Path
) -> None:
    """The oracle knows every candidate: its own order has a share of 1, and the reverse order has not."""
    holdout = published.table("holdout").with_columns(pl.col("user_id", "track_id").cast(pl.String))
    probability = np.random.default_rng(1).random(len(holdout))
    lists = holdout.select("user_id", "track_id", "cutoff_at", score=pl.Series(probability), rank=pl.lit(0, pl.Int32))
    unseen = lists.with_columns(track_id="other " + pl.col("track_id"), score=pl.lit(2.0))
    pl.concat([lists, unseen]).write_parquet(tmp_path / "oracle.parquet")
    everyone, scores = np.ones(len(holdout), bool), {"best": probability, "worst": -probability}
    found = oracle_shares(PublishedRun(str(published.folder)), str(tmp_path / "oracle.parquet"), everyone, scores)
    assert found["best"] == pytest.approx(found[ORACLE]) and found["best"][0] == pytest.approx(1)
    by_user = lists.group_by("user_id").agg(
        best=pl.col("score").top_k(NDCG_K).sum(),
        worst=pl.col("score").bottom_k(NDCG_K).sum(),
        all=2.0 * pl.len().clip(upper_bound=NDCG_K),
    )
    assert found["worst"][0] == pytest.approx(by_user["worst"].sum() / by_user["best"].sum())
    assert found["best"][1] == pytest.approx(by_user["best"].sum() / by_user["all"].sum())
