from datetime import timedelta
from typing import Any

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graphs, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.evaluation.split_log import SplitLog, plays_before_cutoff, select_users, split_log
from transforms.evaluation.window import EvaluationWindow
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS

CUTOFF = AS_OF - 20 * DAY
GAP = timedelta(hours=1)
WINDOW = {"starts_at": CUTOFF + GAP, "ends_at": CUTOFF + GAP + 7 * DAY, "share": 1.0, "seed": 1}


def marks_of(plays: pl.DataFrame) -> set[tuple[str, str, int, int]]:
    evaluation_rows = split_log(plays, cutoff_at=CUTOFF, **WINDOW)
    to_table(evaluation_rows, EVALUATION_ROWS)
    return set(evaluation_rows.select("user_id", "system", "track", "n_plays").iter_rows())


def test_the_log_is_split_as_a_plain_loop_would_do_it() -> None:
    plays = random_plays(31)
    expected: dict[tuple[str, str, int], int] = {}
    evaluated = set()
    for row in plays.iter_rows(named=True):
        is_play = row["action"] == 0
        is_listened = is_play and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        mark = None
        if is_listened and WINDOW["starts_at"] <= row["played_at"] < WINDOW["ends_at"]:
            mark = "target"
            evaluated.add(row["user_id"])
        elif is_play and row["played_at"] < CUTOFF:
            mark = "played_before" if row["known_at"] < CUTOFF else "arrived_late"
        if mark:
            key = (row["user_id"], mark, row["track"])
            expected[key] = expected.get(key, 0) + 1
    found = marks_of(plays)
    assert found == {(*key, n) for key, n in expected.items() if key[0] in evaluated}
    assert {mark for _, mark, _, _ in found} == {"target", "played_before", "arrived_late"}


@pytest.mark.parametrize(
    ("minutes", "mark"),
    [
        (-1, "played_before"),
        (0, None),
        (59, None),
        (60, "target"),
        (60 + 7 * 1440 - 1, "target"),
        (60 + 7 * 1440, None),
    ],
)
def test_the_gap_belongs_to_neither_side(minutes: int, mark: str | None) -> None:
    days = (AS_OF - CUTOFF - timedelta(minutes=minutes)) / DAY
    sure = {"user_id": "a", "track": 0, "days": 18}
    found = {
        mark for _, mark, track, _ in marks_of(plays_of([sure, {"user_id": "a", "track": 1, "days": days}])) if track
    }
    assert found == ({mark} if mark else set())


def test_systems_see_nothing_that_was_not_known_at_the_cutoff() -> None:
    at_cutoff = plays_of([{"user_id": "a", "track": 1, "days": (AS_OF - CUTOFF) / DAY}])
    assert at_cutoff["known_at"].item() == CUTOFF and plays_before_cutoff(at_cutoff, cutoff_at=CUTOFF).is_empty()
    plays = random_plays(32)
    history = plays_before_cutoff(plays, cutoff_at=CUTOFF)
    users = select_users(plays, cutoff_at=CUTOFF, **WINDOW)
    assert history["known_at"].max() < CUTOFF and users["known_at"].max() < CUTOFF
    changed = plays.with_columns(track=pl.when(pl.col("known_at") >= CUTOFF).then(0).otherwise("track").cast(pl.Int32))
    assert plays_before_cutoff(changed, cutoff_at=CUTOFF).equals(history)
    assert select_users(changed, cutoff_at=CUTOFF, **WINDOW).equals(users)
    to_table(users, PLAYS)


def test_users_without_a_past_are_judged_too_and_stand_once() -> None:
    rows = [{"user_id": "new", "track": 1, "days": 15}, {"user_id": "old", "track": 1, "days": 30}]
    rows += [{"user_id": "old", "track": 2, "days": 16}, {"user_id": "gone", "track": 1, "days": 30}]
    users = select_users(plays_of(rows), cutoff_at=CUTOFF, **WINDOW)
    assert users.select("user_id", "track").rows() == [("new", None), ("old", 1)]


def test_a_sample_of_users_is_the_same_in_any_buckets() -> None:
    plays = random_plays(33, num_users=300, num_plays=6000)
    sampled = {**WINDOW, "share": 0.5}
    whole = ids(select_users(plays, cutoff_at=CUTOFF, **sampled))
    parts = [ids(select_users(part, cutoff_at=CUTOFF, **sampled)) for part in by_bucket(plays, 7)]
    assert sorted(user for part in parts for user in part) == whole
    assert ids(split_log(plays, cutoff_at=CUTOFF, **sampled)) == whole
    assert 0.25 < len(whole) / len(ids(split_log(plays, cutoff_at=CUTOFF, **WINDOW))) < 0.75


def ids(rows: pl.DataFrame) -> list[str]:
    return rows["user_id"].cast(pl.String).unique().sort().to_list()


def test_the_stage_yields_history_users_and_what_they_came_to_play() -> None:
    plays = random_plays(34)
    window = {name: WINDOW[name] for name in ("starts_at", "ends_at")}
    active = select_users(plays, cutoff_at=CUTOFF, **WINDOW)["user_id"].n_unique()

    def build(root: beam.Pipeline) -> Any:
        all_plays = tables_of(root, "plays", PLAYS, by_bucket(plays, 3))
        stage = SplitLog(EvaluationWindow(CUTOFF, **window), max_users=active // 2, seed=1, reported=all_plays)
        return all_plays | stage

    history, users, evaluation_rows = (joined(elements) for elements in run_graphs(build))
    options = {"cutoff_at": CUTOFF, **window, "share": active // 2 / active, "seed": 1}
    for found, expected, schema in (
        (history, plays_before_cutoff(plays, cutoff_at=CUTOFF), PLAYS),
        (users, select_users(plays, **options), PLAYS),
        (evaluation_rows, split_log(plays, **options), EVALUATION_ROWS),
    ):
        assert sorted(found.rows(), key=str) == sorted(joined([(0, to_table(expected, schema))]).rows(), key=str)
    assert 0 < users["user_id"].n_unique() < active


def test_everyone_is_learned_from_and_some_are_evaluated() -> None:
    plays = random_plays(35)
    window = {name: WINDOW[name] for name in ("starts_at", "ends_at")}
    is_chosen = pl.col("user_id").cast(pl.String).str.slice(1).cast(pl.Int32) % 2 == 0
    some = plays.filter(is_chosen)

    def build(root: beam.Pipeline) -> Any:
        reported = tables_of(root, "reported", PLAYS, by_bucket(some, 3))
        stage = SplitLog(EvaluationWindow(CUTOFF, **window), max_users=1000, seed=1, reported=reported)
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | stage

    history, users, evaluation_rows = (joined(elements) for elements in run_graphs(build))
    assert not history.filter(~is_chosen).is_empty()
    assert users.filter(~is_chosen).is_empty() and evaluation_rows.filter(~is_chosen).is_empty()
    active = select_users(plays, cutoff_at=CUTOFF, **WINDOW).filter(is_chosen)["user_id"].n_unique()
    assert evaluation_rows["user_id"].n_unique() == active > 1
