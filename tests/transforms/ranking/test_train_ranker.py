"""Training around models that only record their examples."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from models.ranker.entry import TrainingData
from tests.stages import element_of, run_graph
from tests.transforms.ranking.training_examples import examples_file, save_any_ranker
from tests.worlds import catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.blending import PRIOR_BLEND, open_blend
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import REWARDS
from transforms.ranking.ranker_files import (
    check_ranker,
    learn_vocabulary,
    open_vocabulary,
    read_training_report,
)
from transforms.ranking.train_ranker import RankerPlan, TrainRanker, train_ranker


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path)), catalog


def test_training_streams_whole_users_and_writes_the_report(world: tuple[pl.DataFrame, Any], tmp_path: Path) -> None:
    candidates, catalog = world
    names = candidates["user_id"].cast(pl.String)
    parts = [candidates.filter(names < "ü015"), candidates.filter(names >= "ü015")]
    files = [examples_file(tmp_path / f"{n}.parquet", part, n) for n, part in enumerate(parts)]
    seen: dict[str, Any] = {}

    def train(given: TrainingData, path: str) -> dict[str, Any]:
        given.checkpoints.save({"a": np.zeros(1)})
        seen["spec"] = given.spec
        seen["training"], seen["again"] = list(given.training()), list(given.training())
        seen["holdout"] = list(given.validation())
        save_any_ranker(given.spec, Path(path))
        given.on_epoch({"epoch": 0, "loss": 0.5})
        return {"holdout": {"ranker": {"auc": 0.5}}}

    out = tmp_path / "ranker"
    out.mkdir()
    plan = RankerPlan("recorder", train, min_plays=5, checkpoints=str(tmp_path / "checkpoints"))
    train_ranker(out, files=files[::-1], holdout_files=files[1:], catalog=catalog, blend=PRIOR_BLEND, plan=plan)
    assert [len(chunk) for chunk in seen["training"]] == [len(part) for part in parts]
    groups = [set(chunk.group.tolist()) for chunk in seen["training"]]
    assert [len(group) for group in groups] == [part["user_id"].n_unique() for part in parts]
    assert not groups[0] & groups[1], "a group is one user, over all files"
    assert all(
        (one.features["dense"] == two.features["dense"]).all()
        for one, two in zip(seen["training"], seen["again"], strict=True)
    )
    assert seen["spec"].heads == ("listened", "saved")
    expected = [[1.0, float(code % 2 == 0)] for code in parts[1]["track"]]
    assert [chunk.label.tolist() for chunk in seen["holdout"]] == [expected]
    report = read_training_report(out)
    assert report["holdout"] == {"ranker": {"auc": 0.5}}
    assert set(report["disabled_rewards"]) == {reward.name for reward in REWARDS} - {"listened", "saved"}
    assert report["disabled_rewards"]["skipped"] == f"0 of {len(candidates):,} examples have it"
    assert "settled 28 days after" in report["disabled_rewards"]["retained_28d"]
    check_ranker(str(out), is_trusted=False)
    assert not (tmp_path / "checkpoints").exists(), "a finished training leaves no checkpoint"


def test_the_stage_trains_on_all_files_and_yields_the_rankers_path(
    world: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    candidates, catalog = world
    files = [examples_file(tmp_path / f"{n}.parquet", part, n) for n, part in enumerate((candidates, candidates[:40]))]
    PRIOR_BLEND.save(tmp_path)

    def train(given: TrainingData, path: str) -> dict[str, Any]:
        save_any_ranker(given.spec, Path(path))
        streams = {"training": given.training, "holdout": given.validation}
        return {name: sum(len(chunk) for chunk in stream()) for name, stream in streams.items()}

    def build(root: beam.Pipeline) -> beam.PCollection:
        stage = TrainRanker(
            catalog_path=element_of(root, "catalog", str(tmp_path / "catalog")),
            blend_path=element_of(root, "blend", str(tmp_path)),
            holdout=root | "holdout" >> beam.Create(files[1:]),
            folder=str(tmp_path / "rankers"),
            plan=RankerPlan("counter", train, min_plays=5, checkpoints=str(tmp_path / "checkpoints")),
        )
        return root | "files" >> beam.Create(files) | stage

    (path,) = run_graph(build)
    assert Path(path).parent == tmp_path / "rankers"
    report = read_training_report(Path(path))
    assert (report["training"], report["holdout"]) == (len(candidates) + 40, 40)
    assert open_blend(path) == PRIOR_BLEND
    assert open_vocabulary(path).track_ids.equals(learn_vocabulary(catalog, min_plays=5).track_ids)
