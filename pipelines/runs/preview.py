"""homeshelf preview: published pages as one HTML page that needs no network; everything on it is read from the run."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import polars as pl
from rich.console import Console

from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import UsageError, parse_all_flags
from pipelines.options.published_options import PreviewOptions
from pipelines.runs.run_tables import minute_of
from transforms.catalog.catalog import Catalog
from transforms.tables.files import write_atomically
from transforms.tables.groups import first_of_groups
from transforms.tables.hashing import stable_hash

_MAX_RECENT_TRACKS = 12


def run_preview(argv: Sequence[str]) -> int:
    """Write the page and say where it is (UsageError: no such run, or none of the users is in it)."""
    options = parse_all_flags(PreviewOptions, argv)
    published = PublishedRun(options.run)
    users = choose_users(published, options.users, options.num_users)
    write_atomically(options.output, render_preview(preview_data(published, users)).encode())
    Console().print(f"preview of {len(users):,} Homes: {options.output}", highlight=False, soft_wrap=True)
    return 0


def choose_users(published: PublishedRun, asked: Sequence[str], num_users: int) -> list[str]:
    """The users that were asked for, else so many that chance picked once and for all.

    Raises:
        UsageError: one has no page.
    """
    ids = published.table("pages").select("user_id").unique().collect()["user_id"].sort()
    if missing := sorted(set(asked) - set(ids)):
        raise UsageError(f"--users: {missing[0]} has no page in {published.folder}")
    if asked:
        return list(dict.fromkeys(asked))
    drawn = pl.Series(stable_hash(ids, seed=0)).arg_sort()
    return sorted(ids.gather(drawn.head(num_users)))


def preview_data(published: PublishedRun, users: Sequence[str]) -> dict[str, Any]:
    """What the page shows: tracks and sentences once, users with their shelves and recent listening by their places."""
    is_asked = pl.col("user_id").is_in(list(users))
    pages = published.table("pages").filter(is_asked).collect()
    cards = card_rows(pages)
    recent = _recent_plays(published, is_asked)
    named = pl.concat([cards["track_id"], cards["seed_track_id"], recent["track_id"]]).drop_nulls().unique().sort()
    sentences = cards["reason"].drop_nulls().unique().sort()
    sources = cards["source"].drop_nulls().unique().sort()
    coded = cards.with_columns(
        _places("track_id", named), _places("seed_track_id", named), _places("reason", sentences)
    ).with_columns(_places("source", sources))
    return {
        "asOf": minute_of(published.manifest.as_of),
        "run": published.folder,
        "tracks": _track_names(named, published.catalog),
        "reasons": sentences.to_list(),
        "sources": sources.to_list(),
        "users": _user_pages(users, coded, recent.with_columns(_places("track_id", named))),
    }


def _recent_plays(published: PublishedRun, is_asked: pl.Expr) -> pl.DataFrame:
    """What each user played last, among the candidates: user_id, track_id, days_since_played, plays_of_track."""
    heard = published.table("candidates").filter(is_asked & (pl.col("plays_of_track") > 0))
    columns = ("user_id", "track_id", "days_since_played", "plays_of_track")
    ordered = heard.select(columns).sort("user_id", "days_since_played", "track_id").collect()
    return first_of_groups(ordered, "user_id", _MAX_RECENT_TRACKS)


def _track_names(ids: pl.Series, catalog: Catalog) -> list[list[Any]]:
    """[id, title, artist, genre] of each track."""
    names = ids.alias("track_id").to_frame().join(catalog.tracks, on="track_id", how="left", maintain_order="left")
    return [list(row) for row in names.select("track_id", "title", "artist_name", "genre_name").rows()]


def _user_pages(users: Sequence[str], cards: pl.DataFrame, recent: pl.DataFrame) -> list[dict[str, Any]]:
    """Each user's shelves in order, cards as [track, score, source, because, reason, propensity], and recent tracks."""
    card = pl.concat_list(
        pl.col(name).cast(pl.Float64).round_sig_figs(4)
        for name in ("track_id", "score", "source", "seed_track_id", "reason", "propensity")
    )
    head = ("user_id", "surface", "shelf_position", "shelf_title", "shelf_reason", "shelf_score", "shelf_propensity")
    shelves = cards.group_by(head, maintain_order=True).agg("shelf_id", cards=card)
    by_user: dict[str, list[dict[str, Any]]] = {user: [] for user in users}
    for row in shelves.with_columns(pl.col("shelf_id").list.first()).iter_rows(named=True):
        by_user[row.pop("user_id")].append({name.removeprefix("shelf_"): value for name, value in row.items()})
    played = recent.group_by("user_id").agg(
        pl.concat_list(pl.col("track_id", "plays_of_track").cast(pl.Float64), pl.col("days_since_played").round(1))
    )
    lately = dict(played.rows())
    return [{"id": user, "shelves": by_user[user], "recent": lately.get(user, [])} for user in users]


def render_preview(preview: dict[str, Any]) -> str:
    """The page: style, script and data in one."""
    text = {
        name: (files("pipelines.runs") / f"preview.{name}").read_text(encoding="utf-8")
        for name in ("html", "css", "js")
    }
    # numbers are floats in Polars' lists; whole ones are written as such. No text may end the script that holds it, and
    # no character break a line or a terminal.
    text_of_data = json.dumps(_whole(preview), ensure_ascii=False, separators=(",", ":"))
    data = re.sub("[<\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text_of_data)
    page = text["html"].replace("/* style */", text["css"]).replace("/* script */", text["js"])
    return page.replace("/* data */", data)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    return value


def _places(column: str, among: pl.Series) -> pl.Expr:
    """The places of a column's values among sorted ones; null stays null."""
    return pl.col(column).replace_strict(among, pl.Series(range(len(among)), dtype=pl.Int64), default=None)
