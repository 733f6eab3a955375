"""Access to a published run: its pointer, manifest, tables and artifacts."""

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
    """A published run, found by its folder, that of its day, or the output folder (the current run of the last day).

    Raises:
        UsageError: there is no published run, it has no pages although they are needed, or it refers to paths outside
            the output folder.
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
        """Return the catalog as of the run."""
        return open_catalog(self._catalog_path)

    def table(self, name: str) -> pl.LazyFrame:
        """Scan a table lazily, in the order of files and rows."""
        paths = self.paths(name)
        files: Any = [io.BytesIO(_read(path)) for path in paths] if is_remote(self.folder) else paths
        return pl.scan_parquet(files)

    def artifact(self, name: str) -> str:
        """Return the path of an artifact; empty for one reused from outside the output folder."""
        try:
            return resolve_path(self.manifest.artifacts[name], self.output, self.folder)
        except UnsafePathError:
            return ""

    @property
    def options(self) -> RunOptions:
        """Return the options of the run; flags that its version lacked have their defaults."""
        texts = self.manifest.options
        values: dict[str, Any] = {}
        for one in fields(RunOptions):
            text = texts.get(one.name, flag_text(one.default))
            values[one.name] = one.default if text == flag_text(one.default) else one.metadata["kind"](text)
        return RunOptions(**values)

    def paths(self, name: str) -> list[str]:
        """Return the paths of a table's files, in order."""
        return [f"{self.folder}/{file.path}" for file in self.manifest.tables[name].files]


def card_rows(pages: pl.DataFrame) -> pl.DataFrame:
    """Flatten PAGES to one row per card, with the columns of its shelf as shelf_*."""
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
