"""Everything that is valid in Parquet is read: ids, numbers, times and truth values of any type and encoding."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.track_codes import READ_TRACKS
from transforms.reading.conversions import convert, count_unreadable, is_convertible, split_text
from transforms.reading.read_tables import read_row_group
from transforms.reading.source_columns import RowGroup
from transforms.tables.files import stat_file
from transforms.tables.schemas import EVENT_ROWS, NAME, TIMESTAMP, TRACKS

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
DAY = date(2026, 1, 1)
WHOLE = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]
WHOLE += [
    pa.decimal128(3, 0),
    pa.decimal128(9, 2),
    pa.decimal128(20, 0),
    pa.decimal256(60, 10),
    pa.float32(),
    pa.float64(),
]
TEXT = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.binary(1),
]


def converted(values: pa.Array, wanted: pa.DataType, factor: float | None = None) -> list[object]:
    assert is_convertible(values.type, wanted, factor)
    result = convert(pa.chunked_array([values.slice(0, 1), values.slice(1)]), wanted, factor)
    assert result.type == wanted
    return result.to_pylist()  # type: ignore[no-any-return]


def numbers(kind: pa.DataType, *values: int | None) -> pa.Array:
    if kind in TEXT:
        return pa.array([None if one is None else str(one).encode() for one in values]).cast(kind)
    return pa.array([Decimal(one) if one and pa.types.is_decimal(kind) else one for one in values], kind)


@pytest.mark.parametrize("wanted", [pa.string(), NAME], ids=str)
@pytest.mark.parametrize("index", [None, pa.int8(), pa.uint8(), pa.int64(), pa.uint64()], ids=str)
@pytest.mark.parametrize("kind", [*WHOLE, *TEXT], ids=str)
def test_ids_of_any_type(kind: pa.DataType, index: pa.DataType | None, wanted: pa.DataType) -> None:
    values = numbers(kind, 7, None, 3)
    if index is not None:
        codes = pa.array([0, None, 1], index)
        values = pa.DictionaryArray.from_arrays(codes, numbers(kind, 7, 3))
    assert converted(values, wanted) == ["7", None, "3"]


@given(ids=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1)), max_size=20))
def test_whole_numbers_keep_all_digits(ids: list[int | None]) -> None:
    kinds = [pa.decimal128(38, 0), pa.decimal256(40, 3)]
    kinds += [pa.uint64()] * all(one is None or one >= 0 for one in ids) + [pa.int64()] * all(
        (one or 0) < 2**63 for one in ids
    )
    for kind in kinds:
        values = pa.array([one if one is None or not pa.types.is_decimal(kind) else Decimal(one) for one in ids], kind)
        assert converted(values, NAME) == [one if one is None else str(one) for one in ids]


def test_ids_of_pandas_with_missing_values_and_uuids() -> None:
    assert converted(pa.array([3.0, float("nan"), 2.0**53]), NAME) == ["3", None, "9007199254740992"]
    one = UUID(int=12345678901234567890)
    values = pa.array([one.bytes, None], pa.uuid())
    assert converted(values, NAME) == converted(values, pa.string()) == [str(one), None]


@pytest.mark.parametrize("values", [pa.array([1.5]), pa.array([Decimal("1.5")]), pa.array([b"\xff"])], ids=str)
@pytest.mark.parametrize("wanted", [pa.string(), NAME], ids=str)
def test_ids_that_are_none_are_an_error(values: pa.Array, wanted: pa.DataType) -> None:
    with pytest.raises(pa.ArrowInvalid):
        converted(values, wanted)


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "RLE_DICTIONARY"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_ids_of_every_encoding(tmp_path: Path, encoding: str, version: str) -> None:
    ids = [f"user-{number % 7}" for number in range(50)]
    table = pa.table({"user_id": ids, "track_id": [one.encode() for one in ids], "played_at": [NOON] * 50})
    coded = encoding == "RLE_DICTIONARY"
    encodings = None if coded else dict.fromkeys(("user_id", "track_id"), encoding)
    path = str(tmp_path / "e.parquet")
    pq.write_table(table, path, use_dictionary=coded, column_encoding=encodings, data_page_version=version)
    (read,) = read_row_group(RowGroup(0, stat_file(path), 0, 50), schema=EVENT_ROWS, column_mapping={})
    assert read.column("user_id").to_pylist() == read.column("track_id").to_pylist() == ids


@pytest.mark.parametrize("wanted", [pa.int64(), pa.int32(), pa.float64()], ids=str)
@pytest.mark.parametrize("kind", WHOLE, ids=str)
def test_numbers_of_any_type(kind: pa.DataType, wanted: pa.DataType) -> None:
    assert converted(numbers(kind, 7, None, 3), wanted) == [7, None, 3]
    texts = pa.array([" 7 ", "seven", "3.0", ""])
    assert converted(texts, wanted) == [7, None, 3, None]


def test_durations_are_milliseconds() -> None:
    spans = [timedelta(seconds=90), None]
    assert converted(pa.array(spans, pa.duration("us")), pa.int64()) == [90_000, None]


@given(
    time=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), hours=st.integers(-12, 14), minutes=st.integers(0, 59)
)
def test_times_as_text(time: datetime, hours: int, minutes: int) -> None:
    zone = timezone(timedelta(hours=hours, minutes=minutes if hours >= 0 else -minutes))
    utc = time.replace(tzinfo=timezone.utc)
    there = time.replace(tzinfo=zone)
    texts = [str(time), time.isoformat(), f"{time.isoformat()}Z", f"{time} UTC", there.isoformat(), str(there)]
    expected = [utc] * 4 + [there.astimezone(timezone.utc)] * 2
    assert converted(pa.array([*texts, None]), TIMESTAMP) == [*expected, None]


def test_text_that_is_no_time_is_null() -> None:
    texts = ["", "noon", "2026-13-01", "2026-02-30 10:00", "01/02/2026", "2026-01-01 25:00", "1767268800", "2026-01-01"]
    assert converted(pa.array(texts), TIMESTAMP) == [None] * 7 + [NOON.replace(hour=0)]


@pytest.mark.parametrize(("factor", "unit"), [(1e6, 1), (1e3, 1000), (1.0, 10**6), (1e-3, 10**9)])
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.decimal128(20, 0), pa.string()], ids=str)
def test_times_as_numbers_need_a_unit(kind: pa.DataType, factor: float, unit: int) -> None:
    number = int(NOON.timestamp()) * unit
    values = numbers(kind, number)
    (time,) = converted(values, TIMESTAMP, factor)
    assert isinstance(time, datetime) and abs(time - NOON) < timedelta(milliseconds=1)
    assert is_convertible(kind, TIMESTAMP) is (kind == pa.string())


def test_times_and_dates_of_each_other() -> None:
    assert converted(pa.array([DAY, None]), TIMESTAMP) == [NOON.replace(hour=0), None]
    assert converted(pa.array([DAY], pa.date64()), TIMESTAMP) == [NOON.replace(hour=0)]
    for kind in (pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ms", "Pacific/Auckland")):
        assert converted(pa.array([datetime(2025, 12, 31, 23, 59)], pa.timestamp("us")).cast(kind), pa.date32()) == [
            date(2026, 1, 1) if kind.tz == "Pacific/Auckland" else date(2025, 12, 31)
        ]


def test_dates_as_catalogs_write_them() -> None:
    texts = [
        "1998",
        "2004-05",
        "2025-12-20",
        "20251220",
        "2025-12-20T10:00:00Z",
        "",
        "unknown",
        "2025-02-30",
        "0",
        None,
    ]
    expected = [date(1998, 1, 1), date(2004, 5, 1), *[date(2025, 12, 20)] * 3, *[None] * 5]
    assert converted(pa.array(texts), pa.date32()) == expected
    assert converted(pa.array([1998, 20251220, 0, None]), pa.date32()) == [expected[0], expected[2], None, None]


def test_truth_values() -> None:
    assert converted(pa.array([1, 0, 2, None]), pa.bool_()) == [True, False, None, None]
    # as pandas writes them where some are missing
    assert converted(pa.array([1.0, 0.0, float("nan")]), pa.bool_()) == [True, False, None]
    assert converted(pa.array([1998.0, float("nan")]), pa.date32()) == [date(1998, 1, 1), None]
    assert converted(pa.array(["true", "False", " 1", "0", "maybe"]), pa.bool_()) == [True, False, True, False, None]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.binary()),
        pa.list_view(pa.string()),
        pa.list_(NAME),
    ],
    ids=str,
)
def test_lists(kind: pa.DataType) -> None:
    values = pa.array([["a", None], None, []], kind)
    assert converted(values, pa.list_(pa.string())) == [["a", None], None, []]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pa.bool_(), pa.string()),
        (pa.struct([("a", pa.int64())]), pa.string()),
        (pa.string(), pa.list_(pa.string())),
        (pa.timestamp("us"), pa.int64()),
        (pa.time64("us"), TIMESTAMP),
    ],
)
def test_which_types_are_not_convertible(found: pa.DataType, wanted: pa.DataType) -> None:
    assert not is_convertible(found, wanted)


@given(lists=st.lists(st.one_of(st.none(), st.lists(st.text("ab ,", min_size=1)))), separator=st.sampled_from("|/*@,"))
def test_text_is_split_into_lists(lists: list[list[str] | None], separator: str) -> None:
    parts = [None if one is None else [part for part in one if separator not in part] for one in lists]
    texts = pa.array([None if one is None else f" {separator} ".join(one) for one in parts], pa.string())
    expected = [None if one is None else [part.strip() for part in one if part.strip()] for one in parts]
    assert split_text(pa.chunked_array([texts]), separator).to_pylist() == expected


def test_a_vector_that_is_text() -> None:
    values = split_text(pa.chunked_array([["0.5 1e2 x", None, ""]]), " ")
    assert convert(values, pa.list_(pa.float32())).to_pylist() == [[0.5, 100, None], None, []]


SAYS_NOTHING = [None, "", "  "]


@given(
    texts=st.lists(st.sampled_from([*SAYS_NOTHING, "7", "0", "1998", "2026-01-01", "seven", "NULL", "2026-13-01"])),
    kind=st.sampled_from([pa.int64(), pa.float64(), TIMESTAMP, pa.date32(), pa.bool_(), pa.string(), NAME]),
    is_coded=st.booleans(),
)
def test_every_value_that_becomes_null_is_counted(texts: list[str | None], kind: pa.DataType, is_coded: bool) -> None:
    values = pa.chunked_array([pa.array(texts, pa.string())])
    values = values.dictionary_encode() if is_coded else values
    result = convert(values, kind)
    lost = [text for text, value in zip(texts, result.to_pylist(), strict=True) if value is None]
    assert count_unreadable(values, result) == sum(text not in SAYS_NOTHING for text in lost)


def test_numbers_that_say_nothing_are_no_loss() -> None:
    values = pa.chunked_array([pa.array([1.0, float("nan"), float("inf"), None])])
    assert count_unreadable(values, convert(values, pa.int64())) == 1


def test_every_declared_type_fits_itself_and_null() -> None:
    for column in (*TRACKS.columns, *EVENT_ROWS.columns, *READ_TRACKS.columns):
        assert is_convertible(column.type, column.type) and converted(pa.nulls(2), column.type) == [None, None]


def test_structs_are_read_by_the_names_of_their_fields() -> None:
    """Pages of other versions have further fields, in another order; those without a needed one are refused."""
    card = pa.struct([("track_id", pa.string()), ("score", pa.float32())])
    found = pa.list_(pa.struct([("title", pa.string()), ("shelf_id", pa.string()), ("tracks", pa.list_(card))]))
    wanted = pa.list_(
        pa.struct([("shelf_id", pa.string()), ("tracks", pa.list_(pa.struct([("track_id", pa.string())])))])
    )
    pages = [[{"title": "Mix", "shelf_id": "a", "tracks": [{"track_id": "t", "score": 0.5}]}], None, []]
    shelf = [{"shelf_id": "a", "tracks": [{"track_id": "t"}]}]
    assert is_convertible(found, wanted) and not is_convertible(wanted, found)
    assert not is_convertible(pa.list_(pa.string()), wanted)
    assert converted(pa.array(pages, found), wanted) == [shelf, None, []]
