"""What there is to tell of a run: its manifest, what its stages took, and the runs before it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.inputs.published import PublishedRun
from pipelines.inputs.run_folders import list_run_folders
from pipelines.launch.stage_lines import StageLine
from pipelines.rendering.plain_text import printable
from transforms.publishing.manifest import STAGES_FILE
from transforms.tables.artifacts import is_remote
from transforms.tables.files import read_bytes

_MAX_RUNS = 30
_MAX_TEXT_LENGTH = 2_000


@dataclass(frozen=True)
class RunReportData:
    """history: the manifests of runs with pages, oldest first, this run's own last."""

    manifest: Mapping[str, Any]
    stages: Sequence[StageLine]
    history: Sequence[Mapping[str, Any]]

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], stages: Sequence[StageLine], history: Sequence[Mapping[str, Any]]
    ) -> "RunReportData":
        """The story in characters that can be shown: a chart's own language stumbles over others."""
        return cls(*_shown([manifest, stages, history]))

    @property
    def before(self) -> Mapping[str, Any]:
        """The figures of the run before; empty: there was none."""
        figures: Mapping[str, Any] = self.history[-2]["figures"] if len(self.history) > 1 else {}
        return figures


def read_report_data(run: PublishedRun) -> RunReportData:
    """Read what there is; a run on another engine says nothing of its stages."""
    try:
        stages = [json.loads(line) for line in read_bytes(f"{run.folder}/{STAGES_FILE}").splitlines()]
    except FileNotFoundError:
        stages = []
    return RunReportData.of(run.manifest, stages, [*_earlier(run), run.manifest][-_MAX_RUNS:])


def _earlier(run: PublishedRun) -> list[Mapping[str, Any]]:
    """The runs with pages of earlier days and, earlier published, of the same day, which a pointer names or could."""
    folder = run.folder if is_remote(run.folder) else str(Path(run.folder).absolute())
    output, day, name = folder.rsplit("/", 2)
    if not day.startswith("ds="):
        # a copy that lies elsewhere: what is around it are no runs
        return []
    found: list[Mapping[str, Any]] = []
    for other in list_run_folders(output).runs:
        if other.name == name and day == f"ds={other.day}":
            return found
        if other.state in ("current", "whole") and other.manifest is not None:
            found.append(other.manifest)
    return []


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_shown(name): _shown(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    if isinstance(value, str):
        return printable(value, _MAX_TEXT_LENGTH)
    return value
