"""Runs that read impressions."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.built_once import built_once
from tests.pipelines.conftest import ENDS_AT
from tests.runs import DCN, FAST, Published, reuse, run_on
from transforms.events.match_impressions import IMPRESSION_NAMES


def features_of(world: Path, output: Path, *flags: str) -> pl.DataFrame:
    tables = [f"--{flag}={world}/{name}" for flag, name in (("events", "events"), ("tracks", "tracks"))]
    assert main(["run", *tables, f"--output={output}", *FAST, "--mode=features", "--run_id=r", *flags]) == 0
    return pl.read_parquet(output / "ds=2025-12-31" / "run=r" / "features")


def shown_flags(world: Path, published: Published) -> list[str]:
    return [f"--impressions={world}/impressions", *reuse(published, ranker=False)]


@pytest.fixture(scope="module")
def learned(world: Path, published: Published) -> Published:
    """A run that learns from impressions."""
    flags = shown_flags(world, published)
    return Published(built_once("impressions", lambda folder: run_on(world, folder, *DCN, *flags)))


def test_examples_have_their_impressions_in_any_number_of_buckets(
    world: Path, published: Published, learned: Published, tmp_path: Path
) -> None:
    users = f"--users_table={world}/users"
    few = features_of(world, tmp_path, users, *shown_flags(world, published), "--num_buckets=1")
    assert few.equals(learned.table("features"))
    log = pl.read_parquet(world / "impressions").filter(
        pl.col("shown_at").is_between(ENDS_AT - timedelta(days=14), ENDS_AT - timedelta(days=7), closed="left")
    )
    first = log.sort("shown_at", "position").unique(["user_id", "track_id"], keep="first")
    joined = few.with_columns(pl.col("user_id", "track_id").cast(pl.String)).join(
        first.select("user_id", "track_id", said="position", probability="propensity"),
        on=["user_id", "track_id"],
        how="left",
    )
    seen = joined.filter(pl.col("position") >= 0)
    assert len(seen) > 100 and seen["position"].equals(seen["said"].rename("position"))
    assert (seen["propensity"] - seen["probability"]).abs().max() < 1e-6 and (seen["surface"] == 1).all()
    # impressions that do not count are of tracks played earlier in the window
    others = joined.filter((pl.col("position") < 0) & pl.col("said").is_not_null())
    assert (joined["position"].null_count(), 0 < len(others) < len(seen)) == (0, True)


def test_impressions_of_erased_users_are_not_read(world: Path, published: Published, tmp_path: Path) -> None:
    everyone = pl.read_parquet(world / "impressions")["user_id"].unique().sort()
    kept = everyone[0]
    pl.DataFrame({"user_id": everyone[1:]}).write_parquet(tmp_path / "erase.parquet")
    flags = [f"--impressions={world}/impressions", f"--erased_users={tmp_path}/erase.parquet"]
    found = features_of(world, tmp_path / "out", *flags, *reuse(published, ranker=False))
    assert set(found.filter(pl.col("position") >= 0)["user_id"].cast(pl.String)) <= {kept}


def test_a_ranker_learns_from_impressions_and_pages_follow(published: Published, learned: Published) -> None:
    run = learned
    assert run.manifest["training"]["epochs"] != published.manifest["training"]["epochs"]
    assert (
        published.table("features").select(IMPRESSION_NAMES).null_count().row(0)
        == (len(published.table("features")),) * 4
    )
    assert len(run.table("pages")) == len(published.table("pages"))
    assert not list(run.folder.glob("checkpoints/*")), "a training that is over keeps nothing"


def test_a_column_of_impressions_that_does_not_fit_is_one_line(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"user_id": ["a"], "track_id": ["b"]}).write_parquet(tmp_path / "shown.parquet")
    tables = [f"--events={world}/events", f"--output={tmp_path}/out", f"--impressions={tmp_path}/shown.parquet"]
    assert main(["run", *tables]) == 2
    assert "no column 'shown_at'" in capsys.readouterr().err
