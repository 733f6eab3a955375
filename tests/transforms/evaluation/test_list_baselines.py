from datetime import timedelta
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from tests.stages import element_of, joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, tracks_of
from transforms.evaluation.list_baselines import (
    ListBaselines,
    fit_baselines,
    list_baselines,
    open_fitted,
    to_interactions,
    top_tracks,
)
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS


def fit_counts(plays: Interactions, parameters: Parameters) -> Arrays:
    return {"counts": np.bincount(plays.track, minlength=plays.num_tracks).astype(np.float32)}


def score_counts(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    return np.repeat(learned["counts"][None] * np.float32(parameters["factor"]), plays.num_users, axis=0)


def score_own(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    scores = np.full((plays.num_users, plays.num_tracks), -np.inf, dtype=np.float32)
    scores[plays.user, plays.track] = 0
    np.add.at(scores, (plays.user, plays.track), 1)
    return scores


BASELINES = {
    "up": (Baseline("up", "", "", ({},), score_counts, fit_counts), {"factor": 1.0}),
    "down": (Baseline("down", "", "", ({},), score_counts, fit_counts), {"factor": -1.0}),
    "own": (Baseline("own", "", "", ({},), score_own), {}),
    "small": (Baseline("small", "", "", ({},), score_own, max_tracks=10), {}),
}


def lists_of(plays: pl.DataFrame, folder: Path, parts: list[pl.DataFrame]) -> dict[tuple[str, str], list[int]]:
    catalog = catalog_of(plays, tracks_of(40), folder / "catalog")
    folder.joinpath("fit").mkdir()
    arguments = {"catalog": catalog, "baselines": BASELINES, "cutoff_at": AS_OF}
    tables = [(number, to_table(part, PLAYS)) for number, part in enumerate(parts)]
    fit_baselines(folder / "fit", plays=tables[::-1], **arguments)
    learned = open_fitted(str(folder / "fit"))
    lists = pl.concat(
        list_baselines(part, learned=learned, depth=100, **arguments).with_columns(pl.col("user_id").cast(pl.String))
        for part in parts
    )
    to_table(list_baselines(parts[0], learned=learned, depth=100, **arguments), EVALUATION_ROWS)
    ordered = lists.sort("system", "user_id", "rank").group_by("system", "user_id", maintain_order=True)
    return {(system, user): tracks for system, user, tracks in ordered.agg("track").iter_rows()}


def test_lists_are_ordered_by_score_and_then_by_code(tmp_path: Path) -> None:
    plays = random_plays(51)
    lists = lists_of(plays, tmp_path, [plays])
    played = plays.filter((pl.col("action") == 0) & (pl.col("ms_played").fill_null(30_000) >= 30_000))
    counts = np.bincount(played["track"], minlength=40)
    for user in plays["user_id"].unique():
        assert lists["up", user] == sorted(range(40), key=lambda track: (-counts[track], track))
        assert lists["down", user] == sorted(range(40), key=lambda track: (counts[track], track))
        own = np.bincount(played.filter(pl.col("user_id") == user)["track"], minlength=40)
        expected = sorted(np.flatnonzero(own), key=lambda track: (-own[track], track))
        assert lists.get(("own", user), []) == expected
    assert not any(system == "small" for system, _ in lists)


def test_who_shares_a_bucket_or_a_block_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plays = random_plays(52)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = lists_of(plays, tmp_path / "whole", [plays])
    monkeypatch.setattr("transforms.evaluation.list_baselines.BASELINE_BLOCK_USERS", 4)
    assert lists_of(plays, tmp_path / "parts", by_bucket(plays, 7)) == whole


def test_interactions_are_the_plays_that_count_with_sessions_and_ages() -> None:
    minute = 1 / 1440
    rows = [{"user_id": "a", "track": 1, "days": 2}, {"user_id": "a", "track": 2, "days": 2 - 29 * minute}]
    rows += [{"user_id": "a", "track": 1, "days": 1}, {"user_id": "a", "track": 3, "days": 0.5, "ms_played": 29_999}]
    rows += [{"user_id": "b", "track": None}, {"user_id": "c", "track": 0, "days": 1, "action": 1}]
    rows += [{"user_id": "d", "track": 4, "days": 0.25}]
    log = to_interactions(plays_of(rows), num_tracks=5, cutoff_at=AS_OF)
    assert log.user.tolist() == [0, 0, 0, 3] and log.track.tolist() == [1, 2, 1, 4]
    assert np.diff(log.session).tolist() == [0, 1, 1]
    assert log.days == pytest.approx([2, 2 - 29 * minute, 1, 0.25])
    assert log.num_users == 4 and len(set(log.user_key.tolist())) == 4
    assert (AS_OF - timedelta(days=log.days[-1])) == AS_OF - 0.25 * DAY


@given(
    st.integers(1, 8).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.0]), min_size=width, max_size=width), min_size=1, max_size=4
        )
    ),
    st.integers(1, 9),
)
def test_the_best_are_those_of_a_stable_sort(scores: list[list[float]], k: int) -> None:
    row, column = top_tracks(np.array(scores, dtype=np.float32), k)
    for number, line in enumerate(scores):
        expected = [rank for rank in np.argsort(-np.array(line), kind="stable")[:k] if line[rank] > -np.inf]
        assert sorted(column[row == number]) == sorted(expected)


def test_the_stage_fits_to_the_history_and_lists_for_the_users(tmp_path: Path) -> None:
    plays = random_plays(53)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    users = plays.filter(pl.col("user_id").cast(pl.String) < "ü010")

    def build(root: beam.Pipeline) -> beam.PCollection:
        stage = ListBaselines(
            history=tables_of(root, "history", PLAYS, by_bucket(plays, 2)),
            catalog_path=element_of(root, "catalog", str(tmp_path / "catalog")),
            baselines=BASELINES,
            cutoff_at=AS_OF,
            folder=str(tmp_path / "baselines"),
            list_depth=10,
        )
        return tables_of(root, "users", PLAYS, by_bucket(users, 2)) | stage

    arguments = {"catalog": catalog, "baselines": BASELINES, "cutoff_at": AS_OF}
    fit_baselines(tmp_path, plays=[(0, to_table(plays, PLAYS))], **arguments)
    expected = list_baselines(users, learned=open_fitted(str(tmp_path)), depth=10, **arguments)
    keys = ("system", "user_id", "rank")
    found = joined(run_graph(build)).sort(keys)
    assert found.equals(joined([(0, to_table(expected, EVALUATION_ROWS))]).sort(keys)) and len(found) > 0
