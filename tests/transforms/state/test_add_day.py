"""A state of three months, against the log as a whole."""

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.options.options import UsageError
from tests.stages import joined, run_graphs, tables_of
from tests.stored_days import STARTED_AT, add_events, by_bucket, files_of, plan_day
from tests.worlds import MIN_PLAYED_AT
from transforms.events.clean_events import clean_events, keep_plays, keep_rejected
from transforms.events.order_histories import OrderHistories, keep_first, keep_others, order_histories
from transforms.state.add_day import AddDay, read_file
from transforms.state.commit_day import CommitDay
from transforms.state.state_days import StateFile, list_days, read_day
from transforms.tables.buckets import OfBucket, Opened, open_frame
from transforms.tables.columns import to_frame, to_table
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import parquet_bytes
from transforms.tables.hashing import split_by_bucket
from transforms.tables.schemas import CHECKED, EVENT_ROWS, HISTORIES, PLAYS, REJECTED, TRACK_CODES
from transforms.tables.stage_counters import StageError

Row = dict[str, Any]
FIRST = datetime(2025, 10, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NUM_DAYS, MAX_USER_EVENTS = 90, 40


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: three months write four files a day."""
    monkeypatch.setattr("os.fsync", lambda _: None)


def day_of(number: int) -> str:
    return f"{FIRST + number * DAY:%Y-%m-%d}"


def arrivals(seed: int) -> list[list[Row]]:
    """Return the events that arrive on each day: late ones, ones told of twice, corrected ones, bad and future ones."""
    rng = np.random.default_rng(seed)
    days: list[list[Row]] = []
    for number in range(NUM_DAYS):
        rows: list[Row] = []
        for _ in range(int(rng.integers(0, 12))):
            late = int(rng.integers(0, 30)) if rng.random() < 0.2 else 0
            played_at = FIRST + (number - late) * DAY + timedelta(minutes=int(rng.integers(1440)))
            row = {
                "user_id": f"u{int(rng.zipf(1.4)) % 9}",
                "track_id": f"t{int(rng.integers(6))}",
                "played_at": played_at if rng.random() < 0.95 else played_at + 3 * DAY,
                "ms_played": int(rng.integers(-5, 200)) * 1000,
                "action": str(rng.choice(["play", "like", "hum"], p=[0.8, 0.15, 0.05])),
                "arrived_at": played_at + late * DAY if rng.random() < 0.5 else None,
            }
            rows += [row] * int(rng.integers(1, 3))
        # told of again on another day, as it was and corrected
        for again in days[int(rng.integers(number))][:1] if number else []:
            rows += [again, {**again, "ms_played": again["ms_played"] + 1000}]
        days.append(rows)
    return days


def codes_on(number: int) -> pl.DataFrame:
    """Return the catalog of a day: tracks come, go, and change their codes."""
    ids = [f"t{track}" for track in range(6) if (number // 20 + track) % 6 and track < 3 + number // 10]
    return TRACK_CODES.frame([{"track_id": one, "track": code} for code, one in enumerate(ids)])


def history_on(number: int, tables: list[pa.Table]) -> list[pl.DataFrame]:
    """Return the plays and the rejected rows of whole users as of the end of a day, in a defined order."""
    kept, rejected = [], []
    for table in tables:
        checked = clean_events(
            to_frame(table),
            as_of=FIRST + (number + 1) * DAY,
            min_played_at=MIN_PLAYED_AT,
            track_codes=codes_on(number),
            max_user_events=MAX_USER_EVENTS,
        )
        checked = to_frame(to_table(checked, CHECKED))
        marked = order_histories(to_frame(to_table(keep_plays(checked), PLAYS)), max_user_events=MAX_USER_EVENTS)
        kept.append(keep_first(marked).cast({"user_id": pl.String}))
        others = keep_others(to_frame(to_table(marked, HISTORIES)), track_codes=codes_on(number))
        rejected += [to_frame(to_table(rows, REJECTED)) for rows in (keep_rejected(checked), others)]
    return [pl.concat(frames).sort(pl.all(), nulls_last=True) for frames in (kept, rejected)]


def whole(number: int, days: list[list[Row]]) -> list[pl.DataFrame]:
    """Return the history of a run that reads the whole log, in buckets of another number."""
    log = to_table(EVENT_ROWS.frame([row for rows in days[: number + 1] for row in rows]), EVENT_ROWS)
    return history_on(number, [piece for _, piece in split_by_bucket(log, "user_id", 2)])


def same(found: list[pl.DataFrame], expected: list[pl.DataFrame]) -> bool:
    return all(one.equals(other) for one, other in zip(found, expected, strict=True))


def test_days_that_are_added_are_the_whole_log(tmp_path: Path) -> None:
    days, state, rng = arrivals(1), str(tmp_path), np.random.default_rng(1)
    reasons = set()
    for number, rows in enumerate(days):
        plan, events = plan_day(state, day_of(number)), EVENT_ROWS.frame(rows)
        if rng.random() < 0.3:
            # an attempt that is killed when some of its buckets are written
            dead = plan_day(state, day_of(number), "run=dead")
            files_of(dict(list(by_bucket(events, dead).items())[:2]), dead)
        stored = add_events(plan, events)
        if number % 10 == 9:
            expected = whole(number, days)
            assert same(history_on(number, [table for _, table in stored]), expected), day_of(number)
            reasons |= set(expected[1]["reason"])
    assert reasons >= {"exact_duplicate", "over_max_user_events", "unknown_track", "in_the_future", "unknown_action"}
    assert max(sum(file.bucket == bucket for file in read_day(state, day_of(89)).files) for bucket in range(3)) <= 7
    assert len(list_days(state)) == 14
    named = {file.path for day in list_days(state) for file in read_day(state, day).files}
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")}
    assert named <= left and not [path for path in left - named if path.split("/")[1] < f"ds={day_of(76)}"]


def test_a_day_that_is_run_again_replaces_itself_and_later_ones_follow(tmp_path: Path) -> None:
    days, state = arrivals(3)[:12], str(tmp_path)
    for number, rows in enumerate(days):
        add_events(plan_day(state, day_of(number)), EVENT_ROWS.frame(rows))
    last = read_day(state, day_of(11))
    # the same events again: what follows stays as it is
    add_events(plan_day(state, day_of(8), "run=b"), EVENT_ROWS.frame(days[8]))
    plan_day(state, day_of(12))
    # other events: days that were added to the former ones are refused, until they are added again
    days[8] = [*days[8], *days[2]]
    add_events(plan_day(state, day_of(8), "run=c"), EVENT_ROWS.frame(days[8]))
    with pytest.raises(UsageError, match=f"run {day_of(9)} and the days after it again"):
        plan_day(state, day_of(12))
    for number in (9, 10, 11):
        stored = add_events(plan_day(state, day_of(number), "run=c"), EVENT_ROWS.frame(days[number]))
    assert same(history_on(11, [table for _, table in stored]), whole(11, days))
    assert read_day(state, day_of(11)).digest != last.digest
    assert plan_day(state, day_of(12)).earlier == read_day(state, day_of(11))


def test_a_file_that_was_changed_is_not_read(tmp_path: Path) -> None:
    state, events = str(tmp_path), EVENT_ROWS.frame(arrivals(1)[3])
    add_events(plan_day(state, day_of(0)), events)
    plan = plan_day(state, day_of(1))
    path = tmp_path / read_day(state, day_of(0)).files[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StageError, match="was changed"):
        add_events(plan, events)
    path.unlink()
    with pytest.raises(StageError, match="No such file"):
        add_events(plan, events)


def test_a_file_of_another_version_is_read_or_named(tmp_path: Path) -> None:
    rows = to_table(EVENT_ROWS.frame([{"user_id": "u", "track_id": "t", "played_at": FIRST}]), EVENT_ROWS)
    other = rows.select(["user_id", "track_id", "played_at"]).append_column("mood", pa.array(["calm"]))
    for table, is_readable in ((other, True), (other.set_column(2, "played_at", pa.array(["noon"])), False)):
        content = parquet_bytes(table)
        (tmp_path / "file.parquet").write_bytes(content)
        file = StateFile(0, "file.parquet", 1, len(content), hashlib.sha256(content).hexdigest())
        if is_readable:
            assert read_file(str(tmp_path), file).equals(rows)
        else:
            with pytest.raises(UnreadableFileError, match="file.parquet: .*noon"):
                read_file(str(tmp_path), file)


def test_an_attempt_that_dies_changes_no_file_of_a_day(tmp_path: Path) -> None:
    state, days = str(tmp_path), arrivals(1)
    plan = plan_day(state, day_of(0))
    add_events(plan, EVENT_ROWS.frame(days[3]))
    files_of(by_bucket(EVENT_ROWS.frame(days[5]), plan), plan)
    for file in read_day(state, day_of(0)).files:
        assert read_file(state, file).num_rows == file.rows


def test_the_transforms_add_a_day(tmp_path: Path) -> None:
    """The users of the user table are looked up by bucket, and reach the plays of their bucket."""
    state, days = str(tmp_path), arrivals(4)
    for number in range(11):
        stored = add_events(plan_day(state, day_of(number)), EVENT_ROWS.frame(days[number]))
    plan = plan_day(state, day_of(11))
    listed = PLAYS.frame([{"user_id": user, "market": 5} for user in ("u1", "nobody")])

    def build(root: beam.Pipeline) -> list[beam.PCollection]:
        events, files = tables_of(root, "events", EVENT_ROWS, [EVENT_ROWS.frame(days[11])]) | AddDay(plan)
        opened = Opened(tables_of(root, "codes", TRACK_CODES, [codes_on(11)]), open_frame)
        users = tables_of(root, "users", PLAYS, [PLAYS.frame(), listed])
        plays = tables_of(root, "plays", PLAYS, [PLAYS.frame(), PLAYS.frame([{"user_id": "u1"}])])
        kept, _ = plays | OrderHistories(opened, MAX_USER_EVENTS, OfBucket(users))
        return [events, files | CommitDay(plan, STARTED_AT), kept]

    events, _, kept = run_graphs(build)
    expected = EVENT_ROWS.conform(*[to_frame(table) for _, table in stored], EVENT_ROWS.frame(days[11]))
    order = [pl.col(name).cast(pl.String) for name in EVENT_ROWS.names]
    assert joined(events).sort(order).equals(joined([(0, to_table(expected, EVENT_ROWS))]).sort(order))
    assert read_day(state, day_of(11)).num_rows == expected.height
    assert joined(kept).select("user_id", "market").rows() == [("nobody", 5), ("u1", 5)]
