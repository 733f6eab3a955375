"""PLAY_WINDOWS: the windows of plays that the sequence model is trained on, as rows of fixed width."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from models.sequence.contract import MEMORY_TRACKS, WINDOW_PLAYS, PlayWindows
from transforms.sequence_model.user_plays import NumberedWindows
from transforms.tables.columns import Column, Schema
from transforms.tables.files import open_parquet

_COLUMNS = WINDOW_PLAYS + 1
_LISTS = {
    "track": (pa.int32(), _COLUMNS, "codes of consecutive plays, oldest first; -1: none"),
    "seconds": (pa.float64(), _COLUMNS, "start of each play, seconds since 1970"),
    "action": (pa.int8(), _COLUMNS, "0 unknown, 1 skipped, 2 listened, 3 partial, 4 complete"),
    "is_saved": (pa.int8(), _COLUMNS, "1: saved within an hour"),
    "daypart": (pa.int8(), _COLUMNS, "quarter of the day (UTC)"),
    "memory": (pa.int32(), MEMORY_TRACKS, "own tracks of the highest activation before the window; -1: none"),
    "strength": (pa.float32(), MEMORY_TRACKS, "ln of their activation"),
}
PLAY_WINDOWS = Schema(
    "play_windows",
    (
        Column("user_key", pa.int64(), "hash of the user's id, for an order that does not depend on buckets"),
        Column("number", pa.int32(), "number of the window among the user's windows"),
        *(Column(name, pa.list_(kind, size), meaning) for name, (kind, size, meaning) in _LISTS.items()),
        Column("length", pa.int32(), "columns in use"),
        Column("first", pa.int32(), "the first column that is predicted"),
        Column("fold", pa.int8(), "fold of the user, for successor counts without their own plays"),
    ),
)


def windows_frame(numbered: NumberedWindows) -> pl.DataFrame:
    """Return windows as PLAY_WINDOWS."""
    windows = numbered.windows
    lists = {name: getattr(windows, name) for name in _LISTS}
    return pl.DataFrame(
        {
            "user_key": numbered.key.view(np.int64),
            "number": numbered.number,
            **lists,
            "length": windows.length,
            "first": windows.first,
            "fold": windows.fold,
        },
        schema=dict(PLAY_WINDOWS.frame().schema),
    )


def windows_of(frame: pl.DataFrame) -> PlayWindows:
    """Return PLAY_WINDOWS as arrays."""
    lists = {name: frame[name].to_numpy().reshape(-1, size) for name, (_, size, _) in _LISTS.items()}
    return PlayWindows(**lists, **{name: frame[name].to_numpy() for name in ("length", "first", "fold")})


def stream_windows(paths: Sequence[str]) -> Iterator[PlayWindows]:
    """Yield the windows of files a row group at a time: memory does not grow with the files."""
    for path in paths:
        with open_parquet(path) as file:
            for number in range(file.num_row_groups):
                frame = pl.DataFrame(pl.from_arrow(file.read_row_group(number)))
                if len(frame):
                    yield windows_of(frame)
