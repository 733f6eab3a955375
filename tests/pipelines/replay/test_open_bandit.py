"""Two policies of the Open Bandit Dataset: each one's click rate is predicted from the log of the other one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main

DATA = Path(__file__).parents[4] / "shared/data/open_bandit"
CAMPAIGNS = ("men", "women")
POLICIES = ("random", "bts")


def read_log(policy: str, campaign: str) -> pl.DataFrame:
    """One row for each impression, with the share of the policy's impressions at its position that show the item."""
    path = DATA / f"{policy}_{campaign}.parquet"
    if not path.is_file():
        pytest.skip(f"no Open Bandit Dataset in {DATA}")
    rows = pl.read_parquet(path)
    return rows.with_columns(share=pl.len().over("item_id", "position") / pl.len().over("position"))


def as_impressions(logged: pl.DataFrame, target: pl.DataFrame, propensity: str) -> pl.DataFrame:
    """Each row as a page of one card: both policies choose without regard to the user, and once for each position."""
    shares = target.select("item_id", "position", target_propensity="share").unique()
    joined = logged.join(shares, on=["item_id", "position"], how="left", maintain_order="left")
    number = pl.int_range(pl.len()).cast(pl.String)
    return joined.select(
        user_id=number,
        request_id=number,
        track_id=pl.col("item_id").cast(pl.String),
        shown_at="timestamp",
        shelf_position=pl.lit(0),
        position=pl.lit(0),
        propensity=propensity,
        target_propensity=pl.col("target_propensity").fill_null(0.0),
        outcome=pl.col("click").cast(pl.Float64),
    )


def replay(impressions: pl.DataFrame, folder: Path) -> tuple[int, dict[str, Any]]:
    impressions.write_parquet(folder / "log.parquet")
    flags = [f"--impressions={folder / 'log.parquet'}", f"--output={folder / 'out'}", "--choices=items"]
    status = main(["replay", *flags, "--num_buckets=2"])
    return status, json.loads((folder / "out" / "replay.json").read_text())


@pytest.mark.parametrize("campaign", CAMPAIGNS)
@pytest.mark.parametrize("logging", POLICIES)
def test_the_click_rate_of_the_other_policy_lies_in_the_interval(logging: str, campaign: str, tmp_path: Path) -> None:
    (other,) = set(POLICIES) - {logging}
    logged, target = read_log(logging, campaign), read_log(other, campaign)
    if logging == "random":
        assert logged["propensity_score"].n_unique() == 1
    # Thompson sampling changes its propensities in the week: those of the whole week are of one policy
    propensity = "propensity_score" if logging == "random" else "share"
    status, report = replay(as_impressions(logged, target, propensity), tmp_path)
    assert (status, report["reasons"]) == (0, [])
    truth = target["click"].mean()
    least = 2 * 1.96 * np.sqrt(truth * (1 - truth) / len(target))  # type: ignore[operator]
    for estimate in report["estimates"]:
        assert estimate["low"] < truth < estimate["high"], estimate  # type: ignore[operator]
        # an estimator that is certain of rare clicks is wrong
        assert estimate["high"] - estimate["low"] > 0.8 * least


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_propensities_of_single_rows_make_weights_that_no_estimate_survives(campaign: str, tmp_path: Path) -> None:
    logged, target = read_log("bts", campaign), read_log("random", campaign)
    status, report = replay(as_impressions(logged, target, "propensity_score"), tmp_path)
    assert status == 3 and report["estimates"] == [] and report["clipped"] == []
    assert any("requests count" in reason for reason in report["reasons"])
