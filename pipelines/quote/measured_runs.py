"""The runs that a quote is made from: their size, and the figures of their stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.inputs.published import PublishedRun
from pipelines.launch.stage_lines import StageLine
from pipelines.options.options import UsageError
from pipelines.quote.drivers import Driver
from pipelines.runs.report_data import read_stages
from transforms.publishing.run_paths import STAGES_FILE
from transforms.tables.stage_counters import RUN_NAMESPACE

# What runs do outside of stages: Beam itself, reading and writing of what is shuffled.
BETWEEN = "between the stages"


@dataclass(frozen=True)
class Size:
    """Size of a run.

    sampled_users: those whose examples it may train on. feature_users: those whose features it publishes.
    """

    users: int
    tracks: int
    events: int
    sampled_users: int
    feature_users: int

    def amount(self, driver: Driver) -> int:
        """Return how much there is of what a stage grows with."""
        amounts = {
            "users": self.users,
            "tracks": self.tracks,
            "events": self.events,
            "sampled users": self.sampled_users,
            "feature users": self.feature_users,
        }
        return amounts.get(driver, 1)


@dataclass(frozen=True)
class MeasuredRun:
    """A run that was measured; stages: by name, BETWEEN among them."""

    folder: str
    mode: str
    max_training_users: int
    max_feature_users: int
    size: Size
    stages: Mapping[str, StageLine]
    cpu_seconds: float


def read_measured_runs(paths: Sequence[str]) -> list[MeasuredRun]:
    """Return the runs, the smallest first.

    Raises:
        UsageError: a run does not tell what is needed, or two of them do not compare.
    """
    runs = sorted((_read(PublishedRun(path, needs_pages=False)) for path in paths), key=lambda run: run.size.users)
    if len({run.mode for run in runs}) > 1:
        raise UsageError(f"--run: runs of one mode compare, not {' and '.join(sorted({run.mode for run in runs}))}")
    if len({run.size.users for run in runs}) < len(runs):
        raise UsageError("--run: two runs with as many users tell no slope")
    return runs


def _read(run: PublishedRun) -> MeasuredRun:
    lines = {line.stage: line for line in read_stages(run)}
    whole = lines.pop(RUN_NAMESPACE, None)
    if whole is None or not whole.cpu_seconds:
        raise UsageError(f"--run: {run.folder} has no CPU seconds in {STAGES_FILE}: measure a run of this version here")
    manifest = run.manifest
    if "tracks" not in manifest.inputs:
        raise UsageError(f"--run: {run.folder} read no track table, so its number of tracks is not known")
    if not manifest.metrics.users_with_page:
        raise UsageError(f"--run: {run.folder} has no pages: --mode=score or full has")
    rest = max(0.0, whole.cpu_seconds - sum(line.cpu_seconds for line in lines.values()))
    users, limits = manifest.metrics.users_with_page, run.options
    most, features = limits.max_training_users, limits.max_feature_users
    return MeasuredRun(
        run.folder,
        run.options.mode,
        most,
        features,
        Size(users, manifest.inputs["tracks"].rows, manifest.events.read, min(users, most), min(users, features)),
        {**lines, BETWEEN: StageLine(BETWEEN, cpu_seconds=rest, peak_bytes=whole.peak_bytes)},
        whole.cpu_seconds,
    )
