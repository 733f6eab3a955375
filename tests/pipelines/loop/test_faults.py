"""Faults in a day's log: the gate stops the run that reads them, and lets pass what is just inside its limit."""

from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.loop.faults import inject_fault
from pipelines.options.loop_options import FAULT_KINDS
from pipelines.sample_world.serving.response import Response
from pipelines.sample_world.serving.serve_day import day_tables, serve_day
from tests.pipelines.sample_world.serving.made_up_cards import DAY_MS, START_MS, STARTS_AT, pages, world
from transforms.events.impressions import IMPRESSION_ROWS
from transforms.events.last_day import (
    count_last_day_impressions,
    count_last_day_plays,
    count_repeats,
    impression_keys,
)
from transforms.publishing.gates import GateSettings, check_limits
from transforms.publishing.manifest import LastDayCounts, RunMetrics
from transforms.tables.schemas import PLAYS

USERS, DAY = 400, timedelta(days=1)
# kind -> limit, a share that it stops, a share that it does not
EDGES = {
    "duplicated_impressions": ("repeated_impressions", 0.02, 0.005),
    "lost_propensities": ("lost_propensities", 0.08, 0.03),
    "delayed_events": ("last_day_drop", 0.7, 0.3),
}


@pytest.fixture(scope="module")
def days() -> list[dict[str, pa.Table]]:
    """Two days of a service whose listeners all ask for Home."""
    now, found = world(users=USERS), []
    for number in range(2):
        # the same listeners come on both days, so that only the fault differs
        now, day = serve_day(
            np.random.default_rng([1, 0]),
            now,
            pages(USERS),
            Response(request_share=1.0, habit=0.0),
            START_MS + number * DAY_MS,
        )
        found.append(day_tables(now, day, pa.array(["a"] * USERS)))
    return found


def last_day(tables: dict[str, pa.Table], number: int) -> LastDayCounts:
    """Count as a run does as of the end of a day, which knows the events that have arrived."""
    as_of = STARTS_AT + (number + 1) * DAY
    events = pl.DataFrame(pl.from_arrow(tables["events"])).filter(
        pl.col("arrived_at") < as_of, pl.col("action") == "play"
    )
    plays = PLAYS.frame([{"user_id": "u", "track": 1, "played_at": at, "action": 0} for at in events["played_at"]])
    rows = pl.DataFrame(pl.from_arrow(tables["impressions"])).select(IMPRESSION_ROWS.names).to_dicts()
    shown = IMPRESSION_ROWS.frame(rows)
    counts = (
        count_last_day_plays(plays, as_of=as_of),
        count_last_day_impressions(shown, as_of=as_of),
        count_repeats(impression_keys(shown, as_of=as_of)),
    )
    return LastDayCounts(**{name.removeprefix("last_day/"): n for frame in counts for name, n in frame.rows()})


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_the_gate_stops_a_fault_on_its_day_and_not_one_just_inside(days: list[dict[str, pa.Table]], kind: str) -> None:
    limit, stopped, passed = EDGES[kind]
    before = RunMetrics(last_day=last_day(days[0], 0))

    def violated(share: float) -> set[str]:
        metrics = RunMetrics(last_day=last_day(inject_fault(days[1], kind, share, 1), 1))
        found = check_limits(metrics, {}, GateSettings(0.0, "fail", {}, before)).failed
        return {sentence.split()[0] for sentence in found} & {name for name, _, _ in EDGES.values()}

    assert violated(stopped) == {limit} and violated(passed) == violated(0.0) == set()


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_changes_the_share_it_names_and_nothing_else(days: list[dict[str, pa.Table]], kind: str) -> None:
    damaged = inject_fault(days[0], kind, 0.4, 1)
    (name,) = [name for name in damaged if damaged[name] is not days[0][name]]
    before, after = (pl.DataFrame(pl.from_arrow(tables[name])) for tables in (days[0], damaged))
    assert before.schema == after.schema
    if kind == "duplicated_impressions":
        changed = len(after) - len(before)
        assert after.unique().height == len(before)
    else:
        column = "propensity" if kind == "lost_propensities" else "arrived_at"
        assert after.drop(column).equals(before.drop(column))
        changed = int((~after[column].eq_missing(before[column])).sum())
    assert changed == pytest.approx(0.4 * len(before), rel=0.2)
