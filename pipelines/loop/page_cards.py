"""Pages of runs as the cards that a sample world is served."""

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.inputs.published import card_rows, open_published
from pipelines.sample_world.serving.response import Cards
from transforms.tables.surfaces import HOME

_ORDER = ("user", "shelf_position", "position")
_COLUMNS = {
    "user": pl.Int64,
    "shelf_position": pl.Int64,
    "position": pl.Int64,
    "track": pl.Int64,
    "propensity": pl.Float64,
    "shelf_propensity": pl.Float64,
    "shelf_id": pl.String,
}


def no_cards() -> pl.DataFrame:
    """Return the cards of an arm that shows none."""
    return pl.DataFrame(schema=_COLUMNS)


def read_cards(folder: str, user_id: pa.Array, track_id: pa.Array) -> pl.DataFrame:
    """Read the cards of Home of a run, with the rows of users and tracks in the world, as they are read."""
    users = pl.DataFrame({"user_id": pl.Series(user_id), "user": np.arange(len(user_id))})
    tracks = pl.DataFrame({"track_id": pl.Series(track_id), "track": np.arange(len(track_id))})
    cards = card_rows(open_published(folder).table("pages").filter(surface=HOME)).collect()
    named = cards.with_columns(pl.col("user_id", "track_id").cast(pl.String))
    joined = named.join(users, on="user_id").join(tracks, on="track_id")
    return joined.select(pl.col(name).cast(kind) for name, kind in _COLUMNS.items()).sort(_ORDER)


def as_cards(rows: pl.DataFrame, num_users: int) -> Cards:
    """Return cards as arrays; the rows are sorted by user, then as they are read."""
    arrays = {name: rows[name].to_numpy() for name in _COLUMNS if name != "shelf_id"}
    first = np.searchsorted(arrays.pop("user"), np.arange(num_users + 1))
    return Cards(
        first=first,
        shelf=arrays.pop("shelf_position"),
        shelf_id=rows["shelf_id"].to_arrow().cast(pa.string()),
        **arrays,
    )
