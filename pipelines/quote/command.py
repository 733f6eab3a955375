"""homeshelf quote: CPU, memory, shuffled and stored bytes of a run of another size, and its price a day."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from rich.table import Table

from pipelines.options.published_options import QuoteOptions
from pipelines.quote.forecast import Forecast, StageForecast, forecast_stages
from pipelines.quote.measured_runs import MeasuredRun, Size, read_measured_runs
from pipelines.quote.prices import Plan, Prices, read_prices
from pipelines.rendering.console import PlainConsole, table_of_numbers, wide_console

_GB = 1e9
# Stages with a row of their own; the others are one row.
_MAX_STAGES = 15


@dataclass(frozen=True)
class Bill:
    """Amounts that a run needs, and USD a day of both plans; each as expected, low and high."""

    vcpu_hours: Forecast
    gb_hours: Forecast
    shuffled_gb: Forecast
    stored_gb: Forecast
    batch_usd: Forecast
    flexrs_usd: Forecast


def run_quote(options: QuoteOptions) -> int:
    """Print the figures of each stage, and the bill.

    Raises:
        UsageError: the runs do not tell enough, or the prices cannot be read.
    """
    prices, runs = read_prices(options.prices), read_measured_runs(options.run.split(","))
    sampled, features = (min(options.users, n) for n in (runs[-1].max_training_users, runs[-1].max_feature_users))
    size = Size(options.users, options.tracks, options.events_per_day * options.num_days, sampled, features)
    stages = forecast_stages(runs, size)
    bill = make_bill(stages, prices)
    if options.json:
        print(json.dumps({"size": asdict(size), "bill": asdict(bill), "stages": [asdict(one) for one in stages]}))
    else:
        _print(wide_console(), runs, size, stages, bill, prices)
    return 0


def make_bill(stages: Sequence[StageForecast], prices: Prices) -> Bill:
    """Add the stages up, and multiply them by the prices."""
    hours = _scaled(_sum([one.cpu_seconds for one in stages]), prices.cpu_ratio / 3600)
    memory = _scaled(hours, prices.gb_per_vcpu)
    shuffled = _scaled(_sum([one.shuffled_bytes for one in stages]), 1 / _GB)
    stored = _scaled(_sum([one.stored_bytes for one in stages]), 1 / _GB)
    kept = _scaled(stored, prices.stored_gb_month * prices.days_kept / 30)

    def price(plan: Plan) -> Forecast:
        parts = [(hours, plan.vcpu_hour), (memory, plan.gb_hour), (shuffled, plan.shuffled_gb), (kept, 1.0)]
        return _sum([_scaled(amount, usd) for amount, usd in parts])

    return Bill(hours, memory, shuffled, stored, price(prices.batch), price(prices.flexrs))


def _sum(parts: Sequence[Forecast]) -> Forecast:
    return Forecast(*(sum(getattr(one, name) for one in parts) for name in ("value", "low", "high")))


def _scaled(one: Forecast, factor: float) -> Forecast:
    return Forecast(one.value * factor, one.low * factor, one.high * factor)


def _print(
    console: PlainConsole,
    runs: Sequence[MeasuredRun],
    size: Size,
    stages: Sequence[StageForecast],
    bill: Bill,
    prices: Prices,
) -> None:
    """Print what was measured, the stages and the bill."""
    for run in runs:
        was = run.size
        console.print(
            f"measured: {was.users:,} users, {was.tracks:,} tracks, {was.events:,} events, {run.cpu_seconds:,.0f} CPU s"
            f" ({run.folder})",
            highlight=False,
            soft_wrap=True,
        )
    console.print(_stage_table(stages, size))
    console.print(_bill_table(bill, prices))


def _stage_table(stages: Sequence[StageForecast], size: Size) -> Table:
    title = f"A run of {size.users:,} users, {size.tracks:,} tracks, {size.events:,} events"
    heads = (
        "stage",
        "grows with",
        "CPU s",
        "from - to",
        "of them constant",
        "ms each more",
        "GB shuffled",
        "GB stored",
    )
    table = table_of_numbers(title, (*heads, "measured peak, GB"))
    for one in stages[:_MAX_STAGES]:
        cpu = one.cpu_seconds
        table.add_row(
            one.stage,
            one.driver,
            *(
                f"{cpu.value:,.1f}",
                f"{cpu.low:,.1f} - {cpu.high:,.1f}",
                f"{cpu.constant:,.1f}",
                f"{1e3 * cpu.slope:,.4f}",
            ),
            *(f"{bytes_.value / _GB:,.3f}" for bytes_ in (one.shuffled_bytes, one.stored_bytes)),
            f"{one.peak_bytes / _GB:,.2f}",
        )
    if others := stages[_MAX_STAGES:]:
        cpu = _sum([one.cpu_seconds for one in others])
        sizes = (sum(getattr(one, name).value for one in others) / _GB for name in ("shuffled_bytes", "stored_bytes"))
        cells = (f"{cpu.value:,.1f}", f"{cpu.low:,.1f} - {cpu.high:,.1f}", "", "", *(f"{one:,.3f}" for one in sizes))
        table.add_row(f"{len(others)} others", "", *cells, "")
    return table


def _bill_table(bill: Bill, prices: Prices) -> Table:
    table = table_of_numbers(f"Prices of {prices.date}: {prices.source}", ("of a run", "expected", "from", "to"))
    names = {
        "vcpu_hours": "vCPU hours",
        "gb_hours": f"GB hours, {prices.gb_per_vcpu:g} GB a vCPU",
        "shuffled_gb": "GB shuffled, before compression",
        "stored_gb": f"GB stored, for {prices.days_kept} days",
        "batch_usd": "USD, Dataflow batch",
        "flexrs_usd": "USD, Dataflow FlexRS",
    }
    for one in fields(bill):
        found: Forecast = getattr(bill, one.name)
        table.add_row(names[one.name], *(f"{value:,.4g}" for value in (found.value, found.low, found.high)))
    return table
