"""Exposure, coverage, Gini and future rise against plain loops."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.transforms.evaluation.random_lists import SYSTEMS, Plain, catalog, random_evaluation_rows
from tests.worlds import by_bucket
from transforms.catalog.deep_catalogue import popularity_deciles
from transforms.evaluation.list_exposure import (
    count_list_exposure,
    sum_list_exposure,
    summarize_catalogue,
)
from transforms.evaluation.schemas import LIST_EXPOSURE, TARGET
from transforms.tables.columns import to_table


def count_exposure_plainly(plain: Plain) -> dict[tuple[str, int], list[int]]:
    counts: dict[tuple[str, int], list[int]] = {}
    for user in plain.users:
        wanted = plain.targets(user, "all")
        for track in wanted:
            row = counts.setdefault((TARGET, track), [0, 0, 0])
            counts[TARGET, track] = [n + 1 for n in row]
        for system in SYSTEMS:
            for rank, track in enumerate(plain.ranked(system, user, "all")):
                row = counts.setdefault((system, track), [0, 0, 0])
                row[0] += rank < 10
                row[1] += rank < 100
                row[2] += track in wanted
    return counts


def test_exposure_is_counted_as_a_plain_loop_does_in_any_buckets(tmp_path: Path) -> None:
    evaluation_rows = random_evaluation_rows(11)
    counts = count_list_exposure(evaluation_rows)
    to_table(counts, LIST_EXPOSURE)
    found = {(system, track): list(ns) for system, track, *ns in counts.iter_rows()}
    assert found == count_exposure_plainly(Plain(evaluation_rows, catalog(tmp_path)))
    parts = pl.concat(count_list_exposure(part) for part in by_bucket(evaluation_rows, 5))
    assert sum_list_exposure(parts).equals(counts)


def test_metrics_of_exposure_equal_those_of_plain_loops(tmp_path: Path) -> None:
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
