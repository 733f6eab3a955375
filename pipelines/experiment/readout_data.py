"""A readout as data: every number that is printed or drawn, and its JSON form."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from transforms.experiments.inference.decision import Decision
from transforms.experiments.inference.sample_ratio import SampleRatio
from transforms.experiments.readout.sum_looks import ALL


@dataclass(frozen=True)
class MetricEstimate:
    """A metric of a treatment against the control, with a sequential interval.

    segment: all, new, returning or capped. look: number of complete days, minus 1. users: of both arms. control_error,
    treatment_error: standard errors of the values. difference: treatment minus control, after CUPED, with its interval.
    relative, relative_low, relative_high: the same as shares of the control's value. bound: standard errors that the
    interval is wide on each side. variance_cut: share of the variance that CUPED took away. Numbers are None where they
    do not exist yet.
    """

    treatment: str
    metric: str
    role: str
    segment: str
    look: int
    users: int
    control_value: float | None
    treatment_value: float | None
    control_error: float | None
    treatment_error: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    error: float | None
    bound: float | None
    variance_cut: float | None
    margin: float | None
    verdict: str

    @property
    def control_half(self) -> float | None:
        """Return half the width of the interval of the control's value."""
        return self._half(self.control_error)

    @property
    def treatment_half(self) -> float | None:
        """Return half the width of the interval of the treatment's value."""
        return self._half(self.treatment_error)

    def _half(self, error: float | None) -> float | None:
        return None if error is None or self.bound is None else self.bound * error


@dataclass(frozen=True)
class MetricMeaning:
    """Meaning of a metric, for readers of the file."""

    sentence: str
    unit: str
    is_higher_better: bool


@dataclass(frozen=True)
class Rules:
    """Rules that were fixed before the first look."""

    arms: Mapping[str, float]
    success: Sequence[str]
    margins: Mapping[str, float]
    alpha: float
    num_days: int
    covariate_days: int


@dataclass(frozen=True)
class Readout:
    """Everything that a readout found.

    starts_at, ends_at (planned), as_of: ISO text. num_looks: complete days so far. decisions: by treatment. counts: of
    rows and users, by name.
    """

    homeshelf: str
    experiment: str
    command: str
    starts_at: str
    ends_at: str
    as_of: str
    num_looks: int
    rules: Rules
    decisions: Mapping[str, Decision]
    sample_ratios: Sequence[SampleRatio]
    metrics: Mapping[str, MetricMeaning]
    estimates: Sequence[MetricEstimate]
    counts: Mapping[str, int]
    remarks: Sequence[str]

    def find(self, treatment: str, metric: str, segment: str = ALL, look: int | None = None) -> MetricEstimate | None:
        """Return an estimate; look: None is the last."""
        wanted = self.num_looks - 1 if look is None else look
        key = (treatment, metric, segment, wanted)
        return next((one for one in self.estimates if (one.treatment, one.metric, one.segment, one.look) == key), None)


def readout_to_json(readout: Readout) -> str:
    """Return the readout as JSON; numbers that do not exist are null."""
    return json.dumps(asdict(readout), indent=1, allow_nan=False)
