"""SEEDS: what the queues of listeners go on from, without the queues."""

import polars as pl

from transforms.now_playing.queues.queue_tables import QUEUES
from transforms.tables.columns import Schema

SEEDS = Schema("seeds", tuple(QUEUES[name] for name in ("user_id", "context", "context_id", "name", "started_at")))


def list_seeds(queues: pl.DataFrame) -> pl.DataFrame:
    """QUEUES -> SEEDS."""
    return queues.select(SEEDS.names)
