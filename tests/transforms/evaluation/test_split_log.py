from datetime import timedelta

import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.evaluation.schemas import EVIDENCE
from transforms.evaluation.split_log import known_plays, select_users, split_log
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS

CUT = AS_OF - 20 * DAY
GAP = timedelta(hours=1)
WINDOW = {"starts_at": CUT + GAP, "ends_at": CUT + GAP + 7 * DAY, "share": 1.0, "seed": 1}


def marks_of(plays: pl.DataFrame) -> set[tuple[str, str, int, int]]:
    evidence = split_log(plays, cut_at=CUT, **WINDOW)
    to_table(evidence, EVIDENCE)
    return set(evidence.select("user_id", "system", "track", "n_plays").iter_rows())


def test_the_log_is_split_as_a_plain_loop_would_do_it() -> None:
    plays = random_plays(31)
    expected: dict[tuple[str, str, int], int] = {}
    judged = set()
    for row in plays.iter_rows(named=True):
        is_play = row["action"] == 0
        is_listened = is_play and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        mark = None
        if is_listened and WINDOW["starts_at"] <= row["played_at"] < WINDOW["ends_at"]:
            mark = "target"
            judged.add(row["user_id"])
        elif is_play and row["played_at"] < CUT:
            mark = "heard" if row["known_at"] < CUT else "late"
        if mark:
            key = (row["user_id"], mark, row["track"])
            expected[key] = expected.get(key, 0) + 1
    found = marks_of(plays)
    assert found == {(*key, n) for key, n in expected.items() if key[0] in judged}
    assert {mark for _, mark, _, _ in found} == {"target", "heard", "late"}


@pytest.mark.parametrize(
    ("minutes", "mark"),
    [(-1, "heard"), (0, None), (59, None), (60, "target"), (60 + 7 * 1440 - 1, "target"), (60 + 7 * 1440, None)],
)
def test_the_gap_belongs_to_neither_side(minutes: int, mark: str | None) -> None:
    days = (AS_OF - CUT - timedelta(minutes=minutes)) / DAY
    sure = {"user_id": "a", "track": 0, "days": 18}
    found = {
        mark for _, mark, track, _ in marks_of(plays_of([sure, {"user_id": "a", "track": 1, "days": days}])) if track
    }
    assert found == ({mark} if mark else set())


def test_systems_see_nothing_that_was_not_known_at_the_cut() -> None:
    plays = random_plays(32)
    history = known_plays(plays, cut_at=CUT)
    users = select_users(plays, cut_at=CUT, **WINDOW)
    assert history["known_at"].max() < CUT and users["known_at"].max() < CUT
    changed = plays.with_columns(track=pl.when(pl.col("known_at") >= CUT).then(0).otherwise("track").cast(pl.Int32))
    assert known_plays(changed, cut_at=CUT).equals(history)
    assert select_users(changed, cut_at=CUT, **WINDOW).equals(users)
    to_table(users, PLAYS)


def test_users_without_a_past_are_judged_too_and_stand_once() -> None:
    rows = [{"user_id": "new", "track": 1, "days": 15}, {"user_id": "old", "track": 1, "days": 30}]
    rows += [{"user_id": "old", "track": 2, "days": 16}, {"user_id": "gone", "track": 1, "days": 30}]
    users = select_users(plays_of(rows), cut_at=CUT, **WINDOW)
    assert users.select("user_id", "track").rows() == [("new", None), ("old", 1)]


def test_a_sample_of_users_is_the_same_in_any_buckets() -> None:
    plays = random_plays(33, num_users=300, num_plays=6000)
    sampled = {**WINDOW, "share": 0.5}
    whole = ids(select_users(plays, cut_at=CUT, **sampled))
    parts = [ids(select_users(part, cut_at=CUT, **sampled)) for part in by_bucket(plays, 7)]
    assert sorted(user for part in parts for user in part) == whole
    assert ids(split_log(plays, cut_at=CUT, **sampled)) == whole
    assert 0.25 < len(whole) / len(ids(split_log(plays, cut_at=CUT, **WINDOW))) < 0.75


def ids(rows: pl.DataFrame) -> list[str]:
    return rows["user_id"].cast(pl.String).unique().sort().to_list()
