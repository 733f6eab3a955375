"""Access to a published run: its pointer, manifest, tables, metrics and artifacts."""

import io
import posixpath
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from functools import cached_property
from os import PathLike
from typing import Any, TypeVar

import polars as pl

from models.ranker.contract import Ranker
from pipelines.inputs.run_folders import find_run, gated_runs
from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import RunOptions, UsageError
from pipelines.rendering.plain_text import one_line
from transforms.candidates.blending import Blend, open_blend
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_codes import open_track_codes
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS
from transforms.plugins import plugin_hashes
from transforms.publishing.manifest import read_manifest
from transforms.publishing.run_paths import DamagedFileError, UnsafePathError, resolve_path
from transforms.publishing.stated_files import find_artifact_changes, find_changes
from transforms.ranking.ranker_files import Vocabulary, check_graph, open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.tables.artifacts import is_remote
from transforms.tables.files import read_bytes
from transforms.tables.schemas import PAGES

# What Polars, numpy, json and TensorFlow raise on a file that is not what they expect.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, pl.exceptions.PolarsError)
# keys of the manifest that every version wrote
_NEEDED = ("started_at", "as_of", "published_at", "options", "policy")
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
        self._unchanged: set[str] = set()
        self.folder = find_run(path.rstrip("/"))
        try:
            self.output = _two_above(self.folder)
            self.manifest = read_manifest(self.output, self.folder)
            if "catalog" in self.manifest.artifacts:
                resolve_path(self.manifest.artifacts["catalog"], self.output, self.folder)
        except FileNotFoundError as error:
            raise UsageError(f"--run={path}: {self.folder}, which a pointer names, is not there") from error
        except (DamagedFileError, OSError) as error:
            raise UsageError(f"--run={path}: {error}") from error
        lacking = [name for name in _NEEDED if not getattr(self.manifest, name)]
        if lacking:
            raise UsageError(f"--run={path}: manifest.json of {self.folder} has no {', '.join(lacking)}: it is damaged")
        if needs_pages:
            self.check_pages(path)

    def check_pages(self, path: str) -> None:
        """Check that the run has pages as this version reads them (UsageError: it has not)."""
        if "pages" not in self.manifest.tables:
            told = [f"--{name}={self.manifest.options.get(name, 'unknown')}" for name in ("mode", "surfaces")]
            raise UsageError(f"--run={path}: {self.folder} has no pages: {', '.join(told)}")
        found = self.table("pages").collect_schema()
        missing = [name for name, kind in PAGES.frame().schema.items() if found.get(name) != kind]
        if missing:
            raise UsageError(
                f"--run={path}: pages of {self.folder} have no {', '.join(missing)} of this form: homeshelf"
                f" {self.manifest.homeshelf or '?'} wrote them, or they are damaged"
            )

    @property
    def as_of(self) -> datetime:
        """The moment at which the run stands."""
        return datetime.fromisoformat(self.manifest.as_of)

    @property
    def policy(self) -> Policy:
        """The policy with which the pages were composed."""
        return Policy(**vars(self.manifest.policy), as_of=self.as_of)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the pages."""
        return parse_rules(self.manifest.rules, SHELF_IDS, RULE_SURFACES)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog as of the run."""
        return self._opened("catalog", open_catalog)

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
        """Scan a table lazily, in the order of files and rows.

        Raises:
            UsageError: the run has no such table, or a file of it was changed or cannot be read.
        """
        paths = self.paths(name)
        with self._explained(f"its table {name}"):
            files: Any = [io.BytesIO(read_bytes(path)) for path in paths] if is_remote(self.folder) else paths
            scanned = pl.scan_parquet(files, glob=False, hive_partitioning=False)
            scanned.collect_schema()
        return scanned

    def _opened(self, name: str, opener: Callable[[str], _Artifact]) -> _Artifact:
        if name not in self.manifest.artifacts:
            raise UsageError(f"{self.folder} has no {name}; its artifacts are {', '.join(self.manifest.artifacts)}")
        path = self.artifact(name)
        if not path:
            raise UsageError(f"{self.folder}: its artifact {name!r} lies outside the folder of all runs")
        with self._explained(f"its artifact {name}"):
            return opener(path)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn the errors of all libraries that read a damaged file into a UsageError; `what` names the file."""
        try:
            yield
        except _UNREADABLE as error:
            raise UsageError(f"{self.folder}: {what} cannot be read: {type(error).__name__}: {error}") from error

    def artifact(self, name: str) -> str:
        """Return the path of an artifact; empty for one reused from outside the output folder.

        Raises:
            UsageError: a file of it was changed since it was published.
        """
        if path := self.resolved(name):
            self._check_once(name, find_artifact_changes(path, self.manifest.artifact_files.get(name, ())))
        if path and name == "ranker" and not self.options.trust:
            with self._explained("its ranker"):
                check_graph(path)
        return path

    def resolved(self, name: str) -> str:
        """Return the path of an artifact without looking at it; empty for one from outside the output folder."""
        try:
            return resolve_path(self.manifest.artifacts.get(name, ""), self.output, self.folder)
        except UnsafePathError:
            return ""

    def _check_once(self, name: str, changes: Iterator[str]) -> None:
        """Raise a UsageError on the first change; what was found unchanged is not read again."""
        if name not in self._unchanged:
            for change in changes:
                raise UsageError(change)
            self._unchanged.add(name)

    @property
    def options(self) -> RunOptions:
        """The options of the run; flags that its version lacked have their defaults."""
        texts = self.manifest.options
        values: dict[str, Any] = {}
        for one in fields(RunOptions):
            text = texts.get(one.name, flag_text(one.default))
            try:
                values[one.name] = one.default if text == flag_text(one.default) else one.metadata["kind"](text)
            except ValueError as error:
                raise UsageError(f"{self.folder}: manifest.json: --{one.name}: {error}") from error
        return RunOptions(**values)

    def paths(self, name: str) -> list[str]:
        """Return the paths of a table's files, in order (UsageError: there is none, or one of them was changed)."""
        if name not in self.manifest.tables:
            raise UsageError(f"{self.folder} has no {name}; its tables are {', '.join(self.manifest.tables)}")
        files = self.manifest.tables[name].files
        self._check_once(f"{name}/", find_changes(self.folder, files))
        return [f"{self.folder}/{file.path}" for file in files]


def open_published(path: str | PathLike[str]) -> PublishedRun:
    """Open a published run, with or without pages.

    Args:
        path: the folder of the run, of its day, or of all runs, where pointers lead to the current run of the last day.

    Raises:
        UsageError: there is no published run.
    """
    return PublishedRun(str(path), needs_pages=False)


def review_run(path: str, *, needs_pages: bool = True) -> PublishedRun:
    """Open a run to look at it, also one that the gate kept from the pointer; that is said on stderr.

    Raises:
        UsageError: see PublishedRun.
    """
    gated, given = gated_runs(path.rstrip("/")), path
    try:
        run = PublishedRun(given, needs_pages=needs_pages)
    except UsageError:
        if not gated:
            raise
        run = PublishedRun(gated[-1].path, needs_pages=needs_pages)
    if lacking := sorted(set(run.manifest.plugins) - set(plugin_hashes())):
        _note(f"{run.folder} was made with --plugins ({', '.join(lacking)}), which this command was not given")
    newer = [one for one in gated if one.manifest and one.manifest.published_at >= run.manifest.published_at]
    if run.manifest.gate.failed:
        _note(f"the gate kept the pointer from {run.folder}: {'; '.join(run.manifest.gate.failed)}")
    elif newer:
        _note(f"this is {run.folder}, which a pointer names; the gate kept it from the newer {newer[-1].path}")
    return run


def _note(text: str) -> None:
    print(f"homeshelf: {one_line(text)}", file=sys.stderr)


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
        shelf_format=shelf.field("format"),
        shelf_position=shelf.field("position"),
        shelf_score=shelf.field("score"),
        shelf_propensity=shelf.field("propensity"),
        tracks=shelf.field("tracks"),
    ).explode("tracks", empty_as_null=False)
    return rows.unnest("tracks")


def _two_above(folder: str) -> str:
    scheme, colon, path = folder.rpartition("://")
    return f"{scheme}{colon}{posixpath.normpath(f'{path}/../..')}"
