"""Quotes, from runs whose figures are made by hand: costs that are known lines are found again."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli import main
from pipelines.launch.stage_lines import StageLine, to_json_lines
from pipelines.quote.command import make_bill
from pipelines.quote.drivers import driver_of
from pipelines.quote.forecast import Forecast, StageForecast, estimate_at
from pipelines.quote.prices import Plan, Prices
from tests.pipelines.runs.outputs import put_run
from tests.runs import Published
from transforms.tables.files import write_atomically

PRICES = """
date: 2026-11-30
source: a page of prices
batch: {vcpu_hour: 0.05, gb_hour: 0.004, shuffled_gb: 0.01}
flexrs: {vcpu_hour: 0.03, gb_hour: 0.002, shuffled_gb: 0.01}
stored_gb_month: 0.02
"""
SETTINGS = ("shelf_size", "max_shelves", "diversity", "calibration", "exploration", "seed")
amounts = st.integers(1, 10_000_000)
costs = st.floats(0, 1e6)


def figures(users: int, tracks: int, events: int) -> list[StageLine]:
    """Stages that grow with users, tracks, events and nothing, and ten CPU seconds between them."""
    stages = [
        StageLine("generate_candidates", 8, users * 500, users * 1000, cpu_seconds=3 + users / 100, peak_bytes=10**9),
        StageLine("read_tables", 8, events, events * 30, cpu_seconds=events / 10_000, peak_bytes=10**8),
        StageLine("write_tracks", 1, 0, tracks * 200, cpu_seconds=1 + tracks / 1000, peak_bytes=10**8),
        StageLine("join_bucket", 8, users * 500, users * 100_000, cpu_seconds=users / 1000, peak_bytes=10**8),
        StageLine("publish_run", 1, 0, 0, cpu_seconds=2, peak_bytes=10**8),
    ]
    whole = sum(line.cpu_seconds for line in stages) + 10
    return [*stages, StageLine("run", seconds=whole, cpu_seconds=whole, peak_bytes=10**9)]


def measure(output: Path, users: int, tracks: int, events: int, **more: Any) -> str:
    """Publish a run of a size by hand."""
    folder = put_run(
        str(output),
        "2025-12-31",
        f"r{users}",
        current=True,
        **{
            "as_of": "2026-01-01T00:00:00+00:00",
            "policy": {"surfaces": ["home"], **dict.fromkeys(SETTINGS, 1)},
            "options": {"mode": "score", "events": "events"},
            "inputs": {"tracks": {"rows": tracks, "files": 1}},
            "metrics": {"users_with_page": users},
            "events": {"read": events, "kept": events},
            **more,
        },
    )
    write_atomically(f"{folder}/stages.jsonl", to_json_lines(figures(users, tracks, events)).encode())
    return folder


def quote(capsys: pytest.CaptureFixture[str], prices: Path, *runs: str) -> dict[str, Any]:
    size = ["--users=50000", "--tracks=8000", "--events_per_day=10000", "--num_days=90", "--json"]
    assert main(["quote", f"--run={','.join(runs)}", f"--prices={prices}", *size]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return tmp_path / "prices.yaml"


def test_two_runs_tell_the_larger_one(tmp_path: Path, prices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, large = measure(tmp_path / "s", 1_000, 2_000, 90_000), measure(tmp_path / "l", 4_000, 4_000, 360_000)
    found = quote(capsys, prices, large, small)
    expected = {line.stage: line for line in figures(50_000, 8_000, 900_000)}
    told = {one["stage"]: one for one in found["stages"]}
    for name, line in expected.items():
        if name != "run":
            assert told[name]["cpu_seconds"]["value"] == pytest.approx(line.cpu_seconds), name
    assert told["between the stages"]["cpu_seconds"]["value"] == pytest.approx(10)
    assert found["bill"]["vcpu_hours"]["value"] == pytest.approx(expected["run"].cpu_seconds / 3600)
    assert found["bill"]["shuffled_gb"]["value"] == pytest.approx(50_000 * 100_000 / 1e9)
    assert found["bill"]["stored_gb"]["value"] == pytest.approx(8_000 * 200 / 1e9)
    cpu = told["generate_candidates"]["cpu_seconds"]
    assert (cpu["constant"], cpu["slope"]) == (pytest.approx(3), pytest.approx(0.01))
    # in proportion to the larger run, the constant part grows too
    assert (cpu["low"], cpu["high"]) == (pytest.approx(503), pytest.approx((3 + 40) * 12.5))
    assert main(["quote", f"--run={large}", f"--prices={prices}", "--users=1", "--tracks=1", "--events_per_day=1"]) == 0
    said = capsys.readouterr().out
    assert "measured: 4,000 users" in said and "Prices of 2026-11-30: a page of prices" in said


@given(st.tuples(amounts, amounts), st.tuples(costs, costs), amounts)
def test_no_forecast_falls_and_each_lies_between_its_bounds(
    sizes: tuple[int, int], values: tuple[float, float], wanted: int
) -> None:
    given_at = sorted(sizes)
    one, more = (estimate_at(at, given_at, values) for at in (wanted, wanted + 1))
    assert 0 <= one.low <= one.value <= one.high and one.value <= more.value * (1 + 1e-9)
    again = estimate_at(given_at[1], given_at, values)
    assert again.value == pytest.approx(values[1]) or values[1] < values[0]


def test_a_bill_is_the_sum_of_its_parts() -> None:
    hours, gb = Forecast(3600, 1800, 7200), Forecast(1e9, 0, 2e9)
    stages = [StageForecast(name, "users", hours, gb, gb, 0) for name in "ab"]
    prices = Prices("2026-11-30", "", Plan(1, 0.1, 0.5), Plan(0.5, 0.1, 0.5), 0.25, gb_per_vcpu=2, days_kept=15)
    bill = make_bill(stages, prices)
    assert (bill.vcpu_hours.value, bill.gb_hours.high) == (2, 8)
    assert bill.batch_usd.value == pytest.approx(2 * 1 + 4 * 0.1 + 2 * 0.5 + 2 * 0.25 / 2)
    assert bill.flexrs_usd.low == pytest.approx(1 * 0.5 + 2 * 0.1)


def test_what_cannot_be_quoted_is_one_line(tmp_path: Path, prices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, large = measure(tmp_path / "s", 1_000, 2_000, 90_000), measure(tmp_path / "l", 4_000, 4_000, 360_000)
    full = measure(tmp_path / "f", 9, 9, 9, options={"mode": "full", "events": "events"})
    blind = measure(tmp_path / "b", 8, 9, 9, inputs={})
    pageless = measure(tmp_path / "p", 6, 9, 9, metrics={})
    unmeasured = measure(tmp_path / "u", 7, 9, 9)
    Path(unmeasured, "stages.jsonl").write_text("")
    (tmp_path / "text.yaml").write_text("free of charge")
    (tmp_path / "undated.yaml").write_text(PRICES.replace("2026-11-30", "today"))
    (tmp_path / "negative.yaml").write_text(PRICES.replace("vcpu_hour: 0.05", "vcpu_hour: -1"))
    (tmp_path / "none.yaml").write_text(PRICES.replace("stored_gb_month: 0.02", "stored_gb_month: .nan"))
    cases = [
        (f"{small},{small}", prices, "as many users"),
        (f"{small},{full}", prices, "runs of one mode compare"),
        (blind, prices, "read no track table"),
        (pageless, prices, "has no pages"),
        (unmeasured, prices, "no CPU seconds"),
        (large, tmp_path / "text.yaml", "text.yaml: the content is"),
        (large, tmp_path / "undated.yaml", "undated.yaml"),
        (large, tmp_path / "absent.yaml", "absent.yaml"),
        (large, tmp_path / "negative.yaml", "batch.vcpu_hour is -1, not a number of 0 or more"),
        (large, tmp_path / "none.yaml", "stored_gb_month is nan"),
    ]
    for runs, file, why in cases:
        size = ["--users=1", "--tracks=1", "--events_per_day=1"]
        assert main(["quote", f"--run={runs}", f"--prices={file}", *size]) == 2
        error = capsys.readouterr().err
        assert why in error and error.count("\n") == 1, error


def test_the_stages_that_grow_with_other_things_than_users_exist(published: Published) -> None:
    lines = [json.loads(line) for line in (published.folder / "stages.jsonl").read_text().splitlines()]
    assert all(line["cpu_seconds"] >= 0 for line in lines) and sum(line["cpu_seconds"] for line in lines[:-1]) > 1
    found = {line["stage"]: driver_of(line["stage"]) for line in lines}
    assert {found[name] for name in ("read_tables", "clean_events", "order_histories", "find_neighbours")} == {"events"}
    assert {found[name] for name in ("build_catalog", "write_tracks")} == {"tracks"}
    assert {found[name] for name in ("generate_candidates", "assemble_pages", "write_pages")} == {"users"}
    assert {found[name] for name in ("train_ranker", "sample_examples")} == {"sampled users"}
