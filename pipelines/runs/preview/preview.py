"""homeshelf preview: pages and queues as one HTML page that needs no network; all on it is read from the run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import polars as pl

from pipelines.inputs.published import PublishedRun, card_rows, review_run
from pipelines.options.options import UsageError
from pipelines.options.published_options import PreviewOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.html.links import LINKS, write_page
from pipelines.rendering.plain_text import minute_of
from pipelines.runs.preview.queue_views import queue_cards, queue_views, read_queues
from transforms.catalog.catalog import Catalog
from transforms.tables.groups import first_of_groups
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import PAGES

_MAX_RECENT_TRACKS = 12


@dataclass(frozen=True)
class Preview:
    """Data of the page: every track and sentence once, and users whose cards refer to them by index.

    tracks: [id, title, artist, genre]. users: id, shelves with cards as [track, score, source, seed track, reason,
    propensity], recent plays as [track, plays, days ago], null where the run does not know them, and queues (see
    queue_views()).
    """

    as_of: str
    run: str
    tracks: list[list[str | None]]
    reasons: list[str]
    sources: list[str]
    users: list[dict[str, object]]

    def to_json(self) -> str:
        """Return the data as JavaScript reads it; Polars' lists have whole numbers as floats."""
        values = {name: value for name, value in vars(self).items() if name != "as_of"}
        return json.dumps({"asOf": self.as_of, **_whole(values)}, ensure_ascii=False, separators=(",", ":"))


def run_preview(options: PreviewOptions) -> int:
    """Write the page and print its path (UsageError: there is no such run, or it has nothing for a user)."""
    published = review_run(options.run, needs_pages=False)
    if "pages" in published.manifest.tables or "queues" not in published.manifest.tables:
        published.check_pages(options.run)
    users = choose_users(published, options.user, options.num_users)
    write_page(options.file, render_preview(read_preview(published, users)))
    listeners = "listener" if len(users) == 1 else "listeners"
    PlainConsole().print(f"preview of {len(users):,} {listeners}: {options.file}", highlight=False, soft_wrap=True)
    return 0


def choose_users(published: PublishedRun, asked: Sequence[str], num_users: int) -> list[str]:
    """Return the users that were asked for or, if none were, `num_users` drawn by a hash, always the same ones.

    Raises:
        UsageError: one has neither page nor queue.
    """
    kinds = {"page": "pages", "queue": "queues"}
    there = {kind: table for kind, table in kinds.items() if table in published.manifest.tables}
    ids = pl.concat(published.table(table).select("user_id") for table in there.values()).unique().collect()["user_id"]
    if missing := sorted(set(asked) - set(ids)):
        raise UsageError(f"--user: {missing[0]} has no {' and no '.join(there)} in {published.folder}")
    if asked:
        return list(dict.fromkeys(asked))
    ids = ids.sort()
    drawn = pl.Series(stable_hash(ids, seed=0)).arg_sort()
    return sorted(ids.gather(drawn.head(num_users)))


def read_preview(published: PublishedRun, users: Sequence[str]) -> Preview:
    """Read the pages, the recent plays and the queues of some users."""
    is_asked = pl.col("user_id").is_in(list(users))
    tables, queues = published.manifest.tables, read_queues(published, is_asked)
    pages = published.table("pages").filter(is_asked).collect() if "pages" in tables else PAGES.frame()
    cards, playing = card_rows(pages), queue_cards(queues)
    recent = _recent_plays(published, is_asked) if "candidates" in tables else None
    ids = [cards["track_id"], cards["seed_track_id"], playing["track_id"]]
    named = _distinct(*ids, *([] if recent is None else [recent["track_id"]]))
    sentences = _distinct(cards["reason"], playing["reason"])
    sources = _distinct(cards["source"], playing["source"])
    values = {"track_id": named, "source": sources, "reason": sentences}
    places = {column: {value: place for place, value in enumerate(found)} for column, found in values.items()}
    coded = cards.with_columns(
        _index_in("track_id", named),
        _index_in("seed_track_id", named),
        _index_in("reason", sentences),
        _index_in("source", sources),
    )
    return Preview(
        as_of=minute_of(published.manifest.as_of),
        run=published.folder,
        tracks=_track_names(named, published.catalog),
        reasons=sentences.to_list(),
        sources=sources.to_list(),
        users=_user_pages(
            users,
            coded,
            None if recent is None else recent.with_columns(_index_in("track_id", named)),
            queue_views(published, queues, places),
        ),
    )


def _distinct(*columns: pl.Series) -> pl.Series:
    return pl.concat([column.cast(pl.String) for column in columns]).drop_nulls().unique().sort()


def _recent_plays(published: PublishedRun, is_asked: pl.Expr) -> pl.DataFrame:
    """Return the candidates that each user played last: user_id, track_id, days_since_played, plays_of_track."""
    played = published.table("candidates").filter(is_asked & (pl.col("plays_of_track") > 0))
    columns = ("user_id", "track_id", "days_since_played", "plays_of_track")
    ordered = played.select(columns).sort("user_id", "days_since_played", "track_id").collect()
    return first_of_groups(ordered, "user_id", _MAX_RECENT_TRACKS)


def _track_names(ids: pl.Series, catalog: Catalog) -> list[list[str | None]]:
    """Return [id, title, artist, genre] of each track."""
    names = ids.alias("track_id").to_frame().join(catalog.tracks, on="track_id", how="left", maintain_order="left")
    return [list(row) for row in names.select("track_id", "title", "artist_name", "genre_name").rows()]


def _user_pages(
    users: Sequence[str],
    cards: pl.DataFrame,
    recent: pl.DataFrame | None,
    queues: Mapping[str, list[dict[str, object]]],
) -> list[dict[str, object]]:
    """Return each user's shelves in order, recent plays and queues (see Preview)."""
    card = pl.concat_list(
        pl.col(name).cast(pl.Float64).round_sig_figs(4)
        for name in ("track_id", "score", "source", "seed_track_id", "reason", "propensity")
    )
    of_shelf = ("position", "title", "reason", "format", "score", "propensity")
    head = ("user_id", "surface", *(f"shelf_{name}" for name in of_shelf))
    shelves = cards.group_by(head, maintain_order=True).agg("shelf_id", cards=card)
    by_user: dict[str, list[dict[str, object]]] = {user: [] for user in users}
    for row in shelves.with_columns(pl.col("shelf_id").list.first()).iter_rows(named=True):
        by_user[row.pop("user_id")].append({name.removeprefix("shelf_"): value for name, value in row.items()})
    recent_of = {} if recent is None else dict(_played_lately(recent).rows())
    unknown: list[object] | None = None if recent is None else []
    return [
        {
            "id": user,
            "shelves": by_user[user],
            "recent": recent_of.get(user, unknown),
            "queues": queues.get(user, []),
        }
        for user in users
    ]


def _played_lately(recent: pl.DataFrame) -> pl.DataFrame:
    return recent.group_by("user_id").agg(
        pl.concat_list(pl.col("track_id", "plays_of_track").cast(pl.Float64), pl.col("days_since_played").round(1))
    )


def render_preview(preview: Preview) -> str:
    """Return the page, for write_page(): style, script and data in one."""
    text = {
        name: (files("pipelines.runs.preview") / name).read_text(encoding="utf-8")
        for name in ("preview.html", "preview.css", "queues.css", "queues.js", "preview.js")
    }
    # No text may end the script that holds it, and no character break a line or a terminal.
    data = re.sub("[<\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", preview.to_json())
    page = text["preview.html"].replace("/* style */", text["preview.css"] + text["queues.css"])
    page = page.replace("<!-- links -->", LINKS)
    return page.replace("/* script */", text["queues.js"] + text["preview.js"]).replace("/* data */", data)


def _whole(value: Any) -> Any:
    """Turn whole floats within a JSON value into integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    return value


def _index_in(column: str, values: pl.Series) -> pl.Expr:
    """Return the index of a column's values among sorted ones; null stays null."""
    return pl.col(column).replace_strict(values, pl.Series(range(len(values)), dtype=pl.Int64), default=None)
