from pathlib import Path

import pytest

from tests.stored_days import add_events, plan_day
from transforms.publishing.erasures import record_erasure
from transforms.state.commit_day import commit_day
from transforms.state.state_days import StateDay, StateFile, list_days, read_day, save_day
from transforms.tables.schemas import EVENT_ROWS
from transforms.tables.stage_counters import StageError

DAY = "2025-12-31"


def test_no_day_is_added_after_an_erasure(tmp_path: Path) -> None:
    state, plan = str(tmp_path), plan_day(str(tmp_path), DAY)
    record_erasure(state, "2026-01-01T00:00:01+00:00", 1)
    with pytest.raises(StageError, match="users were erased"):
        add_events(plan, EVENT_ROWS.frame())
    assert list_days(state) == []
    commit_day(plan, "2026-01-01T00:00:02+00:00", [])
    assert list_days(state) == [DAY]


def file_of(bucket: int, day: str, is_base: bool = False) -> StateFile:
    return StateFile(bucket, f"events/ds={day}/run=a/bucket-{bucket:05d}.parquet", 1, 1, f"{bucket} {day}", is_base)


def test_a_base_stands_for_the_files_of_its_bucket(tmp_path: Path) -> None:
    state = str(tmp_path)
    earlier = (file_of(0, "2025-12-29"), file_of(0, "2025-12-30"), file_of(1, "2025-12-30"))
    save_day(state, StateDay("2025-12-30", 3, files=earlier))
    commit_day(plan_day(state, DAY), "2026-01-01T00:00:00+00:00", [file_of(1, DAY), file_of(0, DAY, is_base=True)])
    found = read_day(state, DAY)
    assert found.files == (file_of(0, DAY, is_base=True), earlier[2], file_of(1, DAY))
    assert (found.before, found.before_digest) == ("2025-12-30", read_day(state, "2025-12-30").digest)
