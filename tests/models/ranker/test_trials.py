from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.metrics import auc, ndcg_at_k
from models.ranker.contract import Examples
from models.ranker.platt import expected_calibration_error
from models.ranker.serving import load_saved_ranker
from models.ranker.training_run import train_and_evaluate
from tests.models.ranker.planted import OPTIONS, SPEC, NoCheckpoints, in_chunks, rows_of

SEGMENTS = {"popular": ("popularity", 20.0, np.inf), "wavy": ("wave", -1.0, 1.0), "nobody": ("wave", 90.0, np.inf)}


@pytest.fixture(scope="module")
def trial(
    training: Examples, holdout: Examples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str, list[dict[str, float]]]:
    path, epochs = str(tmp_path_factory.mktemp("trial")), []  # type: ignore[var-annotated]
    report = train_and_evaluate(
        in_chunks(training, 7_000),
        in_chunks(holdout, 6_000),
        SPEC,
        path,
        epochs.append,
        NoCheckpoints(),
        options=OPTIONS,
        popularity="popularity",
        segments=SEGMENTS,
    )
    return report, path, epochs


def test_the_half_of_the_users_that_nothing_was_learned_from_judges(trial: tuple, holdout: Examples) -> None:
    report, path, epochs = trial
    judges = rows_of(holdout, holdout.group % 2 == 1)
    chances, played = load_saved_ranker(path).score(judges.features), judges.label[:, 0]
    figures = report["holdout"]["ranker"]
    assert (figures["examples"], figures["positives"]) == (len(judges), int(played.sum()))
    assert figures["auc"] == pytest.approx(auc(played, chances[:, 0]))
    assert figures["ndcg_at_10"] == pytest.approx(ndcg_at_k(judges.group, played, chances[:, 0], 10))
    assert report["holdout"]["blend"]["auc"] == pytest.approx(auc(played, judges.features["dense"][:, 3]))
    assert figures["auc"] > report["holdout"]["blend"]["auc"] + 0.1
    assert report["epochs"] == epochs and report["fallback"] == ""


def test_heads_are_judged_by_what_is_settled_and_calibrated(trial: tuple, holdout: Examples) -> None:
    report, path, _ = trial
    judges = rows_of(holdout, holdout.group % 2 == 1)
    chances = load_saved_ranker(path).score(judges.features)
    for place, name in enumerate(SPEC.heads):
        label = judges.label[:, place]
        settled, found = np.isfinite(label), report["heads"][name]
        assert found["examples"] == settled.sum()
        assert found["auc"] == pytest.approx(auc(label[settled], chances[settled, place]))
        assert found["calibration_error"] == pytest.approx(expected_calibration_error(label, chances[:, place]))
        assert found["calibration_error"] < 0.03 and found["mean_probability"] == pytest.approx(
            found["share"], abs=0.02
        )
    assert not np.isfinite(judges.label[:, 1]).all()


def test_segments_are_ranges_of_features(trial: tuple, holdout: Examples) -> None:
    report, path, _ = trial
    judges = rows_of(holdout, holdout.group % 2 == 1)
    chances = load_saved_ranker(path).score(judges.features)[:, 0]
    for name, column, low, high in (("popular", 0, 20.0, np.inf), ("wavy", 1, -1.0, 1.0)):
        rows = (judges.features["dense"][:, column] >= low) & (judges.features["dense"][:, column] < high)
        found = report["segments"][name]
        assert found["calibration_error"] == pytest.approx(
            expected_calibration_error(judges.label[rows, 0], chances[rows])
        )
        assert found["calibration_error"] < 0.05
    empty = report["segments"]["nobody"]
    assert empty.pop("examples") == 0 and set(empty.values()) == {None}


def test_where_nothing_can_be_learned_the_popular_ranks(holdout: Examples, tmp_path: Path) -> None:
    played = rows_of(holdout, holdout.label[:, 0] == 1)
    arguments = {"options": OPTIONS, "popularity": "popularity", "segments": SEGMENTS}
    given = (in_chunks(played, 5_000), in_chunks(holdout, 5_000), SPEC, str(tmp_path), lambda _: None, NoCheckpoints())
    report = train_and_evaluate(*given, **arguments)
    assert "both labels are needed" in report["fallback"] and report["epochs"] == []
    assert list(report["heads"]) == ["played"] and load_saved_ranker(str(tmp_path)).spec.heads == ("played",)
    assert report["holdout"]["ranker"] == report["holdout"]["popularity"]
