"""Leak canaries: systems that saw what they must not see are caught, ours cannot see it, noise is chance."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main
from tests.built_once import built_once
from tests.pipelines.evaluation.conftest import BASELINES, CUTOFF, KNOWN_AT, events_of
from tests.pipelines.evaluation.evaluations import evaluate, read_report, value
from tests.runs import POPULARITY, TOWERS


def test_systems_that_saw_the_future_are_caught(one_cutoff: dict[str, Any]) -> None:
    report = one_cutoff
    suspect = {(leak["system"], leak["check"]) for leak in report["leaks"] if leak["is_suspect"]}
    assert ("future_popularity", "future_rise") in suspect
    assert ("late_corrections", "late") in suspect
    assert {("label_feature", "ahead"), ("target_in_history", "ahead")} <= suspect
    assert {system for system, _ in suspect} <= {
        "future_popularity",
        "late_corrections",
        "label_feature",
        "target_in_history",
    }
    honest = max(value(report, system, targets="discoveries") for system in ("page", "ranker", "co_listened"))
    assert value(report, "label_feature", targets="discoveries") > 3 * honest
    assert value(report, "target_in_history", targets="discoveries") > 3 * honest


def test_a_list_of_tracks_that_came_later_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracks = pl.read_parquet(world / "tracks" / "*.parquet")
    later = tracks.filter(pl.col("release_date") > CUTOFF.date())["track_id"][0]
    pl.DataFrame({"user_id": ["user-000000"], "track_id": [later], "rank": [0]}).write_parquet(tmp_path / "l.parquet")
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}/out"]
    flags = [f"--as_of={CUTOFF.isoformat()}", f"--lists=x:{tmp_path}/l.parquet", "--baselines=none"]
    assert main(["evaluate", *tables, *TOWERS, *POPULARITY, *flags]) == 1
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("homeshelf:")]
    assert error.startswith("homeshelf: failed: list 'x': 1 tracks, such as")


@pytest.fixture(scope="module")
def shuffled(world: Path, late_world: Path) -> dict[str, Any]:
    return read_report(built_once("shuffled", lambda folder: evaluate_shuffled(world, late_world, folder)) / "out")


def evaluate_shuffled(world: Path, late_world: Path, folder: Path) -> None:
    """Evaluate with the same past and a future of random tracks."""
    events = events_of(late_world.parent)
    before, after = events.filter(KNOWN_AT < CUTOFF), events.filter(KNOWN_AT >= CUTOFF)
    tracks = pl.read_parquet(world / "tracks" / "*.parquet")["track_id"]
    # many targets for each of the few users, or chance itself would be far from its mean
    rng, many = np.random.default_rng(1), []
    for seconds in range(10):
        drawn = tracks.gather(rng.integers(len(tracks), size=len(after)))
        many.append(after.with_columns(track_id=drawn, played_at=pl.col("played_at") + pl.duration(seconds=seconds)))
    (folder / "events").mkdir()
    pl.concat([before, *many]).write_parquet(folder / "events" / "part.parquet")
    flags = [f"--as_of={CUTOFF.isoformat()}"]
    evaluate(world, folder / "out", *flags, events=folder / "events", baselines=BASELINES)


def test_what_happens_after_the_cutoff_changes_no_list(one_cutoff: dict[str, Any], shuffled: dict[str, Any]) -> None:
    one, other = one_cutoff, shuffled
    assert len(other["systems"]) > 12 and other["data"][0]["users"] == one["data"][0]["users"]
    shown = ("repeat_share", "novelty", "artist_diversity", "genre_kl", "coverage@100", "gini@100", "tail_share")
    for metric in shown:
        for system in other["systems"]:
            assert value(one, system, metric) == value(other, system, metric), (system, metric)
    assert value(one, "ranker") != value(other, "ranker")


def test_shuffled_labels_give_chance_level(world: Path, shuffled: dict[str, Any]) -> None:
    report = shuffled
    chance = 100 / len(pl.read_parquet(world / "tracks" / "*.parquet"))
    for system in report["systems"]:
        # lists are of 100 tracks at most
        assert value(report, system, "recall@100") < 1.3 * chance, system
    assert value(report, "ranker", "auc") == pytest.approx(0.5, abs=0.06)
    # future_rise says nothing here: in a uniform future all that was rarely played rises, so deep_cuts shows it
    assert not [leak for leak in report["leaks"] if leak["is_suspect"] and leak["check"] != "future_rise"]
