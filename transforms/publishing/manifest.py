"""The manifest of a run: all that was read, written, measured and checked, as one JSON object."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field
from typing import Any

from transforms.pages.composition.policy import CompositionSettings
from transforms.publishing.json_records import Time, read_record
from transforms.publishing.run_paths import MANIFEST, DamagedFileError, UnsafePathError, resolve_path
from transforms.tables.files import read_bytes
from transforms.tables.histograms import Histograms
from transforms.tables.schemas import NOT_ERRORS

JsonObject = Mapping[str, Any]


def _key(meaning: str, default: Any = MISSING) -> Any:
    """Declare a key of the manifest: its line in the reference, and its value where it is absent; without: required."""
    metadata = {"meaning": meaning}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class EventCounts:
    """Numbers of events: read, kept as plays, rejected by reason, and erased before they were read."""

    read: int = _key("events read, without those of erased users", 0)
    kept: int = _key("events that passed cleaning", 0)
    rejected: Mapping[str, int] = _key("events rejected, by reason", {})
    erased: int = _key("events of erased users, dropped on reading", 0)

    @property
    def errors(self) -> dict[str, int]:
        """Return the rejected events by reason, without the reasons that are no fault of the data."""
        return {reason: n for reason, n in self.rejected.items() if reason not in NOT_ERRORS}


@dataclass(frozen=True)
class LeftOut:
    """Files that lie beside those of an input table and were not read."""

    files: int = _key("number of these files", 0)
    names: tuple[str, ...] = _key("the first ten of their names", ())


@dataclass(frozen=True)
class InputSummary:
    """Rows and files of an input table as they were before the run, and what became of them."""

    rows: int = _key("rows of the files", 0)
    files: int = _key("files that were read", 0)
    left_out: Mapping[str, LeftOut] = _key("files that were not read, by reason", {})
    rejected: Mapping[str, int] = _key("rows rejected, by reason; those of events are in `events`", {})
    cleared: Mapping[str, int] = _key("values of other rows that cannot be and count as unknown, by column", {})
    unreadable: Mapping[str, int] = _key("values that are none of their column's type and count as null, by column", {})

    def describe(self) -> str:
        """Return the numbers in words, and what was left out."""
        text = f"{self.rows:,} rows in {self.files:,} {'file' if self.files == 1 else 'files'}"
        reasons = (
            f"{', '.join(one.names[:3])}{', ...' * (one.files > 3)} ({why})" for why, one in self.left_out.items()
        )
        num_left = sum(one.files for one in self.left_out.values())
        parts = [text, f"{num_left:,} left out: {', '.join(reasons)}" if num_left else ""]
        kinds = {"rejected": self.rejected, "taken as unknown": self.cleared, "cannot be read": self.unreadable}
        for what, counts in kinds.items():
            listed = ", ".join(f"{name} {n:,}" for name, n in counts.items())
            parts.append(f"{what}: {listed}" if listed else "")
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class TableFile:
    """One Parquet file of a published table."""

    path: str = _key("path from the run's folder")
    rows: int = _key("rows of the file", 0)
    bytes: int = _key("size of the file", 0)
    sha256: str = _key("hash of the file", "")


@dataclass(frozen=True)
class ArtifactFile:
    """One file of an artifact."""

    path: str = _key("path from the artifact's folder")
    bytes: int = _key("size of the file", 0)
    sha256: str = _key("hash of the file", "")


@dataclass(frozen=True)
class TableSummary:
    """Number of rows and files of a published table."""

    rows: int = _key("rows of the table", 0)
    files: tuple[TableFile, ...] = _key("its files", ())


@dataclass(frozen=True)
class NewTrackCounts:
    """Number of new tracks, and of those proposed to at least --new_track_floor users."""

    total: int = _key("tracks released in the last 28 days", 0)
    at_floor: int = _key("of these, candidates of at least `--new_track_floor` users", 0)


@dataclass(frozen=True)
class LastDayCounts:
    """Rows of the log of the day before the run's moment."""

    plays: int = _key("plays that began on it", 0)
    impressions: int = _key("impressions, where the run was given any", 0)
    without_propensity: int = _key("of these, those without a propensity", 0)
    keys: int = _key("distinct impressions by viewer, card, place and time, of a sample of at most 50,000", 0)
    repeats: int = _key("impressions that are there again, in the same sample", 0)


@dataclass(frozen=True)
class QueueCounts:
    """Queues of a run for Now Playing."""

    made: int = _key("queues", 0)
    relaxed: int = _key("of these, those in which a rule of order was relaxed", 0)


@dataclass(frozen=True)
class LedgerFigure:
    """A figure of the discovery ledger with its 95 % interval by user."""

    users: int = _key("users who count for it", 0)
    value: float = _key("the figure", 0.0)
    low: float | None = _key("lower end of its interval; null: too few users", None)
    high: float | None = _key("upper end of its interval", None)


@dataclass(frozen=True)
class RunMetrics:
    """Measurements of a run that the gate checks and that the next run is compared with."""

    users: int = _key("known users, with or without a page", 0)
    pages: int = _key("pages", 0)
    empty_pages: int = _key("pages without a shelf", 0)
    users_with_page: int = _key("users with a page", 0)
    shelves: Mapping[str, int] = _key("shelves on all pages, by shelf", {})
    tracks_by_shelf: Mapping[str, int] = _key("cards on all pages, by shelf", {})
    tracks_on_pages: int = _key("distinct tracks on any page", 0)
    deep_cards: int = _key("cards on all pages whose track is of the deep catalogue", 0)
    cards_by_decile: tuple[int, ...] = _key(
        "cards on all pages by popularity decile, of which each has a tenth of all plays; the first has the most played"
        " tracks",
        (),
    )
    tracks: int = _key("tracks of the catalog", 0)
    new_tracks: NewTrackCounts = _key("new tracks", NewTrackCounts())
    histograms: Histograms = _key("distributions of features and scores", {})
    events: int = _key("events that passed cleaning", 0)
    rejected: Mapping[str, int] = _key("events rejected for an error, by reason", {})
    last_day: LastDayCounts = _key("counts of the last day", LastDayCounts())
    queues: QueueCounts = _key("counts of queues", QueueCounts())
    auc: float | None = _key("AUC of the ranker on held-out examples", None)
    ledger: Mapping[str, LedgerFigure] = _key("discovery ledger of the 28 days before the run, by metric", {})

    def to_json(self) -> str:
        """Return the JSON text of the metrics."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class LimitValue:
    """Value of a limited metric, and its bound."""

    value: float = _key("value of the metric")
    bound: float = _key("its bound")


@dataclass(frozen=True)
class GateFindings:
    """Result of the gate: its mode, the value of every limit, and sentences on the violated ones."""

    mode: str = _key("`--gate`", "off")
    values: Mapping[str, LimitValue] = _key("each limit, by name", {})
    drift: Mapping[str, float] = _key("stability index of each feature, against the run before", {})
    training_drift: Mapping[str, float] = _key("stability index of each feature, training against scoring", {})
    violated: tuple[str, ...] = _key("a sentence for each violated limit", ())
    failed: tuple[str, ...] = _key("the violated limits that kept the pointer from this run", ())


@dataclass(frozen=True)
class TrainingFigures:
    """The part of the report of a training that every ranker has; the rest of it is the model's own."""

    epochs: tuple[Mapping[str, float | None], ...] = ()
    fallback: str = ""
    disabled_rewards: Mapping[str, str] = field(default_factory=dict)
    holdout: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    heads: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Erasure:
    """Removal of users from a published run: when, and how many rows."""

    at: str = _key("time of the erasure (UTC)")
    rows: int = _key("rows removed")


@dataclass(frozen=True)
class Manifest:
    """Contents of a run's manifest.json."""

    run: str = _key("name of the run's folder", "")
    homeshelf: str = _key("version of the code", "")
    started_at: Time = _key("start of the run (UTC)", "")
    as_of: Time = _key("moment at which the run stands (UTC)", "")
    options: Mapping[str, str] = _key("every flag, as text", {})
    policy: CompositionSettings | None = _key("settings of page composition; null: not known", None)
    rules: str = _key("text of the rules file", "")
    carry_over: tuple[str, ...] = _key("page files whose weekly shelves were carried over", ())
    inputs: Mapping[str, InputSummary] = _key(
        "input tables, by name: events, state, tracks, users, erase, impressions", {}
    )
    plugins: Mapping[str, str] = _key("SHA-256 of the source of each module of --plugins, by its name", {})
    remarks: tuple[str, ...] = _key("sentences on the input", ())
    rewards: Mapping[str, object] = _key("definitions of the rewards, with their version and hash", {})
    schemas: Mapping[str, str] = _key("fingerprint of each table's schema, by table", {})
    published_at: Time = _key("time of publication (UTC)", "")
    events: EventCounts = _key("numbers of events", EventCounts())
    tables: Mapping[str, TableSummary] = _key("published tables, by name", {})
    artifacts: Mapping[str, str] = _key(
        "path of each artifact, by name: tracks, catalog, embeddings, blend, ranker", {}
    )
    artifact_files: Mapping[str, tuple[ArtifactFile, ...]] = _key(
        "files of each artifact, by name; the next run that reuses one compares them", {}
    )
    conflicts: Mapping[str, int] = _key("pages that could not follow a rule, by rule", {})
    disabled: Mapping[str, str] = _key("sources, shelves and rewards without their input, with the reason", {})
    training: JsonObject | None = _key("report of the ranker's training and evaluation; null: not trained here", None)
    gate: GateFindings = _key("findings of the gate", GateFindings())
    metrics: RunMetrics = _key("measurements, for the gate and the next run", RunMetrics())
    erasures: tuple[Erasure, ...] = _key("removals of users since publication", ())

    @property
    def file_paths(self) -> list[str]:
        """Return the paths of all files of tables, relative to the run's folder."""
        return [file.path for table in self.tables.values() for file in table.files]

    def to_json(self) -> bytes:
        """Return the content of manifest.json."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, values: object) -> "Manifest":
        """Read the JSON object of a manifest (DamagedFileError: see read_record())."""
        manifest = read_record(cls, values)
        if manifest.training is not None:
            read_record(TrainingFigures, manifest.training, "training")
        return manifest


def read_manifest(output: str, run_folder: str) -> Manifest:
    """Read the manifest of a run.

    Raises:
        FileNotFoundError: the run was not published.
        DamagedFileError: it is no manifest, or a path in it leads out of the output.
    """
    path = f"{run_folder}/{MANIFEST}"
    try:
        manifest = Manifest.from_json(json.loads(read_bytes(path)))
        for file in manifest.file_paths:
            resolve_path(file, output, run_folder)
    except UnsafePathError:
        raise
    except DamagedFileError as error:
        raise DamagedFileError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is no JSON: {error}") from error
    return manifest
