"""Days in turn with made-up runs: which flags a run has, whose pages are served, and what is in the log when."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.loop.loop import Stop
from tests.pipelines.loop.made_up_loops import STARTS_AT, FakeRuns, options, run_fake

DAY = timedelta(days=1)


def log(output: Path, world: str, table: str, day: int) -> pl.DataFrame:
    return pl.read_parquet(output / "worlds" / world / table / f"{STARTS_AT + day * DAY:%Y-%m-%d}.parquet")


def test_runs_train_on_the_first_day_and_every_few_and_reuse_models_between(tmp_path, monkeypatch) -> None:
    runs = FakeRuns()
    run_fake(monkeypatch, options(tmp_path, num_days=5, train_every_days=3), runs)
    of_arm = [flags for flags in runs.flags if any(flag.endswith("arms/greedy") for flag in flags)]
    assert ["--mode=score" in flags for flags in of_arm] == [False, True, True, False, True]
    assert [any(flag.startswith("--embeddings=") for flag in flags) for flags in of_arm] == [False, *[True] * 4]
    assert [flag for flags in of_arm for flag in flags if flag.startswith("--as_of=")] == [
        f"--as_of={STARTS_AT + day * DAY:%Y-%m-%dT%H:%M:%S}" for day in range(5)
    ]


def test_each_arm_has_a_world_of_its_own_and_all_are_equal_until_they_are_served(tmp_path, monkeypatch) -> None:
    found = run_fake(monkeypatch, options(tmp_path, num_users=100))
    none, greedy = (log(tmp_path, arm, "events", 0) for arm in ("none", "greedy"))
    assert not (none["surface"] == "home").any() and (greedy["surface"] == "home").any()
    assert log(tmp_path, "none", "impressions", 0).is_empty()
    assert set(log(tmp_path, "greedy", "impressions", 0)["policy"]) == {"greedy"}
    # the same listeners come on the first day
    first = [days[0].by_user["plays"] for days in found.counts]
    assert np.array_equal(first[0], first[1]) and np.array_equal(first[0], first[2])


def test_a_shared_world_serves_each_listener_one_arm(tmp_path, monkeypatch) -> None:
    found = run_fake(monkeypatch, options(tmp_path, shared=True, num_users=200))
    assert [path.name for path in (tmp_path / "worlds").iterdir()] == ["shared"]
    shown = pl.concat(log(tmp_path, "shared", "impressions", day) for day in range(3))
    assert set(shown["policy"]) == {"greedy", "explorer"}
    assert shown.group_by("user_id").agg(pl.col("policy").n_unique())["policy"].max() == 1
    members = [days[0].users for days in found.counts]
    assigned = pl.read_parquet(tmp_path / "worlds" / "shared" / "assignments.parquet")
    served = shown.select("user_id", arm="policy").unique()
    assert served.join(assigned, on=["user_id", "arm"]).height == served.height and len(assigned) == 200
    assert sorted(np.concatenate(members)) == list(range(200)) and min(map(len, members)) > 40


def test_pages_of_a_run_that_the_gate_stops_are_not_served(tmp_path, monkeypatch) -> None:
    found = run_fake(monkeypatch, options(tmp_path, num_users=60), FakeRuns(stopped=[("greedy", 0), ("greedy", 2)]))
    assert found.stops == [
        Stop("greedy", 1, ("drift is 9, at most 1",)),
        Stop("greedy", 3, ("drift is 9, at most 1",)),
    ]
    # none before the first page, and then those of the day before
    assert not found.counts[1][0].cards.any() and log(tmp_path, "greedy", "impressions", 0).is_empty()
    assert np.array_equal(found.counts[1][1].cards, found.counts[1][2].cards)
    assert not np.array_equal(found.counts[2][1].cards, found.counts[2][2].cards)


def test_an_arm_whose_first_run_is_stopped_trains_on_the_next_day(tmp_path, monkeypatch) -> None:
    runs = FakeRuns(stopped=[("greedy", 0)])
    run_fake(monkeypatch, options(tmp_path), runs)
    of_arm = [flags for flags in runs.flags if any(flag.endswith("arms/greedy") for flag in flags)]
    assert ["--mode=score" in flags for flags in of_arm] == [False, False, True]


def test_the_log_has_what_arrived_and_no_run_sees_what_is_to_come(tmp_path, monkeypatch) -> None:
    run_fake(monkeypatch, options(tmp_path, num_users=200, faults=((1, "delayed_events", 0.5),)))
    days = [log(tmp_path, "none", "events", day) for day in range(3)]
    for number, events in enumerate(days):
        start = STARTS_AT + number * DAY
        assert events["arrived_at"].is_between(start, start + DAY, closed="left").all() and not events.is_empty()
        users, tracks = log(tmp_path, "greedy", "users", number), log(tmp_path, "greedy", "tracks", number)
        assert (users["created_at"] < start).all() and (tracks["release_date"] < start.date()).all()
    late = days[1].filter(pl.col("played_at") < STARTS_AT + DAY)
    assert 0.3 < len(late) / (len(late) + len(days[0])) < 0.7


def test_the_same_seed_gives_the_same_bytes(tmp_path, monkeypatch) -> None:
    for name in ("a", "b"):
        run_fake(monkeypatch, options(tmp_path / name, faults=((2, "lost_propensities", 0.5),)))
    run_fake(monkeypatch, options(tmp_path / "c", seed=2))
    files = [sorted((tmp_path / name).rglob("*.parquet")) for name in "abc"]
    bytes_of = [[path.read_bytes() for path in paths] for paths in files]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]
    assert [path.relative_to(tmp_path / "a") for path in files[0]] == [p.relative_to(tmp_path / "b") for p in files[1]]
