"""Titles of shelf instances, so that no page shows two shelves under one title."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.catalog.names import name_key
from transforms.pages.composition.shelf_instances import ShelfInstances, number_pairs
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.texts import render_titles


def number_titles(
    instances: ShelfInstances, track: np.ndarray, shelves: Sequence[Shelf], tracks: pl.DataFrame
) -> np.ndarray:
    """Number the titles that instances would have if they stood alone on the page: int [S].

    Two instances of a user have one number if their titles are one name (see name_key()). track: int [N], code of each
    candidate. tracks: title, artist_name, genre_name of all tracks.
    """
    first = pl.Series(track[instances.row[instances.first[:-1]]])
    shelf_index, code = pl.Series(instances.shelf_index), pl.Series(instances.code)
    titles = render_titles(shelf_index, code, first, shelves=shelves, tracks=tracks)
    named = pl.DataFrame({"title": titles, "shelf_index": shelf_index, "code": code}).select(
        pl.col("title").fill_null(pl.format("{} {}", "shelf_index", "code"))
    )
    distinct = named.unique().with_columns(number=name_key(pl.col("title")).rank("dense").cast(pl.Int32) - 1)
    number = named.join(distinct, on="title", how="left", maintain_order="left")["number"]
    return number_pairs(instances.user, number)
