"""The figures of a run of another size: a line through two runs, or in proportion to one."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.launch.stage_lines import StageLine
from pipelines.quote.drivers import Driver, driver_of
from pipelines.quote.measured_runs import MeasuredRun, Size


@dataclass(frozen=True)
class Forecast:
    """A figure: the expected value, and the values under both assumptions of how it grows, the smaller first.

    slope: for each one more of the driver. constant: what does not grow.
    """

    value: float
    low: float
    high: float
    slope: float = 0.0
    constant: float = 0.0


@dataclass(frozen=True)
class StageForecast:
    """The figures of one stage: CPU seconds, bytes that are shuffled, bytes that are stored, and its measured peak."""

    stage: str
    driver: Driver
    cpu_seconds: Forecast
    shuffled_bytes: Forecast
    stored_bytes: Forecast
    peak_bytes: int


def forecast_stages(runs: Sequence[MeasuredRun], size: Size) -> list[StageForecast]:
    """Return the figures of all stages of a run of a size, the most CPU seconds first; runs: the smallest first."""
    names = dict.fromkeys(name for run in runs for name in run.stages)
    found = [_forecast(name, runs, size) for name in names]
    return sorted(found, key=lambda one: (-one.cpu_seconds.value, one.stage))


def _forecast(stage: str, runs: Sequence[MeasuredRun], size: Size) -> StageForecast:
    lines = [run.stages.get(stage, StageLine(stage)) for run in runs]
    driver = driver_of(stage)
    amounts, wanted = [run.size.amount(driver) for run in runs], size.amount(driver)

    def estimate(values: list[float]) -> Forecast:
        return estimate_at(wanted, amounts, values)

    return StageForecast(
        stage,
        driver,
        estimate([line.cpu_seconds for line in lines]),
        estimate([_shuffled(line) for line in lines]),
        estimate([_stored(line) for line in lines]),
        max(line.peak_bytes for line in lines),
    )


def estimate_at(wanted: float, amounts: Sequence[float], values: Sequence[float]) -> Forecast:
    """Return the value at an amount: on the line through the smallest and the largest run, which falls nowhere.

    The other assumption is that all of the largest run's value grows in proportion. Where the runs do not differ in the
    amount, that is the expected value, and the other assumption is that nothing grows.
    """
    in_proportion = values[-1] * wanted / max(amounts[-1], 1)
    if amounts[-1] <= amounts[0]:
        return _between(in_proportion, values[-1], values[-1] / max(amounts[-1], 1), 0.0)
    slope = max(0.0, (values[-1] - values[0]) / (amounts[-1] - amounts[0]))
    constant = values[-1] - slope * amounts[-1]
    if constant < 0:
        slope, constant = values[-1] / amounts[-1], 0.0
    return _between(constant + slope * wanted, in_proportion, slope, constant)


def _between(value: float, other: float, slope: float, constant: float) -> Forecast:
    return Forecast(value, min(value, other), max(value, other), slope, constant)


def _shuffled(line: StageLine) -> float:
    """Return the bytes that a shuffle brought together, in memory; shuffled they are compressed."""
    return float(line.bytes or 0) if line.stage == "join_bucket" else 0.0


def _stored(line: StageLine) -> float:
    """Return the bytes on disk: stages that yield no rows write artifacts, those named write_ tables."""
    return float(line.bytes or 0) if line.stage.startswith("write_") or not line.rows else 0.0
