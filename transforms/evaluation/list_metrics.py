"""Lists of a block of users, put beside what they are judged by."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.evaluation.metrics import LIST_LENGTH, TARGET_KINDS
from transforms.evaluation.schemas import ARRIVED_LATE, PLAYED_BEFORE, TARGET
from transforms.events.ages import whole_days_since
from transforms.tables.columns import categories
from transforms.tables.hashing import stable_hash

# The least played tracks, which together have a tenth of the plays, are decile 9; so are tracks without a play.
DECILES = 10
EVERYONE, NEWCOMERS = "everyone", "history: 0"
# Segments of users by the plays of their history, each from this number on.
HISTORY_SEGMENTS = ((1, "1-4"), (5, "5-19"), (20, "20-99"), (100, "100+"))


@dataclass(frozen=True)
class MatchedLists:
    """Frames by user (uint32, 0..U-1).

    users: user, key (uint64), n_heard, history (its segment), genre (the main one's segment; null: none); by user.
    totals: user, targets (kind), total, total_plays.
    lists: system, user, track, place, score, shelf_id, row, column.
    hits: system, targets (kind), user, track, place (on the kind's part of the list), n_plays, total, total_plays,
        is_exclusive, shelf_id, row, column.
    known: user, track: what the user had heard.
    shares: user, genre (code), p_genre: the first genres of what the user plays.
    """

    users: pl.DataFrame
    totals: pl.DataFrame
    lists: pl.DataFrame
    hits: pl.DataFrame
    known: pl.DataFrame
    shares: pl.DataFrame


def match_lists(evaluation_rows: pl.DataFrame, *, catalog: Catalog, sources: tuple[str, ...]) -> MatchedLists:
    """Judge EVIDENCE of whole users."""
    coded = evaluation_rows.with_columns(user=pl.col("user_id").rank("dense") - 1)
    heard = rows_of(coded, PLAYED_BEFORE)
    known = heard.select("user", "track")
    wanted = _wanted(coded, known, popularity_deciles(catalog))
    totals = wanted.group_by("user", "targets").agg(total=pl.len(), total_plays=pl.col("n_plays").sum())
    listed = coded.filter(pl.col("rank").is_not_null())
    lists = listed.select("system", "user", "track", "score", "shelf_id", "row", "column", place="rank")
    hits = _hits(lists, wanted, known, sources).join(totals, on=["user", "targets"])
    return MatchedLists(_users(coded, heard, catalog), totals, lists, hits, known, _shares(heard, catalog))


def rows_of(evaluation_rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows of one mark or system."""
    code = categories(evaluation_rows["system"]).index_of(name)
    return (
        evaluation_rows.filter(pl.col("system").to_physical() == code) if code is not None else evaluation_rows.clear()
    )


def rows_of_evaluated_users(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the users who have a target."""
    user = evaluation_rows["user_id"].to_physical().to_numpy()
    is_judged = np.zeros(len(categories(evaluation_rows["user_id"])), dtype=bool)
    is_judged[rows_of(evaluation_rows, TARGET)["user_id"].to_physical().to_numpy()] = True
    return evaluation_rows if is_judged.all() else evaluation_rows.filter(pl.Series(is_judged[user]))


def of_system(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of one system, which there may not be."""
    return rows.filter(pl.col("system").cast(pl.String) == name)


def popularity_deciles(catalog: Catalog) -> pl.Series:
    """Which tenth of all plays each track stands in, int8 [T]: 0 the most played, 9 the tail and the unheard."""
    ranked = catalog.coded.sort("n_plays", "track", descending=[True, False])
    before = ranked["n_plays"].cum_sum() - ranked["n_plays"]
    decile = (before * DECILES // max(1, int(ranked["n_plays"].sum()))).clip(0, DECILES - 1)
    decile = pl.select(pl.when(ranked["n_plays"] > 0).then(decile).otherwise(DECILES - 1)).to_series()
    return decile.cast(pl.Int8).gather(ranked["track"].arg_sort()).alias("decile")


def _users(coded: pl.DataFrame, heard: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    ids = coded.select("user", "user_id").unique("user").sort("user")
    facts = heard.group_by("user").agg(n_played=pl.col("n_plays").sum())
    genres = heard.with_columns(catalog.tracks["genre_name"].gather(heard["track"])).drop_nulls("genre_name")
    main = genres.group_by("user", "genre_name").agg(n=pl.col("n_plays").sum())
    main = main.sort("user", "n", "genre_name", descending=[False, True, False]).unique("user", keep="first")
    joined = ids.join(facts, on="user", how="left").join(main, on="user", how="left").sort("user")
    n_played = pl.col("n_played").fill_null(0)
    names = pl.lit(NEWCOMERS)
    for least, name in HISTORY_SEGMENTS:
        names = pl.when(n_played >= least).then(pl.lit(f"history: {name}")).otherwise(names)
    keys = pl.Series("key", stable_hash(joined["user_id"], seed=0))
    return joined.select("user", keys, n_played, names.alias("history"), genre="genre: " + pl.col("genre_name"))


def _wanted(coded: pl.DataFrame, known: pl.DataFrame, decile: pl.Series) -> pl.DataFrame:
    """The targets of every kind: user, track, targets, n_plays, is_heard."""
    columns = ("user", "track", "n_plays")
    parts = [
        rows_of(coded, mark).select(*columns, is_late=pl.lit(mark == ARRIVED_LATE)) for mark in (TARGET, ARRIVED_LATE)
    ]
    both = mark_pairs(pl.concat(parts), known, "is_played")
    marked, late = (both.filter(pl.col("is_late") == is_late).drop("is_late") for is_late in (False, True))
    picked = {
        "all": marked,
        "repeats": marked.filter("is_played"),
        "discoveries": marked.filter(~pl.col("is_played")),
        "tail": marked.filter(decile.gather(marked["track"]) == DECILES - 1),
        "late": late.filter(~pl.col("is_played")).join(marked, on=["user", "track"], how="anti"),
    }
    return pl.concat(
        rows.with_columns(targets=pl.lit(kind, dtype=pl.Enum(TARGET_KINDS))) for kind, rows in picked.items()
    )


def mark_pairs(rows: pl.DataFrame, pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """Say of each row whether its user and track are among the pairs."""
    marks = pairs.select("user", "track", pl.lit(True).alias(name))
    joined = rows.join(marks, on=["user", "track"], how="left", maintain_order="left")
    return joined.with_columns(pl.col(name).fill_null(False))


def _hits(lists: pl.DataFrame, wanted: pl.DataFrame, known: pl.DataFrame, sources: tuple[str, ...]) -> pl.DataFrame:
    """Find the targets on the lists, and number them as their kind wants: repeats among what the user knew.

    Few rows of a list are hits or known, so only these are put in order:

        list            a   k   b   k'  c       k, k' known, c a hit
        known before    0       1       2       c has place 4, and place 4 - 2 among what is new
    """
    hits = lists.join(wanted, on=["user", "track"])
    heard = lists.join(known, on=["user", "track"], how="semi").select("system", "user", "place", n=pl.lit(1))
    both = pl.concat([hits.select("system", "user", "place", n=pl.lit(0)).unique(), heard])
    # a hit stands before itself as a known track
    before = both.sort("system", "user", "place", "n").with_columns(before=pl.col("n").cum_sum().over("system", "user"))
    numbered = hits.join(
        before.filter(pl.col("n") == 0).drop("n"), on=["system", "user", "place"], how="left", maintain_order="left"
    )
    of_kind = pl.col("targets").cast(pl.String)
    place = (
        pl.when(of_kind == "repeats")
        .then("before")
        .when(of_kind.is_in(["discoveries", "late"]))
        .then(pl.col("place") - pl.col("before"))
        .otherwise("place")
    )
    of_source = pl.col("system").cast(pl.String).is_in(sources)
    alone = of_source & (of_source.sum().over("user", "track", "targets") == 1)
    return numbered.with_columns(place=place.cast(pl.Int64), is_exclusive=alone)


def _shares(heard: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    plays = heard.with_columns(catalog.tracks["genre"].gather(heard["track"])).drop_nulls("genre")
    by_genre = plays.group_by("user", "genre").agg(n=pl.col("n_plays").sum())
    return by_genre.select("user", "genre", p_genre=pl.col("n") / pl.col("n").sum().over("user"))


def top_rows(matched: MatchedLists, *, catalog: Catalog, cutoff_at: datetime) -> pl.DataFrame:
    """The first places of all lists, with what the metrics over "list" need."""
    first = matched.lists.filter(pl.col("place") < LIST_LENGTH).select("system", "user", "track")
    top = mark_pairs(first, matched.known, "is_played")
    columns = catalog.tracks.select("artist", "genre", "release_date", "n_plays").with_columns(
        popularity_deciles(catalog)
    )
    share = (pl.col("n_plays") + 1) / (columns["n_plays"].sum() + len(columns))
    facts = columns.with_columns(
        self_information=-share.log(2),
        days_since_release=whole_days_since("release_date", cutoff_at.date()),
    )
    joined = top.hstack(facts[top["track"]].drop("n_plays", "release_date"))
    # an unknown artist or genre is like no other
    same = {
        f"same_{what}": pl.when(pl.col(what).is_null()).then(1).otherwise(pl.len().over("system", "user", what))
        for what in ("artist", "genre")
    }
    known = pl.col("genre").count().over("system", "user")
    counted = joined.with_columns(**same, q_genre=pl.len().over("system", "user", "genre") / known)
    with_shares = counted.join(matched.shares, on=["user", "genre"], how="left", maintain_order="left")
    has_genres = pl.Series(np.isin(with_shares["user"].to_numpy(), matched.shares["user"].to_numpy()))
    return with_shares.with_columns(has_genres=has_genres)
