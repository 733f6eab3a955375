"""One run with every example as a plugin: what it published, its check, and the command that reads it."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.logistic import sigmoid
from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.built_once import built_once
from tests.examples.running import EXAMPLES, MODULES, Done, files, homeshelf
from tests.runs import TOWERS, Published, cards
from tests.untrained import untrained_towers

RULES = "rules:\n  - name: no wolves\n    exclude_titles: {containing: [wolf]}\n"
# a command is found only where the variable names its module
ENTRIES = tuple(name for name in MODULES if name != "shelf_shares_command")
AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)


def run_and_check(folder: Path) -> None:
    """Run with the examples as files, in a folder that Python does not look into, and check the run."""
    write_sample_world(folder, WorldSpec(num_users=80, num_tracks=800, num_days=30, seed=5, ends_at=AS_OF))
    (folder / "rules.yaml").write_text(RULES)
    tables = [f"--events={folder / 'events'}", f"--tracks={folder / 'tracks'}", f"--users_table={folder / 'users'}"]
    chosen = ["--ranker_model=logistic", f"--rules={folder}/rules.yaml", "--as_of=2026-01-01", "--num_buckets=1"]
    named = ["--run_id=one", f"--output={folder}/out", files(*ENTRIES)]
    (folder / "towers").mkdir()
    check = ["check", f"--run={folder}/out/ds=2025-12-31/run=one", files(*ENTRIES)]
    ran, checked = homeshelf(
        ["run", *tables, *TOWERS, *untrained_towers(folder / "towers"), *chosen, *named], check, modules=()
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    (folder / "checked.json").write_text(json.dumps(checked))


@pytest.fixture(scope="module")
def folder() -> Path:
    return built_once("examples", run_and_check)


@pytest.fixture(scope="module")
def run(folder: Path) -> Published:
    return Published(folder / "out")


@pytest.fixture(scope="module")
def shown(run: Published, folder: Path) -> pl.DataFrame:
    """Return the cards with title and release date of their tracks."""
    tracks = pl.read_parquet(folder / "tracks").select("track_id", "title", "release_date")
    return cards(run.table("pages")).join(tracks, on="track_id")


def test_the_source_proposes_up_to_its_quota_and_other_candidates_have_its_missing_score(run: Published) -> None:
    candidates = run.table("candidate_features")
    proposed = candidates.filter(pl.col("score_rising") >= 0)
    assert 0 < proposed.group_by("user_id").len()["len"].max() <= 50  # type: ignore[operator]
    assert proposed["rank_score_rising"].min() > 0 and proposed["plays_of_track"].max() == 0  # type: ignore[operator]
    others = candidates.filter(pl.col("score_rising") < 0)
    assert set(others["score_rising"]) == {-1.0} and set(others["rank_score_rising"]) == {0.0}


def test_the_feature_is_a_column_of_candidates_and_examples(run: Published) -> None:
    for table in ("candidate_features", "features", "holdout"):
        shares = run.table(table)["share_of_decade"]
        assert shares.is_between(0, 1).all() and shares.n_unique() > 20


def test_the_reward_is_settled_in_examples_two_windows_old_and_not_in_those_one_window_old(run: Published) -> None:
    features = run.table("features")
    saved, listened = features["label_saved_after_listen"], features["label_listened"]
    assert 0 < saved.sum() < listened.sum() and (saved <= listened).all()
    holdout = run.table("holdout")
    assert holdout["label_saved_after_listen"].null_count() == len(holdout) > 0
    assert run.table("candidates")["p_saved_after_listen"].null_count() == 0


def test_probabilities_are_those_of_the_ranker_that_was_asked_for(run: Published) -> None:
    (model,) = run.folder.glob("models/*/model.json")
    assert json.loads(model.read_text()) == {"model": "logistic"}
    spec = json.loads((model.parent / "spec.json").read_text())
    weights = np.load(model.parent / "weights.npz")
    scored = run.table("candidates").select("user_id", "track_id", "^p_.*$")
    candidates = scored.join(run.table("candidate_features"), on=["user_id", "track_id"])
    dense = candidates.select(spec["dense"]).to_numpy().astype(float)
    inputs = (np.copysign(np.log1p(np.abs(dense)), dense) - weights["mean"]) / weights["deviation"]
    for head, name in enumerate(spec["heads"]):
        expected = sigmoid(inputs @ weights["weights"][head] + weights["intercepts"][head])
        np.testing.assert_allclose(candidates[f"p_{name}"].to_numpy(), expected, rtol=0.0051, atol=1e-12)


def test_the_shelf_stands_on_pages_and_holds_nothing_but_old_tracks(shown: pl.DataFrame) -> None:
    throwbacks = shown.filter(pl.col("shelf_id") == "throwbacks")
    assert len(throwbacks) > 50 and throwbacks["user_id"].n_unique() > 10
    assert throwbacks["release_date"].max() <= date(2011, 1, 2)  # type: ignore[operator]


def test_the_rule_keeps_titles_off_all_pages_and_is_in_the_manifest(run: Published, shown: pl.DataFrame) -> None:
    assert len(shown) > 1000 and not shown["title"].str.to_lowercase().str.contains("wolf").any()
    assert "exclude_titles" in run.manifest["rules"]


def test_the_manifest_has_the_hash_of_every_plugin(run: Published) -> None:
    sources = {name: (EXAMPLES / f"{name}.py").read_bytes() for name in ENTRIES}
    assert run.manifest["plugins"] == {name: hashlib.sha256(source).hexdigest() for name, source in sources.items()}


def without(*modules: str) -> Sequence[str]:
    return [name for name in MODULES if name not in modules]


def test_the_check_finds_no_violation_and_no_shelf_true_without_its_claim_and_a_command_prints_shares(
    run: Published, shown: pl.DataFrame, folder: Path
) -> None:
    checked = Done(*json.loads((folder / "checked.json").read_text()))
    assert checked.returncode == 0 and "0 violations" in checked.stdout and "no wolves" in checked.stdout
    assert "made with --plugins" not in checked.stderr
    commands = [["check"], ["shelf-shares"], ["shelf-shares", "--min_share=0.99"]]
    unclaimed, printed, rarer = homeshelf(
        *([*command, f"--run={run.folder}"] for command in commands),
        modules=without("throwbacks_claim", "rising_claim"),
    )
    assert unclaimed.returncode == 1 and "throwbacks" in unclaimed.stdout
    assert "made with --plugins (rising_claim, throwbacks_claim)" in unclaimed.stderr
    pages = shown["user_id"].n_unique()
    share = shown.filter(pl.col("shelf_id") == "throwbacks")["user_id"].n_unique() / pages
    assert printed.returncode == 0 and f"{share:6.1%}  throwbacks\n" in printed.stdout
    assert rarer.returncode == 3
