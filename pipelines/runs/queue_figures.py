"""Figures of a run's queues, for its report: sources, known tracks, steps between neighbours, chances by place."""

import numpy as np
import polars as pl

from pipelines.inputs.published import PublishedRun
from pipelines.rendering.table_cells import Cell, Table
from transforms.catalog.track_content import open_content_keys
from transforms.now_playing.skips.track_facts import short_vectors

# Queues that are read: the first ones of the table.
_MAX_QUEUES = 2_000
_PLACES = (1, 2, 5, 10, 20, 30)


def queue_figures(run: PublishedRun) -> Table | None:
    """Return a row for each figure of the run's queues; None: it has none."""
    summary = run.manifest.tables.get("queues")
    if summary is None or not summary.rows:
        return None
    queues = run.table("queues").head(_MAX_QUEUES).collect()
    tracks = queues.select("tracks").with_row_index("queue").explode("tracks", empty_as_null=False).unnest("tracks")
    later = tracks.filter(pl.col("source") != "context").with_columns(
        place=1 + pl.int_range(pl.len(), dtype=pl.Int64).over("queue")
    )
    relaxed = (queues["relaxed"].list.len() > 0).to_numpy()
    figures = [
        ("queues", f"{summary.rows:,}"),
        ("with a relaxed rule of order", f"{relaxed.mean():.1%}"),
        *((f"known tracks, as {what}", share) for what, share in _familiar_shares(queues, later)),
        *((f"from source {name}", f"{share:.1%}") for name, share in _shares(later["source"])),
        *_steps(run, later),
        *((f"chance of completion, track {place}", f"{chance:.3f}") for place, chance in _completions(later)),
    ]
    read = "all queues" if summary.rows <= len(queues) else f"the first {len(queues):,} queues"
    note = f"Of {read}, without the tracks of albums that are played in order. Shuffled: all pairs of a queue."
    return Table("Queues", [("", "value")], [(name, "", [Cell(value)]) for name, value in figures], note, "figure")


def _familiar_shares(queues: pl.DataFrame, later: pl.DataFrame) -> list[tuple[str, str]]:
    if later.is_empty():
        return []
    wished, found = queues["familiar_per_10"].to_numpy(), later["is_familiar"].to_numpy()
    return [("wished", f"{wished.mean() / 10:.1%}"), ("found", f"{found.mean():.1%}")]


def _shares(values: pl.Series) -> list[tuple[str, float]]:
    counts = values.value_counts().sort("count", values.name, descending=[True, False])
    return [(name, n / len(values)) for name, n in counts.rows()]


def _completions(later: pl.DataFrame) -> list[tuple[int, float]]:
    means = later.filter(pl.col("place").is_in(_PLACES)).group_by("place").agg(pl.col("p_completed").mean())
    return means.sort("place").rows()


def _steps(run: PublishedRun, later: pl.DataFrame) -> list[tuple[str, str]]:
    """Return the mean distance of neighbours and of all pairs of a queue, where the catalog has vectors."""
    path = run.artifact("tracks")
    codes = run.catalog.tracks.select("track_id").with_row_index("track")
    track = later.join(codes, on="track_id", how="left", maintain_order="left")["track"]
    if not path or track.null_count():
        return []
    vector = short_vectors(np.asarray(open_content_keys(path)["vector"][track.to_numpy()])).astype(np.float64)
    is_known = vector.any(axis=1)
    vector, queue = vector[is_known], later["queue"].to_numpy()[is_known].astype(np.int64)
    is_next = queue[1:] == queue[:-1]
    if not is_next.any():
        return []
    size = np.bincount(queue)
    sums = np.column_stack([np.bincount(queue, column) for column in vector.T])
    pairs = size * (size - 1)
    likeness = (np.square(sums).sum(axis=1) - size)[pairs > 0].sum() / pairs.sum()
    step = 1 - np.einsum("nv,nv->n", vector[1:], vector[:-1])[is_next].mean()
    shuffled = 1 - likeness
    return [
        ("distance of neighbours", f"{step:.3f}"),
        ("distance of neighbours, shuffled", f"{shuffled:.3f}"),
        ("of the shuffled distance", f"{step / shuffled:.0%}" if shuffled > 0 else "–"),
    ]
