"""The manifest of a run: all that was read, written, measured and checked, as one JSON object."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from transforms.publishing.run_paths import MANIFEST, resolve_path
from transforms.tables.files import read_bytes
from transforms.tables.histograms import Histograms
from transforms.tables.schemas import NOT_ERRORS

_Part = TypeVar("_Part")
JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class EventCounts:
    """Numbers of events: read, kept as plays, rejected by reason, and erased before they were read."""

    read: int = 0
    kept: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    erased: int = 0

    @property
    def errors(self) -> dict[str, int]:
        """Return the rejected events by reason, without the reasons that are no fault of the data."""
        return {reason: n for reason, n in self.rejected.items() if reason not in NOT_ERRORS}


@dataclass(frozen=True)
class TableFile:
    """One Parquet file of a published table; `path` is relative to the run's folder."""

    path: str
    rows: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class TableSummary:
    """Number of rows and files of a published table."""

    rows: int = 0
    files: tuple[TableFile, ...] = ()

    @classmethod
    def from_json(cls, values: JsonObject) -> "TableSummary":
        """Read the JSON object of a table."""
        return _read(cls, values, files=lambda files: tuple(_read(TableFile, file) for file in files))


@dataclass(frozen=True)
class NewTrackCounts:
    """Number of new tracks, and of those proposed to at least --new_track_floor users."""

    total: int = 0
    at_floor: int = 0


@dataclass(frozen=True)
class RunMetrics:
    """Measurements of a run that the gate checks and that the next run is compared with.

    users: known users, with or without a page. shelves, tracks_by_shelf: shelves and cards by shelf id.
    tracks_on_pages: distinct tracks on any page; tracks: size of the catalog. histograms: of features and scores.
    events, rejected: events kept, and those rejected for an error by reason. auc: of the ranker on held-out examples.
    """

    users: int = 0
    pages: int = 0
    empty_pages: int = 0
    users_with_page: int = 0
    shelves: Mapping[str, int] = field(default_factory=dict)
    tracks_by_shelf: Mapping[str, int] = field(default_factory=dict)
    tracks_on_pages: int = 0
    tracks: int = 0
    new_tracks: NewTrackCounts = NewTrackCounts()
    histograms: Histograms = field(default_factory=dict)
    events: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    auc: float | None = None

    def to_json(self) -> str:
        """Return the JSON text of the metrics."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, values: JsonObject) -> "RunMetrics":
        """Read the JSON object of a run's metrics."""
        return _read(cls, values, new_tracks=lambda counts: _read(NewTrackCounts, counts))


@dataclass(frozen=True)
class LimitValue:
    """Value of a limited metric, and its bound."""

    value: float
    bound: float


@dataclass(frozen=True)
class GateFindings:
    """Result of the gate: its mode, the value of every limit, and sentences on the violated ones.

    drift, training_drift: stability index of each feature against the run before, and of training against scoring.
    failed: the violated limits that kept the pointer from this run.
    """

    mode: str = "off"
    values: Mapping[str, LimitValue] = field(default_factory=dict)
    drift: Mapping[str, float] = field(default_factory=dict)
    training_drift: Mapping[str, float] = field(default_factory=dict)
    violated: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: JsonObject) -> "GateFindings":
        """Read the JSON object of a gate."""
        return _read(
            cls,
            values,
            values=lambda found: {name: _read(LimitValue, one) for name, one in found.items()},
            violated=tuple,
            failed=tuple,
        )


@dataclass(frozen=True)
class Erasure:
    """Removal of users from a published run: when, and how many rows."""

    at: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """Contents of a run's manifest.json.

    run: name of its folder. homeshelf: version of the code. options: every flag, as text. policy: page settings.
    rules: text of the rules file. carry_over: page files whose shelves were carried over. rewards: definition
    of the rewards. schemas: fingerprints. artifacts: name -> path. conflicts: rule -> pages that could not follow it.
    disabled: sources, shelves and rewards without their input, with the reason. training: report of the ranker.
    """

    run: str = ""
    homeshelf: str = ""
    started_at: str = ""
    as_of: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    policy: JsonObject = field(default_factory=dict)
    rules: str = ""
    carry_over: tuple[str, ...] = ()
    rewards: Mapping[str, object] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=dict)
    published_at: str = ""
    events: EventCounts = EventCounts()
    tables: Mapping[str, TableSummary] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, int] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
    training: JsonObject | None = None
    gate: GateFindings = GateFindings()
    metrics: RunMetrics = RunMetrics()
    erasures: tuple[Erasure, ...] = ()

    @property
    def file_paths(self) -> list[str]:
        """Return the paths of all files of tables, relative to the run's folder."""
        return [file.path for table in self.tables.values() for file in table.files]

    def to_json(self) -> bytes:
        """Return the content of manifest.json."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, values: JsonObject) -> "Manifest":
        """Read the JSON object of a manifest.

        Keys that this version does not have are left out, and absent ones have their defaults: other versions of the
        code published runs into the same folder.
        """
        return _read(
            cls,
            values,
            carry_over=tuple,
            events=lambda counts: _read(EventCounts, counts),
            tables=lambda tables: {name: TableSummary.from_json(table) for name, table in tables.items()},
            gate=GateFindings.from_json,
            metrics=RunMetrics.from_json,
            erasures=lambda erasures: tuple(_read(Erasure, one) for one in erasures),
        )


def _read(kind: type[_Part], given: JsonObject, /, **readers: Callable[[Any], Any]) -> _Part:
    """Build a dataclass from a JSON object; `readers` convert the values of some fields."""
    known = {one.name: given[one.name] for one in fields(kind) if one.name in given}  # type: ignore[arg-type]
    return kind(**{name: readers[name](value) if name in readers else value for name, value in known.items()})


def read_manifest(output: str, run_folder: str) -> Manifest:
    """Read the manifest of a run.

    Raises:
        FileNotFoundError: the run was not published.
        UnsafePathError: a path in the manifest leads out of the output.
    """
    manifest = Manifest.from_json(json.loads(read_bytes(f"{run_folder}/{MANIFEST}")))
    for path in manifest.file_paths:
        resolve_path(path, output, run_folder)
    return manifest
