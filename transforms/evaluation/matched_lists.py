"""Ranked lists of a block of users, matched with the targets that they are measured by."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import NUM_DECILES, popularity_deciles
from transforms.evaluation.metrics.metric import TARGET_KINDS
from transforms.evaluation.schemas import ARRIVED_LATE, PLAYED_BEFORE, TARGET
from transforms.events.ages import whole_days_since
from transforms.tables.columns import categories
from transforms.tables.hashing import stable_hash

EVERYONE, NEWCOMERS = "everyone", "history: 0"
# What the names of segments by shelf begin with.
SHELF_SEGMENT = "shelf: "
# Segments of users by the number of plays in their history, each from this number on.
HISTORY_SEGMENTS = ((1, "1-4"), (5, "5-19"), (20, "20-99"), (100, "100+"))
_LIST_LENGTH = 10


@dataclass(frozen=True)
class MatchedLists:
    """Lists, targets and their matches as frames; users are numbered from 0 (uint32).

    users: user, key (uint64), n_played, history (segment), genre (segment of the main genre; null: none); by user.
    totals: user, targets (kind), total, total_plays.
    lists: system, user, track, rank, score, shelf_id, shelf_position, track_position.
    hits: system, targets (kind), user, track, rank (on the kind's part of the list), n_plays, total, total_plays,
        is_exclusive, shelf_id, shelf_position, track_position.
    played: user, track: the tracks played before the cutoff.
    shares: user, genre (code), p_genre: shares of first genres in the user's plays.
    """

    users: pl.DataFrame
    totals: pl.DataFrame
    lists: pl.DataFrame
    hits: pl.DataFrame
    played: pl.DataFrame
    shares: pl.DataFrame


def match_lists(evaluation_rows: pl.DataFrame, *, catalog: Catalog, sources: tuple[str, ...]) -> MatchedLists:
    """Match the lists in EVALUATION_ROWS of whole users with the targets; sources: the systems for is_exclusive."""
    coded = evaluation_rows.with_columns(user=pl.col("user_id").rank("dense") - 1)
    plays = rows_of(coded, PLAYED_BEFORE)
    played = plays.select("user", "track")
    targets = _targets(coded, played, popularity_deciles(catalog))
    totals = targets.group_by("user", "targets").agg(total=pl.len(), total_plays=pl.col("n_plays").sum())
    listed = coded.filter(pl.col("rank").is_not_null())
    lists = listed.select("system", "user", "track", "score", "shelf_id", "shelf_position", "track_position", "rank")
    hits = _hits(lists, targets, played, sources).join(totals, on=["user", "targets"])
    return MatchedLists(_users(coded, plays, catalog), totals, lists, hits, played, _genre_shares(plays, catalog))


def rows_of(evaluation_rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows of one list or of one kind of plays."""
    code = categories(evaluation_rows["system"]).index_of(name)
    if code is None:
        return evaluation_rows.clear()
    return evaluation_rows.filter(pl.col("system").to_physical() == code)


def rows_of_evaluated_users(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the users who have a target."""
    user = evaluation_rows["user_id"].to_physical().to_numpy()
    has_target = np.zeros(len(categories(evaluation_rows["user_id"])), dtype=bool)
    has_target[rows_of(evaluation_rows, TARGET)["user_id"].to_physical().to_numpy()] = True
    return evaluation_rows if has_target.all() else evaluation_rows.filter(pl.Series(has_target[user]))


def history_segments() -> list[str]:
    """Return the names of the segments by history, the shortest history first."""
    return [NEWCOMERS, *(f"history: {name}" for _, name in HISTORY_SEGMENTS)]


def _users(coded: pl.DataFrame, plays: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    ids = coded.select("user", "user_id").unique("user").sort("user")
    counts = plays.group_by("user").agg(n_played=pl.col("n_plays").sum())
    genres = plays.with_columns(catalog.tracks["genre_name"].gather(plays["track"])).drop_nulls("genre_name")
    main = genres.group_by("user", "genre_name").agg(n=pl.col("n_plays").sum())
    main = main.sort("user", "n", "genre_name", descending=[False, True, False]).unique("user", keep="first")
    joined = ids.join(counts, on="user", how="left").join(main, on="user", how="left").sort("user")
    n_played = pl.col("n_played").fill_null(0)
    history = pl.lit(NEWCOMERS)
    for minimum, name in HISTORY_SEGMENTS:
        history = pl.when(n_played >= minimum).then(pl.lit(f"history: {name}")).otherwise(history)
    keys = pl.Series("key", stable_hash(joined["user_id"], seed=0))
    return joined.select("user", keys, n_played, history.alias("history"), genre="genre: " + pl.col("genre_name"))


def _targets(coded: pl.DataFrame, played: pl.DataFrame, decile: pl.Series) -> pl.DataFrame:
    """Return the targets of every kind: user, track, targets, n_plays, is_played."""
    columns = ("user", "track", "n_plays")
    parts = [
        rows_of(coded, mark).select(*columns, is_late=pl.lit(mark == ARRIVED_LATE)) for mark in (TARGET, ARRIVED_LATE)
    ]
    both = mark_pairs(pl.concat(parts), played, "is_played")
    all_targets, late = (both.filter(pl.col("is_late") == is_late).drop("is_late") for is_late in (False, True))
    kinds = {
        "all": all_targets,
        "repeats": all_targets.filter("is_played"),
        "discoveries": all_targets.filter(~pl.col("is_played")),
        "tail": all_targets.filter(decile.gather(all_targets["track"]) == NUM_DECILES - 1),
        "late": late.filter(~pl.col("is_played")).join(all_targets, on=["user", "track"], how="anti"),
    }
    names = pl.Enum(TARGET_KINDS)
    return pl.concat(rows.with_columns(targets=pl.lit(kind, dtype=names)) for kind, rows in kinds.items())


def mark_pairs(rows: pl.DataFrame, pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add a boolean column: whether user and track of each row are among the pairs."""
    marks = pairs.select("user", "track", pl.lit(True).alias(name))
    joined = rows.join(marks, on=["user", "track"], how="left", maintain_order="left")
    return joined.with_columns(pl.col(name).fill_null(False))


def _hits(lists: pl.DataFrame, targets: pl.DataFrame, played: pl.DataFrame, sources: tuple[str, ...]) -> pl.DataFrame:
    """Find the targets on the lists; rank repeats among the played tracks of a list, discoveries among the others.

    Few rows of a list are hits or played, so only these are sorted:

        list             a   p   b   p'  c       p, p' played before, c a hit
        played before it 0       1       2       c has rank 4, and rank 4 - 2 among tracks not played before
    """
    hits = lists.join(targets, on=["user", "track"])
    repeats = lists.join(played, on=["user", "track"], how="semi").select("system", "user", "rank", n=pl.lit(1))
    both = pl.concat([hits.select("system", "user", "rank", n=pl.lit(0)).unique(), repeats])
    # of a hit that was played, the row of the hit sorts before that of the play
    before = both.sort("system", "user", "rank", "n").with_columns(before=pl.col("n").cum_sum().over("system", "user"))
    before = before.filter(pl.col("n") == 0).drop("n")
    numbered = hits.join(before, on=["system", "user", "rank"], how="left", maintain_order="left")
    kind = pl.col("targets").cast(pl.String)
    rank = (
        pl.when(kind == "repeats")
        .then("before")
        .when(kind.is_in(["discoveries", "late"]))
        .then(pl.col("rank") - pl.col("before"))
        .otherwise("rank")
    )
    of_source = pl.col("system").cast(pl.String).is_in(sources)
    is_exclusive = of_source & (of_source.sum().over("user", "track", "targets") == 1)
    return numbered.with_columns(rank=rank.cast(pl.Int64), is_exclusive=is_exclusive)


def _genre_shares(plays: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    with_genre = plays.with_columns(catalog.tracks["genre"].gather(plays["track"])).drop_nulls("genre")
    by_genre = with_genre.group_by("user", "genre").agg(n=pl.col("n_plays").sum())
    return by_genre.select("user", "genre", p_genre=pl.col("n") / pl.col("n").sum().over("user"))


def first_rows(matched: MatchedLists, *, catalog: Catalog, cutoff_at: datetime) -> pl.DataFrame:
    """Return the first ten tracks of every list, with the columns that metrics over "list" use.

    These are system, user, track, is_played, artist, genre, decile, self_information (bits), days_since_release,
    same_artist, same_genre (rows of the list with the same one), p_genre, q_genre (shares of the genre in the user's
    plays and on the list) and has_genres (the user has played a track with a genre).
    """
    first = matched.lists.filter(pl.col("rank") < _LIST_LENGTH).select("system", "user", "track")
    marked = mark_pairs(first, matched.played, "is_played")
    joined = marked.hstack(_track_columns(catalog, cutoff_at)[marked["track"]])
    # an unknown artist or genre is like no other
    same = {
        f"same_{column}": pl.when(pl.col(column).is_null()).then(1).otherwise(pl.len().over("system", "user", column))
        for column in ("artist", "genre")
    }
    with_genre = pl.col("genre").count().over("system", "user")
    counted = joined.with_columns(**same, q_genre=pl.len().over("system", "user", "genre") / with_genre)
    with_shares = counted.join(matched.shares, on=["user", "genre"], how="left", maintain_order="left")
    has_genres = pl.Series(np.isin(with_shares["user"].to_numpy(), matched.shares["user"].to_numpy()))
    return with_shares.with_columns(has_genres=has_genres)


def _track_columns(catalog: Catalog, cutoff_at: datetime) -> pl.DataFrame:
    """Return artist, genre, decile, self_information and days_since_release of every track."""
    columns = catalog.tracks.select("artist", "genre", "release_date", "n_plays").with_columns(
        popularity_deciles(catalog)
    )
    share = (pl.col("n_plays") + 1) / (columns["n_plays"].sum() + len(columns))
    days = whole_days_since("release_date", cutoff_at.date())
    return columns.with_columns(self_information=-share.log(2), days_since_release=days).drop("n_plays", "release_date")
