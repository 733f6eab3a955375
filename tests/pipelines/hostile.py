"""Hostile texts and values, and a world full of them."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl

SCRIPT = "<script>document.title = 'gone'</script>"
TEXTS = {
    "markup": f"</script></title></svg>{SCRIPT}<img src=x onerror=document.title='gone'>",
    "attribute": "\" onmouseover=document.title='gone' x=\"' /* script */ {{7*7}} ${7*7}",
    "formula": '=HYPERLINK("http://example.com/?"&A1,"click")',
    "path": "../../../../etc/passwd",
    "letters": "Ünïcødé 音楽 \u202eright to left",
    "controls": "a\x1b[31m\x07\x00\u2028b",
    "spaces": "  a  user  ",
    "space": " ",
}
HUGE = "A" * 10_000_000


def spoil(world: Path, folder: Path) -> Path:
    """Copy a world: hostile names of users and tracks, one huge title and vector, some events of absurd values."""
    tables = {name: pl.read_parquet(world / name / "*.parquet") for name in ("events", "tracks", "users")}
    erased = set(tables["users"].filter("erased")["user_id"])
    active = tables["events"]["user_id"].value_counts(sort=True)["user_id"].to_list()
    users = [user for user in active if user not in erased][: len(TEXTS)]
    renamed = dict(zip(users, TEXTS.values(), strict=True))
    tracks = tables["tracks"]
    names = [*TEXTS.values(), HUGE]
    titles = pl.Series([names[number % len(names)] if number % 10 == 0 else None for number in range(len(tracks))])
    first = pl.int_range(pl.len()) == 0
    huge = pl.Series("vector", [[0.5] * 2_500_000], dtype=tracks.schema["vector"])
    spoiled = tracks.with_columns(
        title=pl.coalesce(pl.when(pl.int_range(pl.len()) < 800).then(titles), "title"),
        artist_name=pl.coalesce(pl.when(pl.int_range(pl.len()) < 80).then(titles), "artist_name"),
    )
    spoiled = pl.concat([spoiled.filter(first).with_columns(huge), spoiled.filter(~first)])
    events = tables["events"].with_columns(pl.col("user_id").replace(renamed))
    frames = {
        "events": pl.concat([events, _absurd(events)]),
        "tracks": spoiled,
        "users": tables["users"].with_columns(pl.col("user_id").replace(renamed)),
    }
    for name, frame in frames.items():
        (folder / name).mkdir()
        frame.write_parquet(folder / name / "tous les jours.parquet")
    return folder


def _absurd(events: pl.DataFrame) -> pl.DataFrame:
    good: dict[str, Any] = {**events.row(0, named=True), "arrived_at": None}
    changes: list[dict[str, Any]] = [
        {"user_id": None},
        {"user_id": ""},
        {"track_id": None},
        {"track_id": ""},
        {"played_at": None},
        {"played_at": datetime(1, 1, 1, tzinfo=timezone.utc)},
        {"played_at": datetime(9999, 1, 1, tzinfo=timezone.utc)},
        {"arrived_at": datetime(9999, 1, 1, tzinfo=timezone.utc)},
        {"ms_played": -(2**62)},
        {"ms_played": 2**62},
        {"ms_played": None},
        {"action": "x" * 100_000},
    ]
    return pl.DataFrame([{**good, **change} for change in changes], schema=events.schema)
