"""Event logs in which rows of all kinds are good and bad, and 27 writers of files."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)
TRACKS = ("t0", "007", "7", "ü", "a,b")
USERS = ("u", "0042", "42", 'q"x', "line\nbreak", "d;e", "NULL", "", None)
NUMBERS = ("1", "20", "300", None)
IDS = ("user_id", "track_id")


@cache
def log(seed: int) -> pl.DataFrame:
    """Make a log in which rows of all kinds are good and bad; in the first three all ids are numbers."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 60))

    def pick(values: tuple[object, ...]) -> list[object]:
        return [values[number] for number in rng.integers(0, len(values), size)]

    times = [AS_OF - timedelta(milliseconds=int(ms)) for ms in rng.integers(-(10**9), 10**10, size)]
    odd = [None, datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2262, 1, 1, tzinfo=timezone.utc)]
    return pl.DataFrame(
        {
            "user_id": pick(NUMBERS if seed < 3 else USERS),
            "track_id": pick(("7", "8", None) if seed < 3 else (*TRACKS, "unknown", "", None)),
            "played_at": [
                odd[number] if number < 3 else at for number, at in zip(rng.integers(0, 20, size), times, strict=True)
            ],
            "ms_played": pick((None, 0, 5, 200_000, -1)),
            "action": pick((None, "play", "like", "dislike", "hum")),
        },
        schema={
            **dict.fromkeys(IDS, pl.String),
            "played_at": pl.Datetime("us", "UTC"),
            "ms_played": pl.Int64,
            "action": pl.String,
        },
    )


def columns_as(frame: pl.DataFrame, **kinds: pa.DataType) -> pa.Table:
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    for name, kind in kinds.items():
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(kind))
    return table


def parquet(**arguments: object) -> Callable[[pl.DataFrame, Path], str]:
    """Return a writer of one Parquet file with these arguments of pyarrow."""

    def write(frame: pl.DataFrame, folder: Path) -> str:
        pq.write_table(columns_as(frame, user_id=pa.string(), track_id=pa.string()), folder / "e.parquet", **arguments)
        return ""

    return write


def typed(**kinds: pa.DataType) -> Callable[[pl.DataFrame, Path], str]:
    """Return a writer of one Parquet file with these types."""

    def write(frame: pl.DataFrame, folder: Path) -> str:
        pq.write_table(columns_as(frame, **kinds), folder / "e.parquet")
        return ""

    return write


def as_pandas(frame: pl.DataFrame, folder: Path) -> str:
    """Write nanoseconds, and floats where a number is missing."""
    floats = frame.with_columns(pl.col("ms_played").cast(pl.Float64).fill_null(float("nan")))
    pq.write_table(columns_as(floats, played_at=pa.timestamp("ns", "UTC")), folder / "e.parquet")
    return ""


def as_integers(frame: pl.DataFrame, folder: Path) -> str:
    """Write ids as integers where all of them are: 007 is none."""
    is_whole = {name: frame[name].drop_nulls().str.contains("^[1-9][0-9]*$").all() for name in IDS}
    return typed(**{name: pa.int64() for name, holds in is_whole.items() if holds})(frame, folder)


def as_milliseconds(frame: pl.DataFrame, folder: Path) -> str:
    coded = frame.with_columns(pl.col("played_at").dt.epoch("ms"), pl.col("ms_played") / 1000)
    coded.rename({"played_at": "ts", "ms_played": "seconds"}).write_parquet(folder / "e.parq")
    return "played_at:ts@ms,ms_played:seconds*1000"


def as_text(frame: pl.DataFrame, folder: Path) -> str:
    texts = frame.with_columns(pl.col("played_at").dt.to_string("iso:strict"), pl.col("ms_played").cast(pl.String))
    texts.write_parquet(folder / "e.pq")
    return "played_at:played_at@iso"


def nested(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        pl.struct(id="user_id").alias("user"),
        pl.struct(track=pl.struct(id="track_id"), at="played_at").alias("of"),
        "ms_played",
        "action",
    )


NESTED = "user_id:user.id,track_id:of.track.id,played_at:of.at"


def as_nested(frame: pl.DataFrame, folder: Path) -> str:
    nested(frame).write_parquet(folder / "e.parquet")
    return NESTED


def as_polars(frame: pl.DataFrame, folder: Path) -> str:
    frame.write_parquet(folder / "e.parquet", row_group_size=20)
    return ""


def as_spark(frame: pl.DataFrame, folder: Path) -> str:
    for part, rows in enumerate(frame.iter_slices(20)):
        rows.write_parquet(folder / f"part-{part:05d}-0a1b.c000.snappy.parquet", compression="snappy")
    return ""


def as_hive(frame: pl.DataFrame, folder: Path) -> str:
    for (action,), rows in frame.group_by("action"):
        below = folder / "_day=1" / f"action={'__HIVE_DEFAULT_PARTITION__' if action is None else action}"
        below.mkdir(parents=True)
        rows.drop("action").write_parquet(below / "000000_0")
    return ""


def as_odd_names(frame: pl.DataFrame, folder: Path) -> str:
    names = ("a [1]{x},y ü.PARQUET", "*?.parq", "b=/0", "data.0")
    for number, rows in enumerate(frame.iter_slices(-(-len(frame) // len(names)))):
        (folder / names[number]).parent.mkdir(exist_ok=True)
        rows.write_parquet(folder / names[number])
    return ""


def as_duckdb(end: str) -> Callable[[pl.DataFrame, Path], str]:
    def write(frame: pl.DataFrame, folder: Path) -> str:
        rows = columns_as(frame)
        with duckdb.connect() as database:
            database.register("events", rows)
            database.execute(f"SET TimeZone = 'Asia/Tokyo'; COPY events TO '{folder}/e.{end}'")
        return ""

    return write


def as_csv(frame: pl.DataFrame, folder: Path) -> str:
    frame.write_csv(folder / "e.csv")
    return ""


def as_csv_of_python(frame: pl.DataFrame, folder: Path) -> str:
    """Write CRLF, local times, columns in another order, one file in gzip and one plain."""
    zone = timezone(timedelta(hours=5, minutes=30))
    for part, rows in enumerate(frame.iter_slices(-(-len(frame) // 2))):
        sink = io.StringIO(newline="")
        writer = csv.writer(sink)
        writer.writerow(["more", "action", "at", *rows.columns[:2], "ms_played"])
        for user, track, at, ms, action in rows.iter_rows():
            writer.writerow(["x,\r\ny", action, at and at.astimezone(zone).isoformat(" "), user, track, ms])
        content = sink.getvalue().encode()
        (folder / f"e{part}.csv{'.gz' * part}").write_bytes(gzip.compress(content) if part else content)
    return "played_at:at"


def as_csv_in_quotes(frame: pl.DataFrame, folder: Path) -> str:
    """Write all values in quotes, as they are in tables whose columns cannot be null: without one, an empty text."""
    with (folder / "e.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(frame.columns)
        writer.writerows(frame.with_columns(pl.col("played_at").dt.to_string("iso:strict")).iter_rows())
    return ""


def as_csv_zst(frame: pl.DataFrame, folder: Path) -> str:
    seconds = frame.with_columns(pl.col("played_at").dt.epoch("us") / 1e6).rename({"played_at": "ts"})
    for part, rows in enumerate(seconds.iter_slices(20)):
        (folder / f"e{part}.CSV.zst").write_bytes(pa.compress(rows.write_csv().encode(), "zstd", asbytes=True))
    return "played_at:ts@s"


def as_json(frame: pl.DataFrame, folder: Path) -> str:
    frame.write_ndjson(folder / "e.jsonl")
    return ""


def as_json_of_python(frame: pl.DataFrame, folder: Path) -> str:
    """Write lines without the keys of nulls, one of them blank, as gzip."""
    rows = (
        {name: one.isoformat() if isinstance(one, datetime) else one for name, one in row.items() if one is not None}
        for row in frame.iter_rows(named=True)
    )
    content = "\r\n\n".join(json.dumps(row) for row in rows)
    (folder / "e.ndjson.gz").write_bytes(gzip.compress(content.encode()))
    return ""


def as_nested_json(frame: pl.DataFrame, folder: Path) -> str:
    content = nested(frame).write_ndjson().encode()
    (folder / "e.json.zst").write_bytes(pa.compress(content, "zstd", asbytes=True))
    return NESTED


WRITERS = {
    "pyarrow, version 1": parquet(version="1.0", use_dictionary=False, compression="gzip"),
    "pyarrow, pages of version 2": parquet(data_page_version="2.0", row_group_size=20, compression="zstd"),
    "DELTA_BYTE_ARRAY": parquet(use_dictionary=False, column_encoding=dict.fromkeys(IDS, "DELTA_BYTE_ARRAY")),
    "DELTA_LENGTH_BYTE_ARRAY": parquet(
        use_dictionary=False,
        column_encoding={**dict.fromkeys(IDS, "DELTA_LENGTH_BYTE_ARRAY"), "ms_played": "DELTA_BINARY_PACKED"},
    ),
    "INT96": parquet(use_deprecated_int96_timestamps=True),
    "dictionaries": typed(**dict.fromkeys((*IDS, "action"), pa.dictionary(pa.int8(), pa.string()))),
    "large_string": typed(**dict.fromkeys((*IDS, "action"), pa.large_string())),
    "string_view": typed(**dict.fromkeys((*IDS, "action"), pa.string_view())),
    "binary": typed(**dict.fromkeys(IDS, pa.binary()), ms_played=pa.decimal128(24, 2)),
    "integers": as_integers,
    "pandas": as_pandas,
    "milliseconds": as_milliseconds,
    "text": as_text,
    "nested": as_nested,
    "polars": as_polars,
    "Spark": as_spark,
    "Hive": as_hive,
    "odd names": as_odd_names,
    "DuckDB": as_duckdb("parquet"),
    "CSV of polars": as_csv,
    "CSV of Python, gzip": as_csv_of_python,
    "CSV, all in quotes": as_csv_in_quotes,
    "CSV, zstd": as_csv_zst,
    "CSV of DuckDB": as_duckdb("csv"),
    "JSON Lines of polars": as_json,
    "JSON Lines of Python, gzip": as_json_of_python,
    "JSON Lines, nested, zstd": as_nested_json,
}
