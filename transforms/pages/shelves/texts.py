"""Titles and reasons of shelves, filled in from their templates."""

from collections.abc import Mapping, Sequence
from string import Formatter

import polars as pl

from transforms.pages.shelves.shelf import Shelf

# What every template may name, over the subject's row of CATALOG. Only {title} and {track} always have a value.
PLACEHOLDERS = {
    "title": pl.col("title"),
    "track": pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")),
    "artist": pl.col("artist_name"),
    "genre": pl.col("genre_name"),
}


def placeholders_of(shelf: Shelf) -> dict[str, pl.Expr]:
    """Return what the templates of a shelf may name: the common placeholders and the label of its instances."""
    label = shelf.instance.label() if shelf.instance else None
    return PLACEHOLDERS if label is None or shelf.instance is None else {**PLACEHOLDERS, shelf.instance.column: label}


def render_shelves(
    indexes: pl.Series, codes: pl.Series, first_tracks: pl.Series, *, shelves: Sequence[Shelf], tracks: pl.DataFrame
) -> pl.DataFrame:
    """Return id, title, reason and format of shelves, given by index into `shelves`, instance code and first track.

    tracks: title, artist_name, genre_name of all tracks.
    """
    subjects = _with_subjects(indexes, codes, first_tracks, shelves, tracks)
    return subjects.select(
        shelf_id=pl.lit(pl.Series([shelf.id for shelf in shelves], dtype=pl.String)).gather("shelf_index"),
        title=_titles(shelves),
        reason=_of_shelf([template_expression(shelf.reason, placeholders_of(shelf)) for shelf in shelves]),
        format=pl.lit(pl.Series([shelf.format for shelf in shelves], dtype=pl.String)).gather("shelf_index"),
    )


def render_titles(
    indexes: pl.Series, codes: pl.Series, first_tracks: pl.Series, *, shelves: Sequence[Shelf], tracks: pl.DataFrame
) -> pl.Series:
    """Return the titles of render_shelves() alone."""
    return _with_subjects(indexes, codes, first_tracks, shelves, tracks).select(_titles(shelves)).to_series()


def _with_subjects(
    indexes: pl.Series, codes: pl.Series, first_tracks: pl.Series, shelves: Sequence[Shelf], tracks: pl.DataFrame
) -> pl.DataFrame:
    """Return shelf_index and code of shelves, and the names of the track that each speaks of."""
    is_track = pl.Series([bool(shelf.instance and shelf.instance.is_track) for shelf in shelves], dtype=pl.Boolean)
    of_code = is_track.gather(indexes)
    subjects = pl.select(pl.when(of_code).then(codes).otherwise(first_tracks)).to_series()
    names = tracks.select("title", "artist_name", "genre_name")[subjects]
    return names.with_columns(indexes.alias("shelf_index"), codes.alias("code"))


def _titles(shelves: Sequence[Shelf]) -> pl.Expr:
    return _of_shelf([template_expression(shelf.title, placeholders_of(shelf)) for shelf in shelves]).alias("title")


def template_expression(template: str, placeholders: Mapping[str, pl.Expr]) -> pl.Expr:
    """Turn a template into an expression; the values that it fills in are never themselves read as templates."""
    parts = Formatter().parse(template)
    pieces = [[pl.lit(text), placeholders[name]] if name else [pl.lit(text)] for text, name, _, _ in parts]
    return pl.concat_str([piece for pair in pieces for piece in pair])


def _of_shelf(texts: Sequence[pl.Expr]) -> pl.Expr:
    """Return, in each row, the text whose number is `shelf_index`."""
    return pl.coalesce(pl.when(pl.col("shelf_index") == number).then(text) for number, text in enumerate(texts))
