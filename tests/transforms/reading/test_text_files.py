"""CSV and JSON Lines: what was written is read, whole, in blocks of any size; what is none is refused with its line."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.reading import text_files
from transforms.reading.source_columns import type_of
from transforms.reading.text_files import CSV, JSON_LINES, describe_text, read_text, text_format

TEXT, LIST = pa.string(), pa.list_(pa.string())
ENDS = (".csv", ".csv.gz", ".csv.zst", ".jsonl", ".ndjson.gz", ".json.zst")


def packed(path: Path, content: bytes) -> Path:
    """Write content as the name says: plain, gzip of two members, or zstd of two frames."""
    half = len(content) // 2
    if path.suffix == ".gz":
        content = gzip.compress(content[:half]) + gzip.compress(content[half:])
    elif path.suffix == ".zst":
        content = b"".join(pa.compress(part, "zstd", asbytes=True) for part in (content[:half], content[half:]) if part)
    path.write_bytes(content)
    return path


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, quoting=csv.QUOTE_NOTNULL if hasattr(csv, "QUOTE_NOTNULL") else csv.QUOTE_MINIMAL)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return sink.getvalue().encode()


def as_json(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def values_of(path: Path, **kinds: pa.DataType) -> dict[str, list[object]]:
    schema, num_rows = describe_text(str(path), kinds)
    tables = list(read_text(str(path), kinds))
    assert sum(map(len, tables)) == num_rows
    return {name: [value for table in tables for value in table.column(name).to_pylist()] for name in kinds}


def test_which_names_are_text() -> None:
    names = {"a.csv": CSV, "A.CSV.GZ": CSV, "a.jsonl": JSON_LINES, "x/a.ndjson.zst": JSON_LINES, "a.json": JSON_LINES}
    names |= dict.fromkeys(("a.parquet", "csv", "a.csv.bz2", "a.csv/b", "a.gz", "a.csv.parquet"), "")
    assert {name: text_format(name) for name in names} == names


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.text(LETTERS, min_size=1, max_size=9)


@given(
    rows=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=30),
    end=st.sampled_from(ENDS),
    block=st.sampled_from([400, 1 << 20]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_is_read_as_it_was_written(
    rows: list[tuple[str, str]], end: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_BLOCK_BYTES", block)
    monkeypatch.setattr(text_files, "_CSV_BLOCKS", pa_csv.ReadOptions(block_size=block, use_threads=False))
    records = [{"a": one, "more": 1, "b": two} for one, two in rows]
    path = packed(tmp_path / f"x{end}", (as_csv if ".csv" in end else as_json)(records))
    found = values_of(path, b=TEXT, a=TEXT, c=TEXT)
    # \N is null in a CSV, as MySQL writes it
    expected = [
        [None if ".csv" in end and word == r"\N" else word for word in column] for column in zip(*rows, strict=True)
    ]
    assert [found["a"], found["b"], found["c"]] == [*expected, [None] * len(rows)]


def test_what_is_null_in_a_csv(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.csv", b'\xef\xbb\xbfa,b\r\n007,\r\n,""\r\n\r\n\\N,"x\r\ny"\r\nNULL,NaN')
    assert values_of(path, a=TEXT, b=TEXT) == {"a": ["007", None, None, "NULL"], "b": [None, "", "x\r\ny", "NaN"]}


def test_values_of_json(tmp_path: Path) -> None:
    lines = [
        '{"a": 7, "l": ["x", null], "t": {"id": "k", "u": {"v": 1}}, "t.id": "whole", "v": [0.5, 1]}',
        "",
        '{"a": 3.0, "l": [], "t": {}, "v": []}',
        '{"a": true, "l": null, "t": null}',
        "{}",
    ]
    path = packed(tmp_path / "x.jsonl", b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    kinds = {"a": TEXT, "l": LIST, "t.u.v": TEXT, "t.id": TEXT, "v": pa.list_(pa.float32())}
    assert values_of(path, **kinds) == {
        "a": ["7", "3", "true", None],
        "l": [["x", None], [], None, None],
        "t.u.v": ["1", None, None, None],
        "t.id": ["whole", None, None, None],
        "v": [[0.5, 1.0], [], None, None],
    }


def test_types_are_described_for_messages(tmp_path: Path) -> None:
    schema, _ = describe_text(
        str(packed(tmp_path / "x.csv", b"n,t,e\n7,7,\n 8,x,\n")), {"n": TEXT, "t": TEXT, "e": TEXT}
    )
    assert [str(type_of(name, schema)) for name in "nte"] == ["int64", "string", "null"]
    rows = [{"n": 1, "s": {"x": 1}, "l": ["a"], "m": 1}, {"m": "a"}]
    schema, _ = describe_text(str(packed(tmp_path / "x.jsonl", as_json(rows))), {"n": TEXT})
    assert [str(type_of(name, schema)) for name in ("n", "s", "l", "m", "s.x", "s.y")] == [
        *("int64", "struct<x: int64>", "list<item: string>", "string", "int64", "None")
    ]


def test_a_key_that_only_later_lines_have_is_there(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.jsonl", as_json([{"a": 1}] * 2000 + [{"b": "x"}]))
    schema, num_rows = describe_text(str(path), {"a": TEXT, "b": TEXT, "c": TEXT})
    assert (schema.names, num_rows) == (["a", "b"], 2001)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"a,b\n1,2\n1,2,3\n", "Row #3: Expected 2 columns, got 3"),
        ("x.csv", b"a,b\n1,2\n1", "Row #3: Expected 2 columns, got 1"),
        ("x.csv", b'a,b\n1,"2\n', "a quote .* is not closed"),
        ("x.csv", b"", "Empty CSV file"),
        ("x.csv", b"a,b\n\xff,2\n", "invalid UTF8"),
        ("x.jsonl", b'{"a": 1}\n{"a": 1\n', "line 2: .*; each line must be one JSON object"),
        ("x.jsonl", b'{"a": 1}\n' * 1500 + b'{"a": }\n' + b'{"a": 1}\n' * 99, "line 1501: "),
        ("x.jsonl", b'{"a": 1}\n' * 1500 + b'{"l": "x"}\n' + b'{"a": 1}\n' * 99, "line 1501: .*List"),
        ("x.jsonl", b'{"a": "\xff"}\n', "line 1: "),
        ("x.json", b'[{"a": 1},\n{"a": 2}]', "line 1: "),
        ("x.json", b'[{"a": 1}]', "line 1: no JSON object, which each line must be"),
        ("x.json", b'{\n"a": 1\n}\n', "line 1: "),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(pa.ArrowInvalid, match=message):
        values_of(packed(tmp_path / name, content), a=TEXT, l=LIST)


@pytest.mark.parametrize("end", [".csv.gz", ".csv.zst", ".jsonl.gz", ".jsonl.zst"])
@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: whole + b"garbage", lambda _: b"a\n1\n"])
def test_a_compressed_file_that_is_cut_or_none_is_refused(
    tmp_path: Path, end: str, damage: Callable[[bytes], bytes]
) -> None:
    rows = [{"a": str(number)} for number in range(500)]
    path = packed(tmp_path / f"x{end}", (as_csv if ".csv" in end else as_json)(rows))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((OSError, pa.ArrowInvalid)):
        values_of(path, a=TEXT)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(text_files, "_MAX_LINE_BYTES", 4000)
    path = packed(tmp_path / "x.json", json.dumps([{"a": number} for number in range(1000)]).encode())
    with pytest.raises(pa.ArrowInvalid, match="line 1: longer than 4,000 bytes"):
        values_of(path, a=TEXT)


def test_polars_and_arrow_write_what_is_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["ü", None, "", '"q",', "line\nbreak"], "n": [1, None, 3, 4, 5]})
    frame.write_csv(tmp_path / "p.csv")
    frame.write_ndjson(tmp_path / "p.jsonl")
    pa_csv.write_csv(frame.to_arrow(), tmp_path / "a.csv")
    expected = {"a": frame["a"].to_list(), "n": ["1", None, "3", "4", "5"]}
    assert [values_of(tmp_path / name, a=TEXT, n=TEXT) for name in ("p.csv", "p.jsonl", "a.csv")] == [expected] * 3
