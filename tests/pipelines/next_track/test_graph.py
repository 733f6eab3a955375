"""The graph of an evaluation of the next track: with the sequence model it trains one, and asks for an accelerator."""

from datetime import timedelta
from pathlib import Path

import apache_beam as beam
import pytest

from pipelines.evaluation.command import prepare_cutoff
from pipelines.next_track.baselines import choose_next_track_baselines
from pipelines.next_track.graph import NextTrackCutoff, SequenceTraining, build_next_track
from pipelines.next_track.tuning import grid_of_systems
from pipelines.options.evaluation_options import EvaluateOptions
from tests.worlds import AS_OF, DAY, random_plays
from transforms.evaluation.window import EvaluationWindow


@pytest.mark.parametrize("has_model", [False, True])
def test_the_model_is_a_stage_of_the_graph(has_model: bool, tmp_path: Path) -> None:
    events = random_plays(1).filter(action=0).select("user_id", "track", "played_at")
    events.rename({"track": "track_id"}).write_parquet(tmp_path / "events.parquet")
    options = EvaluateOptions(events=str(tmp_path / "events.parquet"), output=str(tmp_path / "report"))
    run = prepare_cutoff(options).run
    window = EvaluationWindow(AS_OF, AS_OF + timedelta(minutes=30), AS_OF + 7 * DAY)
    systems = grid_of_systems(choose_next_track_baselines("markov,act_r"), has_model)
    cutoff = NextTrackCutoff(
        run, window, AS_OF + 30 * DAY, systems, 100, 10, SequenceTraining(1, 8, "type:nvidia-l4"), None
    )
    root = beam.Pipeline()
    build_next_track(root, cutoff)
    proto = root.to_runner_api()
    names = {one.unique_name.split("/")[0] for one in proto.components.transforms.values()}
    assert ("TrainSequenceModel" in names) == ("WriteWindows" in names) == has_model
    hints = [
        one for one in proto.components.environments.values() if "beam:resources:accelerator:v1" in one.resource_hints
    ]
    assert bool(hints) == has_model
