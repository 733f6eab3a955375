"""Training of the chances of skips: an artifact that does not depend on buckets, and what it predicts."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.skips.boosting import open_trees
from models.skips.training import fit_skips
from tests.stages import run_graph, tables_of
from transforms.now_playing.skips.skip_examples import SKIP_EXAMPLES
from transforms.now_playing.skips.skip_features import SKIP_FEATURES, feature_matrix
from transforms.now_playing.skips.skip_model import read_skip_model
from transforms.now_playing.skips.train_skips import TrainSkips, train_skips
from transforms.tables.columns import to_table


def fit(features, skipped, completed, user):  # type: ignore[no-untyped-def]
    return fit_skips(features, skipped, completed, user, seed=1)


def examples(num_rows: int) -> pl.DataFrame:
    """Draw examples whose skips rise with the step and fall with the plays of the track."""
    rng = np.random.default_rng(5)
    values = {name: rng.standard_normal(num_rows) for name in SKIP_FEATURES}
    values["step"] = np.where(rng.random(num_rows) < 0.1, np.nan, rng.random(num_rows) * 2)
    log_odds = 1.5 * np.nan_to_num(values["step"], nan=1.0) - values["plays_of_track"] - 1.5
    skip = rng.logistic(size=num_rows) < log_odds
    rows = {
        "user_key": rng.integers(0, 60, num_rows) * 7919,
        "number": np.arange(num_rows),
        "is_skip": skip.astype(np.float32),
        "is_complete": np.where(rng.random(num_rows) < 0.2, np.nan, ~skip),
    }
    return SKIP_EXAMPLES.conform(pl.DataFrame({**rows, **values}).fill_nan(None))


def test_the_stage_writes_a_model_that_predicts_skips_and_does_not_depend_on_buckets(tmp_path: Path) -> None:
    rows = examples(3000)
    parts = [rows.filter(pl.col("user_key") % 3 == number) for number in (2, 0, 1)]

    def graph(root):  # type: ignore[no-untyped-def]
        return tables_of(root, "examples", SKIP_EXAMPLES, parts) | TrainSkips(str(tmp_path / "stage"), fit)

    (path,) = run_graph(graph)
    model = read_skip_model(path)
    (tmp_path / "whole").mkdir()
    train_skips(tmp_path / "whole", examples=[(0, to_table(rows, SKIP_EXAMPLES))], fit=fit)
    whole = (tmp_path / "whole" / "skips.json").read_bytes()
    assert (Path(path) / "skips.json").read_bytes() == whole
    assert model.report["skipped_auc"] > 0.7 and model.report["order_auc"] > 0.75
    assert model.report["skipped_calibration_error"] < 0.1
    weights = dict(zip(SKIP_FEATURES, model.order.weights, strict=True))
    assert 1.2 < weights["step"] < 1.8 and -1.2 < weights["plays_of_track"] < -0.8
    features = feature_matrix({name: np.zeros(2) for name in SKIP_FEATURES} | {"step": np.array([0.0, 2.0])})
    chances = model.chances(features, open_trees)
    assert chances["skipped"][1] > chances["skipped"][0] + 0.2
    assert chances["completed"][1] < chances["completed"][0] - 0.2
    assert model.order.log_odds(features)[1] > model.order.log_odds(features)[0] + 2


@pytest.mark.parametrize("skipped", [0.0, 1.0])
def test_a_log_of_one_outcome_gives_its_rate_and_no_auc(tmp_path: Path, skipped: float) -> None:
    rows = examples(2000).with_columns(is_skip=pl.lit(skipped, pl.Float32), is_complete=pl.lit(1 - skipped, pl.Float32))
    train_skips(tmp_path, examples=[(0, to_table(rows, SKIP_EXAMPLES))], fit=fit)
    model = read_skip_model(str(tmp_path))
    chances = model.chances(np.zeros((3, len(SKIP_FEATURES))), open_trees)
    assert chances["skipped"].tolist() == [skipped] * 3 and chances["completed"].tolist() == [1 - skipped] * 3
    assert "order_auc" not in model.report and model.report["order_rate"] == skipped
    assert np.isfinite(model.order.log_odds(np.zeros((3, len(SKIP_FEATURES))))).all()


def test_few_examples_give_the_usual_rate(tmp_path: Path) -> None:
    for name, rows in (("few", examples(100)), ("none", examples(100).clear())):
        (tmp_path / name).mkdir()
        train_skips(tmp_path / name, examples=[(0, to_table(rows, SKIP_EXAMPLES))], fit=fit)
        model = read_skip_model(str(tmp_path / name))
        assert model.trees == {"skipped": "", "completed": ""}
        found = model.chances(np.zeros((3, len(SKIP_FEATURES))), open_trees)
        assert found["skipped"].tolist() == [model.rates["skipped"]] * 3
