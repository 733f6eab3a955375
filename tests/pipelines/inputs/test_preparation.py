"""What a run knows before its graph is built."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipelines.inputs.plan import RunPlan
from pipelines.inputs.preparation import draft_manifest, prepare_run
from pipelines.inputs.run_folders import list_run_folders
from pipelines.options.options import RunOptions, UsageError
from tests.pipelines.runs.outputs import put_run


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_run_says_what_damage_of_earlier_ones_it_leaves_out(damaged: int, tmp_path: Path) -> None:
    for day in range(1, 4):
        manifest = Path(put_run(str(tmp_path), f"2026-01-0{day}", "daily", current=True), "manifest.json")
        if day <= damaged:
            manifest.write_bytes(manifest.read_bytes()[:-9])
    options = RunOptions(events="events", output=str(tmp_path))
    plan = RunPlan(options, Mock(), None, None, datetime(2026, 1, 4, tzinfo=timezone.utc), "folder")
    remarks = draft_manifest(replace(plan, remarks=("of the input",)), list_run_folders(str(tmp_path))).remarks
    assert len(remarks) == 1 + bool(damaged) and remarks[0] == "of the input"
    assert not damaged or "2026-01-01" in remarks[1] and ("1 more" in remarks[1]) == (damaged > 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [("track:2,playlist:1", "no input table has the tracks of playlists"), ("genre:1", "contexts: track, album")],
)
def test_queues_do_not_go_on_from_what_no_table_has(text: str, says: str, world: Path) -> None:
    about = {"events": str(world / "events/*.parquet"), "output": "out", "queues_per_user": text}
    with pytest.raises(UsageError, match=says):
        prepare_run(RunOptions(**about, surfaces=("now_playing",)))  # type: ignore[arg-type]


def test_queues_are_as_many_and_as_long_as_the_flags_say(world: Path) -> None:
    about = {
        "events": str(world / "events/*.parquet"),
        "output": "out",
        "queues_per_user": "album:7",
        "queue_length": 9,
    }
    plan = prepare_run(RunOptions(**about, surfaces=("now_playing",)))  # type: ignore[arg-type]
    assert plan.queues is not None and plan.queues.length == 9
    assert plan.queues.num_contexts == {"track": 0, "album": 7, "artist": 0, "session": 0}
    assert prepare_run(RunOptions(**about)).queues is None  # type: ignore[arg-type]
    for mode in ("features", "train"):
        assert prepare_run(RunOptions(**about, mode=mode, surfaces=("now_playing",))).queues is None  # type: ignore[arg-type]
