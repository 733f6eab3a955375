"""Guess which column of a file is which of ours, and in which unit, from names and first values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from transforms.reading.conversions import convert
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import ACTIONS

# Names by which other services know our columns, the most telling first; letters and digits only.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        "userid",
        "user",
        "uid",
        "listenerid",
        "listener",
        "memberid",
        "accountid",
        "customerid",
        "msno",
        "username",
    ),
    "track_id": (
        "trackid",
        "track",
        "songid",
        "song",
        "itemid",
        "item",
        "recordingid",
        "mediaid",
        "trackuri",
        "trackmbid",
    ),
    "played_at": (
        "playedat",
        "timestamp",
        "ts",
        "listenedat",
        "eventtime",
        "playtime",
        "startedat",
        "starttime",
        "datetime",
    )
    + ("time", "unixtime", "createdat", "date", "at"),
    "ms_played": ("msplayed", "playedms", "playtimes", "playtimems", "secondsplayed", "playedseconds", "playseconds")
    + ("seconds", "secs", "listenms", "listenseconds", "listeningtime", "playduration", "playtime", "dwelltime"),
    "action": ("action", "eventtype", "event", "type", "interaction", "interactiontype"),
    "arrived_at": ("arrivedat", "receivedat", "ingestedat", "loadedat"),
    "title": ("title", "trackname", "tracktitle", "songname", "songtitle", "name"),
    "artist_id": ("artistid", "artisturi", "artistmbid", "artist"),
    "artist_name": ("artistname", "artist", "performer"),
    "is_manual": ("ismanual", "manual", "isuserselected"),
    "is_shuffle": ("isshuffle", "shuffle", "shuffled"),
    "disc_number": ("discnumber", "disc", "discno", "volumenumber"),
    "track_number": ("tracknumber", "trackno", "trackposition"),
    "album_id": ("albumid", "albumuri", "releaseid", "album", "albumname"),
    "album_title": ("albumtitle", "albumname", "releasetitle"),
    "release_date": ("releasedate", "released", "releasedat", "releaseyear", "year"),
    "duration_ms": ("durationms", "lengthms", "duration", "durations", "length", "tracklength", "durationseconds"),
    "genres": ("genres", "genre", "tags"),
    "explicit": ("explicit", "isexplicit"),
    "markets": ("markets", "availablemarkets", "countries"),
    "vector": ("vector", "embedding"),
    "recording_id": ("recordingid", "isrc"),
    "market": ("market", "country", "countrycode"),
    "erased": ("erased", "deleted", "isdeleted"),
}
# Units of time by the smallest number that a moment since 1973 has in them, the finest first.
_UNITS = (("ns", 1e17), ("us", 1e14), ("ms", 1e11), ("s", 1e8))
# Plays longer than this many of a unit are rare if the unit is seconds, and the rule if it is milliseconds.
_MAX_SECONDS = 4_000
_SEPARATORS = ("|", ";", ",", "/")


@dataclass(frozen=True)
class Guess:
    """One of our columns in a file: its name there with a unit, as in --events_columns, and why."""

    ours: str
    theirs: str
    why: str


def guess_columns(rows: pl.DataFrame, schema: Schema) -> Iterator[Guess]:
    """Yield a guess for each of our columns that the first rows of a file seem to have."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(rows.columns)}
    taken: set[str] = set()
    for column in schema.columns:
        named = [column.name] if column.name in rows.columns else []
        found = [*named, *(plain[name] for name in _NAMES.get(column.name, ()) if name in plain)]
        for name in (one for one in found if one not in taken):
            values = rows[name].drop_nulls()
            cast = _cast(column, name, values)
            if cast is not None:
                taken.add(name)
                yield Guess(column.name, f"{name}{cast}", _why(column, values, cast))
                break


def _cast(column: Column, name: str, values: pl.Series) -> str | None:
    """Return what must follow a column's name in a mapping; None: its values are no such column."""
    if column.name in ("ms_played", "duration_ms"):
        return _length_cast(name, values)
    if pa.types.is_timestamp(column.type):
        return _time_cast(values)
    if column.name == "action" and not set(values.cast(pl.String).unique()) & set(ACTIONS):
        return None
    if pa.types.is_list(column.type) and not isinstance(values.dtype, pl.List):
        return _list_cast(values) if values.dtype == pl.String else None
    return None if isinstance(values.dtype, pl.List) != pa.types.is_list(column.type) else ""


def _numbers(values: pl.Series) -> pl.Series | None:
    """Return values as numbers; None: one is none."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64)
    numbers = values.cast(pl.Float64, strict=False) if values.dtype == pl.String else values.clear()
    return numbers if len(numbers) and not numbers.null_count() else None


def _median(numbers: pl.Series) -> float:
    middle = numbers.median()
    return middle if isinstance(middle, float) else 0.0


def _length_cast(name: str, values: pl.Series) -> str | None:
    numbers = _numbers(values)
    if numbers is None:
        return None
    is_seconds = re.search(r"(_s|sec|secs|seconds)$", name.lower()) or _median(numbers.abs()) < _MAX_SECONDS
    return "*1000" if is_seconds and not name.lower().endswith("ms") and not name.lower().startswith("ms") else ""


def _time_cast(values: pl.Series) -> str | None:
    if isinstance(values.dtype, pl.Datetime | pl.Date):
        return ""
    numbers = _numbers(values)
    if numbers is None:
        texts = pa.chunked_array([values.cast(pl.String).to_arrow()]) if values.dtype == pl.String else None
        read = None if texts is None else convert(texts, pa.timestamp("us", tz="UTC"))
        return "" if read is not None and len(read) and not read.null_count else None
    middle = _median(numbers)
    return next((f"@{unit}" for unit, least in _UNITS if middle >= least), None)


def _list_cast(values: pl.Series) -> str:
    """Return the split at the separator that most values have; one that none has does not matter."""
    counts = {one: int(values.str.contains(one, literal=True).sum()) for one in _SEPARATORS}
    best = max(counts, key=lambda one: counts[one])
    return f"@split({best})" if counts[best] else "@split(|)"


def _why(column: Column, values: pl.Series, cast: str) -> str:
    """Return the first values of a column as a comment."""
    shown = ", ".join(str(value)[:40] for value in values.head(3))
    if cast.startswith("@") and pa.types.is_timestamp(column.type):
        moment = convert(pa.chunked_array([values.head(1).cast(pl.Float64).to_arrow()]), column.type, _factor(cast))
        shown = f"{values[0]} is {moment[0].as_py():%Y-%m-%d %H:%M}"
    elif cast.startswith("*"):
        shown = f"seconds: {shown}"
    return shown if len(values) else "no value in the first rows"


def _factor(cast: str) -> float:
    return {"@s": 1e6, "@ms": 1e3, "@us": 1.0, "@ns": 1e-3}[cast]
