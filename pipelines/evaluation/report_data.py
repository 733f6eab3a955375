"""The report of an evaluation as data: every number that is printed or drawn, and its JSON form."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transforms.evaluation.metrics.metric import MetricGroup
from transforms.evaluation.metrics.system import System


@dataclass(frozen=True)
class Protocol:
    """Settings of an evaluation; cutoffs as ISO text; tuning_cutoff: None if nothing was tuned."""

    cutoffs: Sequence[str]
    tuning_cutoff: str | None
    gap_minutes: float
    horizon_days: float
    seed: int
    num_replicates: int
    confidence: float
    command: str


@dataclass(frozen=True)
class CutoffData:
    """Sizes of the data at one cutoff: plays before it, catalog, evaluated users and their targets."""

    cutoff: str
    events: int
    tracks: int
    users: int
    newcomers: int
    targets: int
    repeats: int
    discoveries: int
    unknown_track_plays: int
    users_without_target: int


@dataclass(frozen=True)
class MetricDescription:
    """Meaning of a metric, for readers of the report's file."""

    group: MetricGroup
    sentence: str
    source: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class MetricValue:
    """One mean with its interval; cutoff: empty for all cutoffs together; low, high: None without an interval."""

    system: str
    metric: str
    targets: str
    segment: str
    cutoff: str
    users: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MeanDifference:
    """A paired difference of two means with its interval; verdict: better, worse or no difference."""

    difference: float
    low: float
    high: float
    ratio: float | None
    verdict: str


@dataclass(frozen=True)
class SystemDifference:
    """The metric of a system minus that of another one, on the same users."""

    system: str
    against: str
    metric: str
    targets: str
    segment: str
    difference: float
    low: float
    high: float
    ratio: float | None
    verdict: str


@dataclass(frozen=True)
class CalibrationGroup:
    """Candidates with similar scores: the range and mean of these, and the share that was played."""

    segment: str
    low: float
    high: float
    rows: int
    mean_score: float
    positive_rate: float


@dataclass(frozen=True)
class TrainingCurve:
    """Numbers of each epoch of the ranker's training at one cutoff."""

    cutoff: str
    epochs: Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class OracleShare:
    """A metric of a system divided by that of the oracle's lists."""

    system: str
    metric: str
    targets: str
    share: float


@dataclass(frozen=True)
class OracleShares:
    """The shares of all systems; system: the name of the oracle's lists."""

    system: str
    shares: Sequence[OracleShare]


@dataclass(frozen=True)
class Leak:
    """Result of one leak check of one system; is_suspect: the value is above the limit."""

    system: str
    check: str
    value: float
    limit: float
    is_suspect: bool
    sentence: str


@dataclass(frozen=True)
class EvaluationReport:
    """Everything that an evaluation found; systems and metrics by name, in the order of tables."""

    homeshelf: str
    protocol: Protocol
    data: Sequence[CutoffData]
    systems: Mapping[str, System]
    metrics: Mapping[str, MetricDescription]
    values: Sequence[MetricValue]
    differences: Sequence[SystemDifference]
    calibration: Sequence[CalibrationGroup]
    training: Sequence[TrainingCurve]
    oracle_shares: OracleShares | None
    leaks: Sequence[Leak]


def report_to_json(report: EvaluationReport) -> str:
    """Return the report as JSON."""
    systems = {name: _system_to_json(system) for name, system in report.systems.items()}
    return json.dumps({**asdict(report), "systems": systems}, indent=1)


def report_from_json(text: str | bytes) -> EvaluationReport:
    """Read a report from its JSON (ValueError, KeyError, TypeError: it is not a report)."""
    found: dict[str, Any] = json.loads(text)
    lists = {"data": CutoffData, "values": MetricValue, "differences": SystemDifference, "training": TrainingCurve}
    lists |= {"calibration": CalibrationGroup, "leaks": Leak}
    oracle = found["oracle_shares"]
    return EvaluationReport(
        homeshelf=found["homeshelf"],
        protocol=Protocol(**found["protocol"]),
        systems={name: System(name=name, **system) for name, system in found["systems"].items()},
        metrics={name: MetricDescription(**one) for name, one in found["metrics"].items()},
        oracle_shares=oracle and OracleShares(oracle["system"], [OracleShare(**one) for one in oracle["shares"]]),
        **{name: [kind(**one) for one in found[name]] for name, kind in lists.items()},
    )


def _system_to_json(system: System) -> dict[str, Any]:
    return {key: value for key, value in asdict(system).items() if key != "name" and value is not None}
