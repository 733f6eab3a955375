"""Nothing is lost, whoever wrote it: eight logs by each of 27 writers, of which the same rows are kept."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pytest

from pipelines.inputs.inputs import inspect_input
from tests.pipelines.inputs.writers import AS_OF, TRACKS, WRITERS, log
from transforms.events.clean_events import clean_events, keep_plays, keep_rejected
from transforms.reading.read_tables import read_row_group, unreadable_values
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import CHECKED, EVENT_ROWS, EVENTS, TRACK_CODES

MIN_PLAYED_AT = datetime(1999, 1, 1, tzinfo=timezone.utc)
CODES = TRACK_CODES.frame([{"track_id": one, "track": code} for code, one in enumerate(sorted(TRACKS))])
NUM_LOGS = 8
LEFT_OUT = ("_SUCCESS", ".part-0.crc", "README.md")


class Cleaned(NamedTuple):
    """What became of a log: its plays in order, and the number of rejected rows by reason."""

    kept: list[tuple[object, ...]]
    rejected: Counter[str]


def cleaned(tables: Iterator[pa.Table]) -> Cleaned:
    kept: list[tuple[object, ...]] = []
    rejected: Counter[str] = Counter()
    known = {"as_of": AS_OF, "min_played_at": MIN_PLAYED_AT, "track_codes": CODES, "max_user_events": None}
    for table in tables:
        checked = to_frame(to_table(clean_events(to_frame(table), **known), CHECKED))  # type: ignore[arg-type]
        plays = keep_plays(checked).drop_nulls("track")
        kept += plays.with_columns(pl.col("user_id").cast(pl.String)).iter_rows()
        rejected.update(keep_rejected(checked)["reason"].to_list())
    return Cleaned(sorted(kept, key=str), rejected)


@cache
def expected(seed: int) -> Cleaned:
    return cleaned(iter([to_table(EVENT_ROWS.conform(log(seed)), EVENT_ROWS)]))


@pytest.mark.parametrize("name", WRITERS)
def test_kept_and_rejected_and_left_out_is_all_that_is_there(name: str, tmp_path: Path) -> None:
    for seed in range(NUM_LOGS):
        folder, frame = tmp_path / f"log {seed}", log(seed)
        folder.mkdir()
        mapping = WRITERS[name](frame, folder)
        for one in LEFT_OUT:
            (folder / one).write_text("x")
        found = inspect_input("events", str(folder), mapping, schema=EVENTS)
        groups = found.row_groups
        tables = [
            table
            for group in groups
            for table in read_row_group(group, schema=EVENT_ROWS, column_mapping=found.column_mapping)
        ]
        result = cleaned(iter(tables))
        assert len(result.kept) + result.rejected.total() == found.num_rows == len(frame)
        assert result == expected(seed)
        assert not any(unreadable_values(table) for table in tables)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert found.num_files + sum(map(len, found.left_out.values())) == len(files)
        assert sorted(one for names in found.left_out.values() for one in names) == sorted(LEFT_OUT)
