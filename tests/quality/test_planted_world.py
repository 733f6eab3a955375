"""Quality floors on the default sample world: the ranker finds the planted taste."""

import pytest

from tests.runs import Published


def test_the_ranker_beats_popularity(planted: Published) -> None:
    # seen: AUC .77 against .51, NDCG@10 .22 against .09, log loss .169 against .190
    ranker, popularity = (planted.manifest["training"]["holdout"][name] for name in ("ranker", "popularity"))
    assert ranker["auc"] > popularity["auc"] + 0.20
    assert ranker["ndcg_at_10"] > popularity["ndcg_at_10"] + 0.08
    assert ranker["log_loss"] < popularity["log_loss"] - 0.01


def test_scores_are_calibrated_enough_to_be_added(planted: Published) -> None:
    # a page adds scores up: their mean must be near the share of positive labels
    holdout = planted.table("holdout")
    known = planted.table("candidates").join(holdout.select("user_id").unique(), on="user_id", how="semi")
    mean = known["p_listened"].mean()
    assert mean == pytest.approx(holdout["label_listened"].mean(), rel=0.35)


def test_every_head_is_calibrated_on_later_users(planted: Published) -> None:
    training = planted.manifest["training"]
    assert {"listened", "completed", "skipped", "saved", "repeated", "session_continued"} == set(training["heads"])
    assert all(head["calibration_error"] <= 0.02 for head in training["heads"].values())
    assert training["segments"]["new users"]["calibration_error"] <= 0.05
    assert training["segments"]["tail tracks"]["calibration_error"] <= 0.05


def test_the_ranker_beats_the_blend_that_it_starts_from(planted: Published) -> None:
    # seen: AUC .76 against .73
    ranker, blend = (planted.manifest["training"]["holdout"][name] for name in ("ranker", "blend"))
    assert ranker["auc"] > blend["auc"] + 0.01 and ranker["log_loss"] < blend["log_loss"]
