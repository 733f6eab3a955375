"""Data of a run's report: its manifest, the lines of its stages, and the manifests of the runs before it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.inputs.published import PublishedRun
from pipelines.inputs.run_folders import list_run_folders
from pipelines.launch.stage_lines import StageLine
from pipelines.options.options import UsageError
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Table
from pipelines.runs.queue_figures import queue_figures
from transforms.publishing.json_records import read_record
from transforms.publishing.manifest import Manifest, RunMetrics
from transforms.publishing.run_paths import STAGES_FILE, DamagedFileError
from transforms.tables.artifacts import is_remote
from transforms.tables.files import read_bytes

_MAX_RUNS = 30
_MAX_TEXT_LENGTH = 2_000

# Population stability index above which a change of a feature is usually called a shift.
SHIFT = 0.25


@dataclass(frozen=True)
class RunReportData:
    """Manifest and stages of a run, and the manifests of runs with pages, oldest first, this run's own last.

    queues: figures of its queues.
    """

    manifest: Manifest
    stages: Sequence[StageLine]
    history: Sequence[Manifest]
    queues: Table | None = None

    @classmethod
    def from_manifests(
        cls, manifest: Manifest, stages: Sequence[StageLine], history: Sequence[Manifest]
    ) -> "RunReportData":
        """Build the data from printable text only: Vega stumbles over control characters."""
        lines = tuple(read_record(StageLine, _printable(asdict(line))) for line in stages)
        return cls(_printable_manifest(manifest), lines, tuple(map(_printable_manifest, history)))

    @property
    def before(self) -> RunMetrics | None:
        """Return the metrics of the run before; None: there was none."""
        return self.history[-2].metrics if len(self.history) > 1 else None


def read_report_data(run: PublishedRun) -> RunReportData:
    """Read the data of a run's report (UsageError: see read_stages())."""
    earlier = [*_earlier(run), run.manifest][-_MAX_RUNS:]
    data = RunReportData.from_manifests(run.manifest, read_stages(run), earlier)
    return replace(data, queues=queue_figures(run))


def read_stages(run: PublishedRun) -> list[StageLine]:
    """Read the lines of a run's stages; a run on another engine has none (UsageError: damaged ones)."""
    path = f"{run.folder}/{STAGES_FILE}"
    try:
        lines = read_bytes(path).splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    try:
        return [read_record(StageLine, json.loads(line)) for line in lines]
    except (DamagedFileError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged, and may be deleted: {error}") from error


def _earlier(run: PublishedRun) -> list[Manifest]:
    """Return the manifests of runs with pages that were published before, whose pointer was not kept by the gate."""
    folder = run.folder if is_remote(run.folder) else str(Path(run.folder).absolute())
    output, day, name = folder.rsplit("/", 2)
    if not day.startswith("ds="):
        # a copy outside an output folder: the folders around it are no runs
        return []
    found: list[Manifest] = []
    for other in list_run_folders(output).runs:
        if other.name == name and day == f"ds={other.day}":
            return found
        if other.state in ("current", "whole", "withdrawn") and other.manifest is not None:
            found.append(other.manifest)
    return []


def _printable_manifest(manifest: Manifest) -> Manifest:
    return Manifest.from_json(_printable(asdict(manifest)))


def _printable(value: Any) -> Any:
    """Replace what cannot be printed in all texts of a JSON value."""
    if isinstance(value, Mapping):
        return {_printable(name): _printable(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(one) for one in value]
    if isinstance(value, str):
        return printable(value, _MAX_TEXT_LENGTH)
    return value
