"""Access to a published run: its pointer, manifest, tables, metrics and artifacts."""

import io
import posixpath
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cached_property
from os import PathLike
from typing import Any, TypeVar

import polars as pl
from apache_beam.io.filesystems import FileSystems

from models.ranker.contract import Ranker
from pipelines.options.options import RunOptions, UsageError, flag_text
from transforms.candidates.blending import Blend, open_blend
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_codes import open_track_codes
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import SHELF_IDS, SURFACES
from transforms.publishing.manifest import read_manifest
from transforms.publishing.run_paths import MANIFEST, POINTER, UnsafePathError, parse_pointer, resolve_path
from transforms.ranking.ranker_files import Vocabulary, open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.tables.artifacts import is_remote

_Artifact = TypeVar("_Artifact")
_Frame = TypeVar("_Frame", pl.DataFrame, pl.LazyFrame)


class PublishedRun:
    """A published run, found by its folder, that of its day, or the output folder (the current run of the last day).

    Attributes:
        folder (str): its folder.
        output (str): the folder of all runs.
        manifest (Manifest): all that was read, written, measured and checked.

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

    @property
    def pages(self) -> pl.LazyFrame:
        """The pages: a row for each user and surface, with all shelves and their tracks (see card_rows())."""
        return self.table("pages")

    @property
    def candidates(self) -> pl.LazyFrame:
        """The candidates of every user: sources, features, probabilities of the rewards, and score."""
        return self.table("candidates")

    @property
    def metrics(self) -> pl.DataFrame:
        """The metrics of the run, a row each; `bound` is null where there is no limit."""
        counts = {name: n for name, n in vars(self.manifest.metrics).items() if isinstance(n, int | float)}
        limited = {name: (found.value, found.bound) for name, found in self.manifest.gate.values.items()}
        found = {name: (float(n), None) for name, n in counts.items()} | limited
        rows = [(name, value, bound) for name, (value, bound) in found.items()]
        return pl.DataFrame(rows, {"metric": pl.String, "value": pl.Float64, "bound": pl.Float64}, orient="row")

    @property
    def as_of(self) -> datetime:
        """The moment at which the run stands."""
        return datetime.fromisoformat(self.manifest.as_of)

    @property
    def policy(self) -> Policy:
        """The policy with which the pages were composed."""
        given: dict[str, Any] = dict(self.manifest.policy)
        return Policy(**given | {"surfaces": tuple(given["surfaces"]), "as_of": self.as_of})

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the pages."""
        return parse_rules(self.manifest.rules, SHELF_IDS, SURFACES)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog as of the run."""
        return open_catalog(self._catalog_path)

    @property
    def track_codes(self) -> pl.DataFrame:
        """The code of every track: track_id, track."""
        return self._opened("tracks", open_track_codes)

    @property
    def embeddings(self) -> Embeddings:
        """The two-tower embeddings as of the run."""
        return self._opened("embeddings", open_embeddings)

    @property
    def blend(self) -> Blend:
        """The blend, which ranks the union of all sources."""
        return self._opened("blend", open_blend)

    @cached_property
    def ranker(self) -> Ranker:
        """The ranker; opening it loads TensorFlow."""
        return self._opened("ranker", load_ranker)

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids of tracks and artists that have embeddings of their own in the ranker."""
        return self._opened("ranker", open_vocabulary)

    def table(self, name: str) -> pl.LazyFrame:
        """Scan a table lazily, in the order of files and rows (UsageError: the run has no such table)."""
        paths = self.paths(name)
        files: Any = [io.BytesIO(_read(path)) for path in paths] if is_remote(self.folder) else paths
        return pl.scan_parquet(files)

    def _opened(self, name: str, opener: Callable[[str], _Artifact]) -> _Artifact:
        if name not in self.manifest.artifacts:
            raise UsageError(f"{self.folder} has no {name}; its artifacts are {', '.join(self.manifest.artifacts)}")
        if path := self.artifact(name):
            return opener(path)
        raise UsageError(f"{self.folder}: its artifact {name!r} lies outside the folder of all runs")

    def artifact(self, name: str) -> str:
        """Return the path of an artifact; empty for one reused from outside the output folder."""
        try:
            return resolve_path(self.manifest.artifacts[name], self.output, self.folder)
        except UnsafePathError:
            return ""

    @property
    def options(self) -> RunOptions:
        """The options of the run; flags that its version lacked have their defaults."""
        texts = self.manifest.options
        values: dict[str, Any] = {}
        for one in fields(RunOptions):
            text = texts.get(one.name, flag_text(one.default))
            values[one.name] = one.default if text == flag_text(one.default) else one.metadata["kind"](text)
        return RunOptions(**values)

    def paths(self, name: str) -> list[str]:
        """Return the paths of a table's files, in order (UsageError: the run has no such table)."""
        if name not in self.manifest.tables:
            raise UsageError(f"{self.folder} has no {name}; its tables are {', '.join(self.manifest.tables)}")
        return [f"{self.folder}/{file.path}" for file in self.manifest.tables[name].files]


def open_run(path: str | PathLike[str]) -> PublishedRun:
    """Open a published run, with or without pages.

    Args:
        path: the folder of the run, of its day, or of all runs, where pointers lead to the current run of the last day.

    Raises:
        UsageError: there is no published run.
    """
    return PublishedRun(str(path), needs_pages=False)


def card_rows(pages: _Frame) -> _Frame:
    """Flatten pages to a row for each card, with the columns of its shelf as shelf_*; a lazy frame stays lazy."""
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
