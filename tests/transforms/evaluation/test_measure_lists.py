"""Measured lists against plain loops over users and against independent libraries; metrics/ tests every metric."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import ir_measures
import numpy as np
import polars as pl
import pytest
from ir_measures import RR, R, Success, nDCG
from sklearn.metrics import log_loss, roc_auc_score

from pipelines.evaluation.estimates import EstimateKey, Estimates
from tests.stages import element_of, joined, run_graphs, tables_of
from tests.transforms.evaluation.random_lists import (
    SOURCES,
    SYSTEMS,
    Plain,
    catalog,
    evaluation_rows_of,
    random_evaluation_rows,
)
from tests.worlds import AS_OF, by_bucket
from transforms.catalog.catalog import Catalog
from transforms.evaluation.list_exposure import count_list_exposure
from transforms.evaluation.measure_lists import MeasureLists, measure_lists
from transforms.evaluation.metrics.system import PAGE, RANKER
from transforms.evaluation.schemas import EVALUATION_ROWS, SUMS, TARGET
from transforms.evaluation.score_bins import count_scores
from transforms.evaluation.sums import merge_sums
from transforms.tables.columns import to_table

ARGUMENTS = {"cutoff_at": AS_OF, "sources": SOURCES, "num_replicates": 20, "seed": 1}


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog(tmp_path_factory.mktemp("catalog"))


def estimates_of(evaluation_rows: pl.DataFrame, tracks: Catalog) -> Estimates:
    sums = measure_lists(evaluation_rows, catalog=tracks, **ARGUMENTS)
    to_table(sums, SUMS)
    return Estimates(sums, 0.95)


def value(estimates: Estimates, *key: str) -> float | None:
    estimate = estimates.estimate(EstimateKey(*key))
    return estimate and estimate.value


@pytest.mark.parametrize("shelf", ["shelf 0", "shelf 3"])
def test_every_shelf_has_its_share_of_the_coming_plays(shelf: str, tracks: Catalog) -> None:
    evaluation_rows = random_evaluation_rows(5)
    estimates, plain = estimates_of(evaluation_rows, tracks), Plain(evaluation_rows, tracks)
    known = [user for user in plain.users if plain.marks["played_before"][user]]
    for kind in ("all", "repeats", "discoveries"):
        shares = [plain.share_of_plays(user, kind, shelf) for user in known if plain.targets(user, kind)]
        assert value(estimates, PAGE, "share_of_plays", kind, f"shelf: {shelf}") == pytest.approx(
            np.mean(shares), abs=2e-6
        )


def test_accuracy_equals_that_of_ir_measures(tracks: Catalog) -> None:
    evaluation_rows = random_evaluation_rows(7)
    estimates, plain = estimates_of(evaluation_rows, tracks), Plain(evaluation_rows, tracks)
    users = [user for user in plain.users if plain.marks["played_before"][user]]
    qrels = [ir_measures.Qrel(user, str(track), 1) for user in users for track in plain.targets(user, "all")]
    ours = {"ndcg@10": nDCG @ 10, "ndcg@20": nDCG @ 20, "recall@10": R @ 10, "mrr": RR, "hit_rate@10": Success @ 10}
    for system in SYSTEMS:
        run = [
            ir_measures.ScoredDoc(user, str(track), -rank)
            for user in users
            for rank, track in enumerate(plain.ranked(system, user, "all"))
        ]
        # what a user without a list has is up to the caller: here a list of nothing
        run += [ir_measures.ScoredDoc(user, "nothing", -1000) for user in users]
        theirs = ir_measures.calc_aggregate(list(ours.values()), qrels, run)
        for name, measure in ours.items():
            assert value(estimates, system, name, "all") == pytest.approx(theirs[measure], abs=2e-6), (system, name)


def test_ranker_figures_equal_those_of_scikit_learn(tracks: Catalog) -> None:
    evaluation_rows = random_evaluation_rows(8)
    estimates, plain = estimates_of(evaluation_rows, tracks), Plain(evaluation_rows, tracks)
    labels, scores, aucs = [], [], []
    for user in (user for user in plain.users if plain.marks["played_before"][user]):
        rows = plain.lists[RANKER, user]
        label = [row["track"] in plain.marks[TARGET][user] for row in rows]
        score = [min(row["score"], 1 - 1e-7) for row in rows]
        labels += label
        scores += score
        if len(set(label)) == 2:
            aucs.append(roc_auc_score(label, score))
    assert value(estimates, RANKER, "auc", "") == pytest.approx(np.mean(aucs), abs=2e-6)
    assert value(estimates, RANKER, "log_loss", "") == pytest.approx(log_loss(labels, scores), abs=1e-5)


def test_sums_do_not_depend_on_buckets_blocks_or_order(tracks: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation_rows = random_evaluation_rows(9)
    whole = measure_lists(evaluation_rows, catalog=tracks, **ARGUMENTS)
    parts = [measure_lists(part, catalog=tracks, **ARGUMENTS) for part in by_bucket(evaluation_rows, 7)]
    assert merge_sums(pl.concat(parts)).equals(whole)
    assert merge_sums(pl.concat([merge_sums(pl.concat(parts[:3])), *parts[3:]])).equals(whole)
    assert measure_lists(
        evaluation_rows.sample(fraction=1.0, shuffle=True, seed=1), catalog=tracks, **ARGUMENTS
    ).equals(whole)
    monkeypatch.setattr("transforms.evaluation.measure_lists.MAX_BLOCK_USERS", 3)
    assert measure_lists(evaluation_rows, catalog=tracks, **ARGUMENTS).equals(whole)


def test_nothing_gives_nothing(tracks: Catalog) -> None:
    empty = measure_lists(evaluation_rows_of([]), catalog=tracks, **ARGUMENTS)
    assert empty.is_empty() and to_table(empty, SUMS).num_rows == 0
    only_lists = evaluation_rows_of([{"user_id": "a", "system": "near", "track": 1, "rank": 0}])
    assert measure_lists(only_lists, catalog=tracks, **ARGUMENTS).is_empty()


def test_a_list_without_a_hit_counts_as_nought(tracks: Catalog) -> None:
    rows = [{"user_id": user, "system": TARGET, "track": 1, "n_plays": 1} for user in "ab"]
    rows += [{"user_id": user, "system": "played_before", "track": 2, "n_plays": 1} for user in "ab"]
    rows += [
        {"user_id": "a", "system": "near", "track": 3, "rank": 0},
        {"user_id": "b", "system": "far", "track": 1, "rank": 0},
    ]
    estimates = estimates_of(evaluation_rows_of(rows), tracks)
    assert value(estimates, "near", "ndcg@10", "all") == 0.0
    assert value(estimates, "far", "ndcg@10", "all") == 0.5
    assert estimates.estimate(EstimateKey("far", "ndcg@10", "repeats")) is None


def test_the_stage_sums_over_buckets(tmp_path: Path) -> None:
    evaluation_rows, tracks = random_evaluation_rows(9), catalog(tmp_path)

    def build(root: beam.Pipeline) -> Any:
        lists = tables_of(root, "evaluation_rows", EVALUATION_ROWS, by_bucket(evaluation_rows, 3))
        return lists | MeasureLists(element_of(root, "catalog", str(tmp_path)), **ARGUMENTS)

    sums, list_exposure, bins = (joined(elements) for elements in run_graphs(build))
    expected = measure_lists(evaluation_rows, catalog=tracks, **ARGUMENTS)
    assert sums.equals(joined([(0, to_table(expected, SUMS))]))
    assert list_exposure.equals(count_list_exposure(evaluation_rows)) and bins.equals(count_scores(evaluation_rows))
