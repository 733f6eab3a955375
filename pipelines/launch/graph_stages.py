"""The stages of a graph before it runs, and how long an earlier run of the same stages took."""

import json
import logging

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from transforms.publishing.run_paths import STAGES_FILE
from transforms.tables.files import read_bytes
from transforms.tables.stage_counters import RUN_NAMESPACE

# A run whose stages differ by more is no measure.
_MIN_SHARED = 0.8
_NUM_TRIED = 3


def find_stages(pipeline: beam.Pipeline) -> tuple[str, ...]:
    """Return the stages that transforms name in `stage`, in the order of the graph; a few others report, too."""
    visitor = _StageNames()
    pipeline.visit(visitor)
    return tuple(visitor.found)


def earlier_seconds(output: str, stages: tuple[str, ...]) -> float | None:
    """Return how long one of the newest runs of an output took, of the same stages; None: there is none."""
    expected = set(stages)
    try:
        (match,) = FileSystems.match([f"{output.rstrip('/')}/ds=*/run=*/{STAGES_FILE}"])
        for path in sorted((one.path for one in match.metadata_list), reverse=True)[:_NUM_TRIED]:
            lines = [json.loads(line) for line in read_bytes(path).splitlines()]
            seen = {line["stage"] for line in lines if line.get("rows") is not None and line["stage"] in expected}
            if lines and lines[-1]["stage"] == RUN_NAMESPACE and len(seen) >= _MIN_SHARED * len(expected):
                return float(lines[-1]["seconds"])
    except Exception as error:
        # what a display cannot say is no reason not to run
        logging.getLogger(__name__).warning("no time of an earlier run: %s", error)
    return None


class _StageNames(PipelineVisitor):
    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def visit_transform(self, node: AppliedPTransform) -> None:
        self._note(node)

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        self._note(node)

    def _note(self, node: AppliedPTransform) -> None:
        transform = node.transform
        stage = getattr(transform, "stage", None) or getattr(getattr(transform, "fn", None), "stage", None)
        if isinstance(stage, str):
            self.found.setdefault(stage)
