"""A published run as anyone finds it: the pointer, the manifest, the tables."""

import io
import posixpath
from dataclasses import fields
from functools import cached_property
from typing import Any

import polars as pl
from apache_beam.io.filesystems import FileSystems

from pipelines.options.options import RunOptions, UsageError, flag_text
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.publishing.manifest import read_manifest
from transforms.publishing.run_paths import MANIFEST, POINTER, UnsafePathError, parse_pointer, resolve_path
from transforms.tables.artifacts import is_remote


class PublishedRun:
    """A run by its folder, that of its day, or that of all runs (then the latest day's current run).

    Raises:
        UsageError: no run was published there, or one without pages where these are needed; or what it names lies
            outside the folder of all runs.
    """

    def __init__(self, path: str, *, needs_pages: bool = True) -> None:
        """Find the run and read its manifest."""
        try:
            self.folder = _find(path.rstrip("/"))
            self.output = _two_above(self.folder)
            self.manifest = read_manifest(self.output, self.folder)
            self._catalog_path = resolve_path(self.manifest.artifacts["catalog"], self.output, self.folder)
        except UnsafePathError as error:
            raise UsageError(f"--run={path}: {error}") from error
        if needs_pages and "pages" not in self.manifest.tables:
            raise UsageError(f"--run={path}: {self.folder} has no pages: --mode={self.manifest.options['mode']}")

    @cached_property
    def catalog(self) -> Catalog:
        """What was known of all tracks."""
        return open_catalog(self._catalog_path)

    def table(self, name: str) -> pl.LazyFrame:
        """A table, in order of files and rows; only what is asked of it is read."""
        paths = self.paths(name)
        files: Any = [io.BytesIO(_read(path)) for path in paths] if is_remote(self.folder) else paths
        return pl.scan_parquet(files)

    def artifact(self, name: str) -> str:
        """Where an artifact of the run lies; empty: elsewhere than the run's output, for it was lent."""
        try:
            return resolve_path(self.manifest.artifacts[name], self.output, self.folder)
        except UnsafePathError:
            return ""

    @property
    def options(self) -> RunOptions:
        """The flags that the run went by; those that there were not yet have their defaults."""
        told = self.manifest.options
        read: dict[str, Any] = {}
        for one in fields(RunOptions):
            text = told.get(one.name, flag_text(one.default))
            read[one.name] = one.default if text == flag_text(one.default) else one.metadata["kind"](text)
        return RunOptions(**read)

    def paths(self, name: str) -> list[str]:
        """The files of a table, in order."""
        return [f"{self.folder}/{file.path}" for file in self.manifest.tables[name].files]


def card_rows(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> one row per card, with its shelf's columns (shelf_*)."""
    shelves = pages.select("user_id", "surface", "shelves").explode("shelves", empty_as_null=False)
    shelf = pl.col("shelves").struct
    rows = shelves.select(
        "user_id",
        "surface",
        shelf_id=shelf.field("shelf_id"),
        shelf_title=shelf.field("title"),
        shelf_reason=shelf.field("reason"),
        shelf_position=shelf.field("position"),
        shelf_score=shelf.field("score"),
        shelf_propensity=shelf.field("propensity"),
        tracks=shelf.field("tracks"),
    ).explode("tracks", empty_as_null=False)
    return rows.unnest("tracks")


def _find(path: str) -> str:
    if _is_there(f"{path}/{MANIFEST}"):
        return path
    pointers = [f"{path}/{POINTER}"] if _is_there(f"{path}/{POINTER}") else _match(f"{path}/ds=*/{POINTER}")
    if not pointers:
        raise UsageError(f"--run={path}: no published run there (neither {MANIFEST} nor {POINTER})")
    latest = max(pointers)
    day = latest.removesuffix("/" + POINTER)
    return f"{day}/{parse_pointer(_read(latest), day)}"


def _two_above(folder: str) -> str:
    scheme, colon, path = folder.rpartition("://")
    return f"{scheme}{colon}{posixpath.normpath(f'{path}/../..')}"


def _is_there(path: str) -> bool:
    return bool(FileSystems.exists(path))


def _match(pattern: str) -> list[str]:
    return [file.path for result in FileSystems.match([pattern]) for file in result.metadata_list]


def _read(path: str) -> bytes:
    with FileSystems.open(path) as file:
        content: bytes = file.read()
    return content
