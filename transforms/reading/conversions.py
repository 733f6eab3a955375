"""Convert columns of files to declared types: ids of any kind to text, numbers and text to times and dates."""

from collections.abc import Callable
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

# Numbers and times beyond these are meaningless, and would overflow in some stage.
_MAX_INTEGER = 2.0**62
_MIN_TIME, _MAX_TIME = datetime(1, 1, 1), datetime(9999, 12, 31)
_ISO_TIME = (
    r"^\s*(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:[.,]\d{1,9})?)?)?"
    r"\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?\s*$"
)
_YEAR, _YEAR_AND_MONTH, _DIGITS = r"^\s*(\d{4})\s*$", r"^\s*(\d{4}-\d{2})\s*$", r"^\s*(\d{4})(\d{2})(\d{2})\s*$"
_TRUE, _FALSE = ("true", "t", "yes", "1", "1.0"), ("false", "f", "no", "0", "0.0")

_Kind = Callable[[pa.DataType], bool]
_TEXT: tuple[_Kind, ...] = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES: tuple[_Kind, ...] = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_NUMBERS: tuple[_Kind, ...] = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_LISTS: tuple[_Kind, ...] = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_TIMES: tuple[_Kind, ...] = (pa.types.is_timestamp, pa.types.is_date)
# What each declared type is read from.
_ACCEPTED: tuple[tuple[_Kind, tuple[_Kind, ...]], ...] = (
    (pa.types.is_string, (*_TEXT, *_BYTES, *_NUMBERS)),
    (pa.types.is_integer, (*_NUMBERS, *_TEXT, pa.types.is_duration)),
    (pa.types.is_floating, (*_NUMBERS, *_TEXT)),
    (pa.types.is_timestamp, (*_TIMES, *_TEXT)),
    (pa.types.is_date, (*_TIMES, *_TEXT, *_NUMBERS)),
    (pa.types.is_boolean, (pa.types.is_boolean, *_NUMBERS, *_TEXT)),
)


def is_convertible(found: pa.DataType, wanted: pa.DataType, factor: float | None = None) -> bool:
    """Return whether a file's column type can be converted; a number is a time only by a factor."""
    found, wanted = _plain(found), _plain(wanted)
    if found == wanted or pa.types.is_null(found):
        return True
    if pa.types.is_list(wanted):
        return any(is_kind(found) for is_kind in _LISTS) and is_convertible(found.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(found) and all(_has_field(found, field) for field in wanted)
    if factor is not None and pa.types.is_timestamp(wanted):
        return any(is_kind(found) for is_kind in (*_NUMBERS, *_TEXT))
    return any(is_wanted(wanted) and any(kind(found) for kind in accepted) for is_wanted, accepted in _ACCEPTED)


def _has_field(found: pa.StructType, wanted: pa.Field) -> bool:
    """Return whether a struct has a field that can be converted; further ones are left out."""
    at = found.get_field_index(wanted.name)
    return at >= 0 and is_convertible(found.field(at).type, wanted.type)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary, and that which an extension type is stored as."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def type_as_read(found: pa.DataType, separator: str) -> pa.DataType:
    """Return the type that convert() gets of a column: of text that is split a list, of other types themselves."""
    is_text = any(is_kind(_plain(found)) for is_kind in (*_TEXT, *_BYTES, *_NUMBERS))
    return found if not separator else pa.list_(pa.string()) if is_text else pa.struct([])


def convert(values: pa.ChunkedArray, wanted: pa.DataType, factor: float | None = None) -> pa.ChunkedArray:
    """Cast a column whose type is_convertible().

    Numbers are multiplied by the factor and rounded; times without a zone are UTC; numbers of a time are microseconds
    since 1970 when they are multiplied. Text that is no number, time, date or truth value is null.

    Raises:
        pa.ArrowInvalid: an id is a number with a fraction, or no UTF-8; text stands where a list should.
    """
    found = values.type
    if values.null_count == len(values):
        # of any type: a text file has no other for a column that it lacks
        return pa.chunked_array([pa.nulls(len(values), wanted)])
    if pa.types.is_dictionary(wanted):
        return _to_names(values, wanted)
    if pa.types.is_dictionary(found):
        parts = [
            convert(pa.chunked_array([chunk.dictionary]), wanted, factor).combine_chunks().take(chunk.indices)
            for chunk in values.chunks
        ]
        return pa.chunked_array(parts, wanted)
    if pa.types.is_list(wanted):
        return _to_lists(values, wanted)
    converters: tuple[tuple[_Kind, Callable[[pa.ChunkedArray], pa.ChunkedArray]], ...] = (
        (pa.types.is_string, _to_text),
        (pa.types.is_integer, lambda values: _to_integers(values, factor).cast(wanted)),
        (pa.types.is_floating, lambda values: _to_floats(values).cast(wanted)),
        (pa.types.is_timestamp, lambda values: _to_times(values, factor).cast(wanted)),
        (pa.types.is_date, lambda values: _to_dates(values).cast(wanted)),
        (pa.types.is_boolean, _to_truth),
    )
    return next(converter for is_wanted, converter in converters if is_wanted(wanted))(values)


def split_text(values: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Split text at a separator, without outer space and empty parts: a blank text is an empty list."""
    parts = _series(convert(values, pa.string())).str.split(separator)
    return _arrow(parts.list.eval(pl.element().str.strip_chars().replace("", None).drop_nulls()))


def empty_as_null(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with empty texts as null: writers that know no null, and quoted CSV, have them for no value."""
    if pa.types.is_dictionary(values.type):
        return pa.chunked_array([_without_empty(chunk) for chunk in values.chunks], values.type)
    return _null_where(pc.equal(values, ""), values) if pa.types.is_string(values.type) else values


def _without_empty(names: pa.DictionaryArray) -> pa.DictionaryArray:
    is_empty = pc.equal(names.dictionary, "")
    # which most dictionaries do not have: their rows are not looked at
    if not pc.any(is_empty).as_py():
        return names
    return pa.DictionaryArray.from_arrays(_null_where(is_empty.take(names.indices), names.indices), names.dictionary)


def _null_where(mask: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(mask, pa.scalar(None, values.type), values) if pc.any(mask).as_py() else values


def count_unreadable(values: pa.ChunkedArray, converted: pa.ChunkedArray) -> int:
    """Count the values that convert() made null and that say something: no blank text, no NaN."""
    if converted.null_count <= values.null_count:
        return 0
    kind = _plain(values.type)
    given = values.cast(kind) if pa.types.is_dictionary(values.type) else values
    if any(is_kind(kind) for is_kind in _TEXT):
        says = pc.not_equal(pc.utf8_trim_whitespace(given), "")
    elif pa.types.is_floating(kind):
        says = pc.invert(pc.is_nan(given))
    else:
        says = pc.is_valid(given)
    return int(pc.sum(pc.and_(pc.is_null(converted), says)).as_py() or 0)


def _to_lists(values: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Convert lists; in those of numbers, text that is none is null (pa.ArrowInvalid: the values are no lists)."""
    if not any(is_kind(values.type) for is_kind in _LISTS):
        raise pa.ArrowInvalid(f"the column is {values.type} and must be {wanted}: @split(|) in its mapping splits text")
    inner = _plain(values.type.value_type)
    if not (pa.types.is_floating(wanted.value_type) and any(is_kind(inner) for is_kind in _TEXT)):
        return values.cast(wanted)
    lists = pl.Series(pl.from_arrow(values.cast(pa.large_list(pa.large_string()))))
    numbers = lists.list.eval(pl.element().str.strip_chars().cast(pl.Float64, strict=False))
    return _arrow(numbers).cast(wanted)


def _to_names(values: pa.ChunkedArray, wanted: pa.DictionaryType) -> pa.ChunkedArray:
    """Encode a column as a dictionary of text; each distinct value is converted once."""
    if not pa.types.is_dictionary(values.type):
        is_whole, is_uuid = pa.types.is_floating(values.type), isinstance(values.type, pa.UuidType)
        values = (_to_whole(values) if is_whole else _to_text(values) if is_uuid else values).dictionary_encode()
    if any(is_kind(values.type.value_type) for is_kind in _TEXT):
        return values.cast(wanted)
    texts = (
        convert(pa.chunked_array([chunk.dictionary]), wanted.value_type).combine_chunks() for chunk in values.chunks
    )
    named = [
        pa.DictionaryArray.from_arrays(chunk.indices.cast(wanted.index_type), text)
        for chunk, text in zip(values.chunks, texts, strict=True)
    ]
    return pa.chunked_array(named, wanted)


def _to_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert ids to text: 3 and 3.0 are "3", 16 bytes that are declared as a UUID are its 36 characters."""
    found = values.type
    if isinstance(found, pa.UuidType):
        digits = pl.Series(pl.from_arrow(pc.cast(values, found.storage_type).cast(pa.binary()))).bin.encode("hex")
        parts = (digits.str.slice(start, size) for start, size in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12)))
        return _arrow(pl.select(pl.concat_str(*parts, separator="-")).to_series()).cast(pa.string())
    if pa.types.is_floating(found):
        return _to_whole(values).cast(pa.string())
    if pa.types.is_decimal(found):
        whole = pa.decimal256 if pa.types.is_decimal256(found) else pa.decimal128
        return values.cast(whole(found.precision, 0)).cast(pa.string())
    return values.cast(pa.string())


def _to_whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert floats without a fraction to integers; NaN, where pandas has no value, is null."""
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values).cast(pa.float64()).cast(pa.int64())


def _to_floats(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if any(is_kind(values.type) for is_kind in _TEXT):
        return _arrow(_series(values).str.strip_chars().cast(pl.Float64, strict=False))
    return values.cast(pa.float64(), safe=False)


def _to_integers(values: pa.ChunkedArray, factor: float | None) -> pa.ChunkedArray:
    """Scale and round numbers; without a number, or with one that is not finite, the value is null."""
    if pa.types.is_duration(values.type):
        values = values.cast(pa.duration("ms"), safe=False).cast(pa.int64())
    if factor is None and pa.types.is_signed_integer(values.type):
        return values
    scaled = pc.round(pc.multiply(_to_floats(values), 1.0 if factor is None else factor))
    finite = pc.if_else(pc.is_finite(scaled), scaled, pa.scalar(None, pa.float64()))
    return _clip(finite, -_MAX_INTEGER, _MAX_INTEGER).cast(pa.int64())


def _to_times(values: pa.ChunkedArray, factor: float | None) -> pa.ChunkedArray:
    """Convert to microseconds; times out of the years 1 to 9999 become the nearest that is not."""
    if factor is not None and not pa.types.is_timestamp(values.type):
        values = _to_integers(values, factor).cast(pa.timestamp("us"))
    elif any(is_kind(values.type) for is_kind in _TEXT):
        return _arrow(_parse_times(_series(values)))
    elif pa.types.is_date(values.type):
        values = values.cast(pa.date32()).cast(pa.timestamp("s"))
    # nanoseconds cannot reach the limits; seconds can exceed the range of microseconds
    times = values.cast(pa.timestamp("us" if values.type.unit == "ns" else values.type.unit), safe=False)
    return _clip(times, _MIN_TIME, _MAX_TIME).cast(pa.timestamp("us"))


def _parse_times(texts: pl.Series) -> pl.Series:
    """Parse ISO 8601 times and dates; without a zone they are UTC, and other text is null."""
    names = ("day", "minute", "second", "utc", "sign", "zone_hours", "zone_minutes")
    parts = texts.rename("text").to_frame().select(pl.col("text").str.extract_groups(_ISO_TIME)).unnest("text")
    parts = parts.rename(dict(zip(parts.columns, names, strict=True)))
    clock = pl.concat_str(
        "day",
        pl.lit(" "),
        pl.col("minute").fill_null("00:00"),
        pl.col("second").fill_null(":00").str.replace(",", ".", literal=True),
    )
    zone = pl.duration(
        hours=pl.col("zone_hours").cast(pl.Int64).fill_null(0),
        minutes=pl.col("zone_minutes").cast(pl.Int64).fill_null(0),
    )
    local = clock.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return parts.select(local + pl.when(pl.col("sign") == "-").then(zone).otherwise(-zone)).to_series()


def _to_dates(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert to dates: of a time its day, of a year its first day; whole numbers are years or as 20251231."""
    if pa.types.is_timestamp(values.type):
        zone = values.type.tz
        times = _to_times(values, None)
        return (times.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)) if zone else times).cast(
            pa.date32()
        )
    if pa.types.is_date(values.type):
        return values.cast(pa.date32())
    texts = _series(values.cast(pa.string()))
    whole = (
        texts.str.replace(_YEAR, "${1}-01-01")
        .str.replace(_YEAR_AND_MONTH, "${1}-01")
        .str.replace(_DIGITS, "${1}-${2}-${3}")
    )
    return _arrow(_parse_times(whole)).cast(pa.date32(), safe=False)


def _to_truth(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert 0 and 1, and words for them; other values are null."""
    if pa.types.is_boolean(values.type):
        return values
    words = _series(values.cast(pa.string())).str.strip_chars().str.to_lowercase()
    known = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
    return _arrow(words.replace_strict(known, default=None, return_dtype=pl.Boolean))


def _series(texts: pa.ChunkedArray) -> pl.Series:
    return pl.Series(pl.from_arrow(texts.cast(pa.large_string())))


def _arrow(series: pl.Series) -> pa.ChunkedArray:
    return pa.chunked_array([series.to_arrow(compat_level=pl.CompatLevel.oldest())])


def _clip(values: pa.ChunkedArray, minimum: float | datetime, maximum: float | datetime) -> pa.ChunkedArray:
    low, high = pa.scalar(minimum, values.type), pa.scalar(maximum, values.type)
    return pc.min_element_wise(pc.max_element_wise(values, low, skip_nulls=False), high, skip_nulls=False)
