"""Files: replaced whole, and compact."""

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.tables.files import list_files, parquet_bytes, write_atomically


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "CURRENT"
    write_atomically(str(path), b"run=1\n")
    write_atomically(str(path), b"run=2\n")
    assert path.read_bytes() == b"run=2\n" and list(path.parent.iterdir()) == [path]

    def full(number: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(str(path), b"run=3\n")
    assert path.read_text() == "run=2\n" and list(path.parent.iterdir()) == [path]


def test_content_and_name_are_on_the_disk_before_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda number: forced.append(os.readlink(f"/proc/self/fd/{number}")))
    write_atomically(f"{tmp_path}/CURRENT", b"run=1\n")
    (draft, folder) = forced
    assert Path(draft).name.startswith(".CURRENT.") and folder == str(tmp_path)


def test_a_listing_survives_what_is_deleted_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/x", "b/y"):
        write_atomically(f"{tmp_path}/{name}", b"")
    scan = os.scandir

    def scan_late(folder: str) -> object:
        if Path(folder).name == "a":
            (tmp_path / "a" / "x").unlink()
            (tmp_path / "a").rmdir()
        return scan(folder)

    monkeypatch.setattr("os.scandir", scan_late)
    assert [file.path for file in list_files(str(tmp_path))] == [f"{tmp_path}/b/y"]


def test_floats_have_no_dictionary_and_all_else_does() -> None:
    kind = pa.struct([("name", pa.string()), ("score", pa.float32())])
    rows = [{"user": "a", "score": 0.5, "cards": [{"name": "x", "score": 0.25}]}] * 3
    schema = pa.schema([("user", pa.string()), ("score", pa.float64()), ("cards", pa.list_(kind))])
    content = parquet_bytes(pa.Table.from_pylist(rows, schema=schema))
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    coded = {column.path_in_schema.split(".")[-1] for column in columns if "RLE_DICTIONARY" in column.encodings}
    assert coded == {"user", "name"} and len(columns) == 4
    assert pq.read_table(io.BytesIO(content)).to_pylist() == rows
