"""Loops whose runs are not run: pages are the same few tracks, by arm."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.loop.arms import read_arms
from pipelines.loop.daily_runs import DailyRun
from pipelines.loop.loop import LoopLog, run_loop
from pipelines.loop.page_cards import no_cards
from pipelines.options.loop_options import LoopOptions

STARTS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


class FakeRuns:
    """A Runner that remembers the flags it was given; `stopped`: (arm, day from 0) of runs that the gate stops."""

    def __init__(self, stopped: Sequence[tuple[str, int]] = ()) -> None:
        self.stopped, self.flags = stopped, list[Sequence[str]]()

    def __call__(self, flags: Sequence[Sequence[str]]) -> list[DailyRun]:
        self.flags += flags
        return [self._run(one) for one in flags]

    def _run(self, flags: Sequence[str]) -> DailyRun:
        given = dict(flag[2:].split("=", 1) for flag in flags)
        arm, day = Path(given["output"]).name, int(given["run_id"].removeprefix("day-"))
        return DailyRun("", ("drift is 9, at most 1",)) if (arm, day) in self.stopped else DailyRun(f"{arm}/{day}")


def fake_cards(folder: str, user_id: pa.Array, track_id: pa.Array) -> pl.DataFrame:
    """Show each user 6 tracks, which the name of the run decides."""
    arm, _, day = folder.partition("/")
    rng = np.random.default_rng([len(arm), int(day)])
    count = 6 * len(user_id)
    rows = {
        "user": np.repeat(np.arange(len(user_id)), 6),
        "shelf_position": np.tile([0, 0, 0, 1, 1, 1], len(user_id)),
        "position": np.tile([0, 1, 2], 2 * len(user_id)),
        "track": np.concatenate([rng.permutation(len(track_id))[:6] for _ in range(len(user_id))]),
        "propensity": np.ones(count),
        "shelf_propensity": np.ones(count),
        "shelf_id": ["made_for_you"] * count,
    }
    return pl.DataFrame(rows, schema=no_cards().schema)


def options(output: Path, **changed: Any) -> LoopOptions:
    small: dict[str, Any] = {
        "num_users": 30,
        "num_tracks": 120,
        "num_days": 3,
        "history_days": 20,
        "starts_at": STARTS_AT,
    }
    return LoopOptions(output=str(output), **{**small, **changed})


def run_fake(monkeypatch: pytest.MonkeyPatch, given: LoopOptions, runs: FakeRuns | None = None) -> LoopLog:
    monkeypatch.setattr("pipelines.loop.loop.read_cards", fake_cards)
    return run_loop(given, read_arms(given), runs or FakeRuns(), lambda day: None)
