"""Ordered tracks of queues as QUEUES: chances of completion and skip, sources, reasons."""

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.queues.build_sets import rows_with_own_plays
from transforms.now_playing.queues.listeners import QueueListeners
from transforms.now_playing.queues.pools import WAYS
from transforms.now_playing.queues.queue_tables import ALBUM, ARTIST, CONTEXTS, QUEUES, RELAXATIONS, SESSION, TRACK
from transforms.now_playing.skips.session_plays import SessionPlays
from transforms.now_playing.skips.skip_features import TrackFigures, feature_matrix, own_features, session_features
from transforms.now_playing.skips.skip_model import COMPLETION_CHANCE, SKIP_CHANCE, OpenTrees, SkipModel
from transforms.tables.groups import rank_in_run

_USUAL_MS = 210_000


def chances_in_order(
    cards: pl.DataFrame,
    listeners: QueueListeners,
    facts: TrackFigures,
    model: SkipModel,
    open_trees: OpenTrees,
    duration_ms: np.ndarray,
) -> pl.DataFrame:
    """Add p_skipped and p_completed, as if all before in the queue is listened to.

    cards: queue, user, track, artist, is_familiar, is_asked, in order; rows that are not asked are played before.
    """
    track = cards["track"].to_numpy()
    length = np.nan_to_num(duration_ms[track], nan=_USUAL_MS).astype(np.int64)
    none, unknown = np.zeros(len(cards)), np.full(len(cards), np.nan)
    session = cards["queue"].to_numpy()
    starts = np.cumsum(length) - length
    seconds = (starts - starts[np.arange(len(cards)) - rank_in_run(session)]) / 1000
    virtual = SessionPlays(session, track, session, seconds, none, none, none, none)
    before = session_features(virtual, facts, cards["is_familiar"].to_numpy())
    own = own_features(rows_with_own_plays(cards, listeners), facts, track, listeners.taste[cards["user"].to_numpy()])
    features = feature_matrix({**own, **before, "daypart": unknown})
    asked = cards["is_asked"].to_numpy()
    found = model.chances(features[asked], open_trees)
    return cards.filter("is_asked").with_columns(
        p_skipped=pl.Series(found[SKIP_CHANCE], dtype=pl.Float32).round_sig_figs(4),
        p_completed=pl.Series(found[COMPLETION_CHANCE], dtype=pl.Float32).round_sig_figs(4),
    )


def queue_table(cards: pl.DataFrame, queues: pl.DataFrame, listeners: QueueListeners, catalog: Catalog) -> pl.DataFrame:
    """Return QUEUES; cards: in order, with chances, source, propensity; queues: with `relaxed`, bool lists."""
    tracks = catalog.tracks
    named = cards.with_columns(
        track_id=tracks["track_id"].gather(cards["track"]),
        position=pl.int_range(pl.len(), dtype=pl.Int32).over("queue"),
        reason=_reasons(cards, queues, tracks),
    )
    fields = [field.name for field in QUEUES["tracks"].type.value_type]
    lists = named.group_by("queue", maintain_order=True).agg(tracks=pl.struct(fields))
    users = listeners.users.select("user", "user_id")
    made = queues.join(users, on="user", how="left", maintain_order="left").join(
        lists, on="queue", maintain_order="left"
    )
    return made.select(
        "user_id",
        pl.Series(CONTEXTS).gather(made["context"]).alias("context"),
        *context_names(made, catalog),
        (pl.col("started") * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC")).alias("started_at"),
        "familiar_per_10",
        "relaxed",
        "tracks",
    )


def context_names(queues: pl.DataFrame, catalog: Catalog) -> tuple[pl.Series, pl.Series]:
    """Return the id of each queue's context, and its name in words; a session is told by the second of its start."""
    # of an album by several artists none is named
    artist = pl.when(pl.col("artist_name").n_unique().over("code") == 1).then("artist_name")
    title = pl.col("album_title").drop_nulls().first().over("code")
    words = {
        TRACK: pl.coalesce(pl.format("{} by {}", "title", "artist_name"), "title"),
        ALBUM: pl.coalesce(pl.format("{} by {}", title, artist), title, pl.format("an album by {}", artist)),
        ARTIST: pl.col("artist_name"),
    }
    found = []
    for kind, name in words.items():
        of_kind = queues.filter(pl.col("context") == CONTEXTS.index(kind)).select("context", "code").unique()
        tracks = catalog.coded.drop_nulls(kind).with_columns(code=pl.col(kind).cast(pl.Int64))
        named = of_kind.join(tracks, on="code", maintain_order="left_right")
        found.append(
            named.select("context", "code", context_id=f"{kind}_id", name=name).unique(
                "code", keep="first", maintain_order=True
            )
        )
    joined = queues.join(pl.concat(found), on=["context", "code"], how="left", maintain_order="left")
    began = pl.from_epoch("code", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    is_session = pl.col("context") == CONTEXTS.index(SESSION)
    ids = joined.select(context_id=pl.when(is_session).then(began).otherwise("context_id"))
    return ids["context_id"], joined["name"]


def sources_of(rows: pl.DataFrame) -> pl.Series:
    """Return the way that has the highest share in the chance of each track."""
    weighted = np.column_stack([rows[way].to_numpy() * share for way, share in WAYS.items()])
    return pl.Series("source", list(WAYS)).gather(weighted.argmax(axis=1))


def relaxed_names(relaxed: np.ndarray) -> pl.Series:
    """Return the names of what was relaxed, bool [Q, 2], as lists."""
    names = [[name for name, is_relaxed in zip(RELAXATIONS, row, strict=True) if is_relaxed] for row in relaxed]
    return pl.Series("relaxed", names, dtype=pl.List(pl.String))


def _reasons(cards: pl.DataFrame, queues: pl.DataFrame, tracks: pl.DataFrame) -> pl.Expr:
    """Return a sentence on why each track comes next."""
    context = pl.Series(queues["context"]).gather(cards["queue"])
    code = queues["code"].gather(cards["queue"])
    seed = pl.when(context == CONTEXTS.index(TRACK)).then(code)
    title = tracks["title"].gather(cards.select(seed.alias("seed"))["seed"])
    artist = tracks["artist_name"].gather(cards["track"])
    follows = pl.when(pl.lit(title).is_not_null()).then(pl.format("Often follows {}", pl.lit(title)))
    source = pl.col("source")
    return (
        pl.when(source == "context")
        .then(pl.lit("Next on the album"))
        .when(source == "own")
        .then(pl.lit("You play it"))
        .when(source == "follows_own")
        .then(pl.lit("Often follows what you play"))
        .when(source == "by_artist")
        .then(pl.coalesce(pl.format("By {}", pl.lit(artist)), pl.lit("By the artist")))
        .otherwise(pl.coalesce(follows, pl.lit("Often follows these")))
    )
