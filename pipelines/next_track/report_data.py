"""The report of an evaluation of the next track as data: every number that is printed, and its JSON form."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import NamedTuple

import polars as pl

from pipelines.next_track.values import NextTrackValues
from pipelines.options.evaluation_options import EvaluateOptions
from transforms.evaluation.bootstrap import ComparedValue, percentile_interval
from transforms.evaluation.next_track.measure_next_tracks import CASE_SEGMENTS, NEXT_TRACK_METRICS, NEXT_TRACK_TARGETS
from transforms.evaluation.next_track.rank_next_tracks import MIXTURE, SEQUENCE_MODEL, NextTrackSystems
from transforms.evaluation.sums import merge_sums

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class NextTrackValue(ComparedValue):
    """A mean over plays of a kind in a segment, compared with that of the mixture."""

    system: str
    metric: str
    targets: str
    segment: str


@dataclass(frozen=True)
class NextTrackSystem:
    """A system of the report: sentence, source and tuned parameters."""

    name: str
    sentence: str
    source: str
    parameters: Mapping[str, float]


@dataclass(frozen=True)
class NextTrackReport:
    """Findings of all cutoffs together. cases: (targets, segment, number of plays). counts: of the data by name.

    checkpoints: of the sequence model by cutoff, None without it. tuning_cutoff: empty if nothing was tuned.
    mixture: weights of the systems in each context; empty without one.
    """

    task: str
    command: str
    homeshelf: str
    cutoffs: Sequence[str]
    checkpoints: Sequence[str | None]
    tuning_cutoff: str
    gap_minutes: float
    horizon_days: float
    num_replicates: int
    counts: Mapping[str, int]
    systems: Sequence[NextTrackSystem]
    mixture: Sequence[Sequence[float]]
    cases: Sequence[tuple[str, str, int]]
    values: Sequence[NextTrackValue]


class NextTrackResult(NamedTuple):
    """Everything that was measured at one cutoff: its time as ISO text, counts of the data by name, and SUMS.

    checkpoint: of the sequence model; None without it.
    """

    cutoff: str
    counts: Mapping[str, int]
    checkpoint: str | None
    sums: pl.DataFrame


@dataclass(frozen=True)
class NextTrackRun:
    """An evaluation after its last cutoff. command: as it was typed. tuning_cutoff: empty if nothing was tuned."""

    options: EvaluateOptions
    command: str
    tuning_cutoff: str
    systems: NextTrackSystems
    results: Sequence[NextTrackResult]


def make_next_track_report(run: NextTrackRun) -> NextTrackReport:
    """Return the report of all cutoffs."""
    values = NextTrackValues(merge_sums(pl.concat(one.sums for one in run.results)))
    groups = [(targets, segment) for segment in CASE_SEGMENTS for targets in NEXT_TRACK_TARGETS]
    found = [group for group in groups if values.num_cases(*group)]
    mixture = run.systems.mixture
    return NextTrackReport(
        task=run.options.task,
        command=run.command,
        homeshelf=version("homeshelf"),
        cutoffs=[one.cutoff for one in run.results],
        checkpoints=[one.checkpoint for one in run.results],
        tuning_cutoff=run.tuning_cutoff,
        gap_minutes=run.options.gap_minutes,
        horizon_days=run.options.horizon_days,
        num_replicates=run.options.num_replicates,
        counts=_counts(run.results),
        systems=_systems(run.systems),
        mixture=[] if mixture is None else mixture.round(6).tolist(),
        cases=[(*group, values.num_cases(*group)) for group in found],
        values=[
            _value(values, run.systems, system, metric, *group)
            for system in run.systems.names
            for metric in NEXT_TRACK_METRICS
            for group in found
        ],
    )


def _counts(results: Sequence[NextTrackResult]) -> dict[str, int]:
    """Add up the counts of the cutoffs."""
    total: Counter[str] = Counter()
    for one in results:
        total.update(one.counts)
    return dict(total)


def _systems(systems: NextTrackSystems) -> list[NextTrackSystem]:
    found = [
        NextTrackSystem(name, one.sentence, one.source, dict(point)) for name, (one, point) in systems.tuned.items()
    ]
    if systems.has_model:
        sentence = "causal transformer over the plays, mixed of catalogue, own tracks and successors by a learned gate"
        found.append(NextTrackSystem(SEQUENCE_MODEL, sentence, "", {}))
    if systems.mixture is not None:
        sentence = "all of these, each as a share of its scores, weighted by the length of the history and the place"
        found.append(NextTrackSystem(MIXTURE, f"{sentence} in the session; weights of maximum likelihood", "", {}))
    return found


def _value(
    values: NextTrackValues, systems: NextTrackSystems, system: str, metric: str, targets: str, segment: str
) -> NextTrackValue:
    mean = values.mean(system, metric, targets, segment)
    difference = mean - values.mean(systems.names[-1], metric, targets, segment)
    (low, high), ends = (percentile_interval(one[1:], _CONFIDENCE) for one in (mean, difference))
    plain, changed = float(mean[0]), float(difference[0])
    return NextTrackValue(plain, low, high, changed, *ends, system, metric, targets, segment)


def next_track_report_to_json(report: NextTrackReport) -> str:
    """Return the report as JSON."""
    return json.dumps(asdict(report), indent=1)
