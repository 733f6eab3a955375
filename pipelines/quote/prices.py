"""Prices of a service that runs the graph: a YAML file, because they change."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

import yaml

from pipelines.options.options import UsageError
from transforms.publishing.json_records import read_record
from transforms.publishing.run_paths import DamagedFileError
from transforms.tables.files import read_bytes


@dataclass(frozen=True)
class Plan:
    """Prices of one way to run a job, in USD."""

    vcpu_hour: float
    gb_hour: float
    shuffled_gb: float


@dataclass(frozen=True)
class Prices:
    """Prices as of a day, in USD.

    source: where they stand. gb_per_vcpu: memory of the workers. cpu_ratio: seconds of a vCPU there for one CPU second
    of the machine that measured. stored_gb_month: of an object store. days_kept: of what a run publishes.
    """

    date: str
    source: str
    batch: Plan
    flexrs: Plan
    stored_gb_month: float
    gb_per_vcpu: float = 4.0
    cpu_ratio: float = 1.0
    days_kept: int = 30


def read_prices(path: str) -> Prices:
    """Read the file of prices (UsageError: it is not one)."""
    try:
        found = yaml.safe_load(read_bytes(path))
        given = {**found, "date": str(found["date"])} if isinstance(found, dict) and "date" in found else found
        prices = read_record(Prices, given)
        date.fromisoformat(prices.date)
    except (OSError, ValueError, yaml.YAMLError, DamagedFileError) as error:
        raise UsageError(f"--prices={path}: {' '.join(str(error).split())}") from error
    for name, value in _numbers(prices):
        if not 0 <= value < math.inf:
            raise UsageError(f"--prices={path}: {name} is {value:g}, not a number of 0 or more")
    return prices


def _numbers(prices: Prices) -> Iterator[tuple[str, float]]:
    """Yield all numbers of a file of prices, by their name."""
    for name, value in asdict(prices).items():
        found = value.items() if isinstance(value, dict) else [("", value)]
        yield from ((f"{name}.{inner}".strip("."), one) for inner, one in found if not isinstance(one, str))
