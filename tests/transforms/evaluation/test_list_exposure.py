"""Coverage, Gini, deciles, future_rise and score bins against plain loops."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.evaluation.calibration import auc_of_bins, calibration_error, group_bins
from tests.transforms.evaluation.random_lists import SYSTEMS, Plain, catalog, random_evaluation_rows
from tests.worlds import by_bucket
from transforms.evaluation.list_exposure import (
    count_list_exposure,
    count_scores,
    sum_list_exposure,
    sum_score_bins,
    summarize_catalogue,
)
from transforms.evaluation.list_metrics import popularity_deciles
from transforms.evaluation.schemas import LIST_EXPOSURE, SCORE_BINS, TARGET
from transforms.tables.columns import to_table


def plain_exposures(plain: Plain) -> dict[tuple[str, int], list[int]]:
    counts: dict[tuple[str, int], list[int]] = {}
    for user in plain.users:
        wanted = plain.targets(user, "all")
        for track in wanted:
            row = counts.setdefault((TARGET, track), [0, 0, 0])
            counts[TARGET, track] = [n + 1 for n in row]
        for system in SYSTEMS:
            for place, track in enumerate(plain.ranked(system, user, "all")):
                row = counts.setdefault((system, track), [0, 0, 0])
                row[0] += place < 10
                row[1] += place < 100
                row[2] += track in wanted
    return counts


def test_exposures_are_counted_as_a_plain_loop_does_in_any_buckets(tmp_path: Path) -> None:
    evaluation_rows = random_evaluation_rows(11)
    counts = count_list_exposure(evaluation_rows)
    to_table(counts, LIST_EXPOSURE)
    found = {(system, track): list(ns) for system, track, *ns in counts.iter_rows()}
    assert found == plain_exposures(Plain(evaluation_rows, catalog(tmp_path)))
    parts = pl.concat(count_list_exposure(part) for part in by_bucket(evaluation_rows, 5))
    assert sum_list_exposure(parts).equals(counts)


def test_what_lists_show_altogether(tmp_path: Path) -> None:
    tracks = catalog(tmp_path)
    facts = tracks.tracks.select(
        "n_plays", "popularity", popularity_deciles(tracks), is_established=pl.col("n_plays") % 3 > 0
    )
    list_exposure = count_list_exposure(random_evaluation_rows(12))
    rows = summarize_catalogue(list_exposure, facts)
    found = {(system, metric): value for system, metric, value in rows.iter_rows()}
    came = dict(list_exposure.filter(pl.col("system") == TARGET).select("track", "n_100").iter_rows())
    expected = facts["popularity"] / facts["popularity"].sum() * sum(came.values())
    rises = [
        (came.get(track, 0) - expected[track]) / (expected[track] + 1) ** 0.5
        for track in range(len(facts))
        if facts["is_established"][track]
    ]
    for system in SYSTEMS:
        shown = {track: ns for name, track, *ns in list_exposure.iter_rows() if name == system}
        counts = np.array([shown.get(track, [0, 0, 0])[1] for track in range(len(facts))])
        assert found[system, "coverage@10"] == np.mean([shown.get(t, [0])[0] > 0 for t in range(len(facts))])
        assert found[system, "coverage@100"] == np.mean(counts > 0)
        differences = np.abs(counts[:, None] - counts[None, :]).mean()
        assert found[system, "gini@100"] == pytest.approx(differences / (2 * counts.mean()))
        for decile in range(10):
            share = counts[(facts["decile"] == decile).to_numpy()].sum() / counts.sum()
            assert found[system, f"exposure_decile_{decile}"] == pytest.approx(share)
        total, n_shown = 0.0, 0
        for track, (_, n, hits) in shown.items():
            if not facts["is_established"][track]:
                continue
            n_shown += n
            total += (n * (came.get(track, 0) - expected[track]) - hits) / (expected[track] + 1) ** 0.5
        assert found[system, "future_rise"] == pytest.approx(total / n_shown / np.mean(rises))


def test_deciles_hold_a_tenth_of_the_plays_each_and_the_unheard_are_the_tail(tmp_path: Path) -> None:
    tracks = catalog(tmp_path)
    decile, plays = popularity_deciles(tracks).to_numpy(), tracks.tracks["n_plays"].to_numpy()
    assert set(decile[plays == 0]) <= {9} and decile[plays.argmax()] == 0
    for one in range(10):
        # a track belongs to the decile in which its first play lies
        assert abs(plays[decile == one].sum() / plays.sum() - 0.1) <= plays.max() / plays.sum()
    assert (np.diff(decile[np.lexsort((np.arange(len(plays)), -plays))]) >= 0).all()


def test_score_bins_count_every_candidate_once_in_any_buckets(tmp_path: Path) -> None:
    evaluation_rows = random_evaluation_rows(13)
    bins, plain = count_scores(evaluation_rows), Plain(evaluation_rows, catalog(tmp_path))
    to_table(bins, SCORE_BINS)
    assert sum_score_bins(pl.concat(count_scores(part) for part in by_bucket(evaluation_rows, 5))).equals(bins)
    rows, positives = Counter[str](), Counter[str]()
    for user in plain.users:
        for row in plain.lists["ranker", user]:
            kinds = ["all", "repeats" if row["track"] in plain.marks["played_before"][user] else "discoveries"]
            rows.update(kinds)
            positives.update(kinds * (row["track"] in plain.marks[TARGET][user]))
    sums = bins.group_by("segment").agg(pl.col("n_rows", "n_positives").sum())
    assert {kind: n for kind, n, _ in sums.iter_rows()} == rows
    assert {kind: n for kind, _, n in sums.iter_rows()} == positives


def bins_of(score: np.ndarray, label: np.ndarray) -> pl.DataFrame:
    logit = np.floor(np.log(score / (1 - score)) * 10).astype(int)
    rows = pl.DataFrame({"segment": "all", "bin": logit, "score": score, "label": label})
    return (
        rows.group_by("segment", "bin")
        .agg(
            n_rows=pl.len().cast(pl.Int64),
            n_positives=pl.col("label").sum().cast(pl.Int64),
            score=(pl.col("score") * 2**20).round().cast(pl.Int64).sum(),
        )
        .sort("segment", "bin")
    )


def test_calibration_error_and_auc_of_bins_are_close_to_those_of_rows() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(14)
    score = rng.beta(1, 9, 40_000)
    honest, proud = rng.random(40_000) < score, rng.random(40_000) < score / 2
    assert calibration_error(group_bins(bins_of(score, honest))) < 0.01
    assert calibration_error(group_bins(bins_of(score, proud))) == pytest.approx(0.05, abs=0.005)
    assert auc_of_bins(bins_of(score, honest)) == pytest.approx(roc_auc_score(honest, score), abs=2e-4)
    assert group_bins(bins_of(score, honest))["rows"].sum() == 40_000
    assert auc_of_bins(bins_of(score, np.zeros(40_000, dtype=bool))) is None
    assert calibration_error(group_bins(bins_of(score[:0], honest[:0]))) is None
