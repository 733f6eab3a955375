import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.metrics import auc, ndcg_at_k
from models.ranker.contract import Examples
from models.ranker.entries import BUILT_IN_RANKERS, DCN_V2, POPULARITY, open_ranker
from models.ranker.platt import expected_calibration_error
from models.ranker.training_run import Segment, train_and_evaluate
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, rows_of, training_data

SEGMENTS = (
    Segment("popular", "popularity", 20.0, np.inf),
    Segment("wavy", "wave", -1.0, 1.0),
    Segment("empty", "wave", 90.0, np.inf),
)


@pytest.fixture(scope="module")
def finished(
    training: Examples, holdout: Examples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str, list[dict[str, float]]]:
    """Report, folder and logged epochs of a training."""
    path, epochs = str(tmp_path_factory.mktemp("run")), []  # type: ignore[var-annotated]
    examples = in_chunks(rows_of(training, slice(20_000)), 7_000)
    given = training_data(examples, in_chunks(holdout, 6_000), on_epoch=epochs.append)
    return train_and_evaluate(DCN_V2, given, OPTIONS, SEGMENTS, path), path, epochs


def score(path: str, examples: Examples) -> np.ndarray:
    return open_ranker(path, BUILT_IN_RANKERS).score(examples.features)


def test_users_who_did_not_train_or_calibrate_evaluate(finished: tuple, holdout: Examples) -> None:
    report, path, epochs = finished
    held_out = rows_of(holdout, holdout.group % 2 == 1)
    probability, played = score(path, held_out)[:, 0], held_out.label[:, 0]
    figures = report["holdout"]["ranker"]
    assert (figures["examples"], figures["positives"]) == (len(held_out), int(played.sum()))
    assert figures["auc"] == pytest.approx(auc(played, probability))
    assert figures["ndcg_at_10"] == pytest.approx(ndcg_at_k(held_out.group, played, probability, 10))
    assert report["holdout"]["blend"]["auc"] == pytest.approx(auc(played, held_out.features["dense"][:, 3]))
    assert figures["auc"] > report["holdout"]["blend"]["auc"] + 0.1
    assert report["epochs"] == epochs and report["fallback"] == ""


def test_heads_are_evaluated_on_settled_labels_and_calibrated(finished: tuple, holdout: Examples) -> None:
    report, path, _ = finished
    held_out = rows_of(holdout, holdout.group % 2 == 1)
    probabilities = score(path, held_out)
    for head, name in enumerate(SPEC.heads):
        label = held_out.label[:, head]
        settled, found = np.isfinite(label), report["heads"][name]
        assert found["examples"] == settled.sum()
        assert found["auc"] == pytest.approx(auc(label[settled], probabilities[settled, head]))
        error = expected_calibration_error(label, probabilities[:, head])
        assert found["calibration_error"] == pytest.approx(error) and error < 0.03
        assert found["mean_probability"] == pytest.approx(found["share"], abs=0.02)
    assert not np.isfinite(held_out.label[:, 1]).all()


def test_segments_are_ranges_of_features(finished: tuple, holdout: Examples) -> None:
    report, path, _ = finished
    held_out = rows_of(holdout, holdout.group % 2 == 1)
    probability = score(path, held_out)[:, 0]
    for name, column, low, high in (("popular", 0, 20.0, np.inf), ("wavy", 1, -1.0, 1.0)):
        rows = (held_out.features["dense"][:, column] >= low) & (held_out.features["dense"][:, column] < high)
        error = expected_calibration_error(held_out.label[rows, 0], probability[rows])
        assert report["segments"][name]["calibration_error"] == pytest.approx(error) and error < 0.05
    empty = report["segments"]["empty"]
    assert empty.pop("examples") == 0 and set(empty.values()) == {None}


def test_where_nothing_can_be_learned_popularity_ranks(holdout: Examples, tmp_path: Path) -> None:
    played = rows_of(holdout, holdout.label[:, 0] == 1)
    given = training_data(in_chunks(played, 5_000), in_chunks(holdout, 5_000))
    report = train_and_evaluate(DCN_V2, given, OPTIONS, SEGMENTS, str(tmp_path))
    assert "both labels are needed" in report["fallback"] and report["epochs"] == []
    ranker = open_ranker(str(tmp_path), BUILT_IN_RANKERS)
    assert list(report["heads"]) == ["played"] and ranker.spec.heads == ("played",)
    assert report["holdout"]["ranker"] == report["holdout"]["popularity"]


def test_the_main_head_is_evaluated_wherever_it_stands(holdout: Examples, tmp_path: Path) -> None:
    reports = []
    for order in (slice(None), slice(None, None, -1)):
        spec = dataclasses.replace(SPEC, heads=SPEC.heads[order])
        label = np.ascontiguousarray(holdout.label[:, order])
        examples = in_chunks(dataclasses.replace(holdout, label=label), 20_000)
        given = training_data(examples, examples, spec=spec)
        reports.append(train_and_evaluate(POPULARITY, given, OPTIONS, SEGMENTS, str(tmp_path)))
    assert reports[0] == reports[1]
    assert reports[0]["holdout"]["ranker"]["positives"] == int(holdout.label[holdout.group % 2 == 1, 0].sum())
