"""The stage that trains: what it hands over, what it writes, and that a changed file is noticed."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest

from models.sequence.contract import SequenceOptions, SequenceWeights
from models.sequence.sequence_data import SequenceData
from tests.models.sequence.random_windows import OPTIONS
from tests.stages import element_of, run_graph, tables_of
from tests.transforms.sequence_model.test_sample_play_windows import AT, sample, tracks_at
from tests.worlds import random_plays
from transforms.catalog.track_codes import open_tracks
from transforms.sequence_model.play_windows import PLAY_WINDOWS
from transforms.sequence_model.sequence_files import read_sequence_model
from transforms.sequence_model.train_sequence_model import SequencePlan, TrainSequenceModel
from transforms.tables.write_tables import WriteTables


def counts_as_weights(data: SequenceData, options: SequenceOptions) -> SequenceWeights:
    """Return arrays that tell what the data were: a FitSequenceModel without TensorFlow."""
    assert options == OPTIONS and data.checkpoints.latest() is None
    data.checkpoints.save({"state": np.zeros(1)})
    data.on_epoch({"epoch": 0, "loss": 1.5})
    plays = [len(block) for block in data.windows()]
    return {"plays": data.content.num_plays, "windows": np.array(plays), "pairs": sum(data.pairs).toarray()}


def test_train_sequence_model_as_a_transform(tmp_path: Path) -> None:
    path = tracks_at(tmp_path / "tracks")
    windows = sample(random_plays(91, num_plays=3000), open_tracks(path), 1.0)

    def build(root: beam.Pipeline) -> beam.PCollection:
        made = tables_of(root, "windows", PLAY_WINDOWS, [windows])
        files = made | WriteTables(PLAY_WINDOWS, str(tmp_path), 2, ("user_key", "number"))
        plan = SequencePlan(OPTIONS, counts_as_weights, str(tmp_path / "checkpoints"), "")
        return files | TrainSequenceModel(element_of(root, "tracks", path), AT, str(tmp_path / "model"), plan)

    (model,) = run_graph(build)
    found = read_sequence_model(model)
    assert found.options == OPTIONS and found.duration_ms.to_list() == [200_000] * 40
    assert found.weights["windows"].sum() == len(windows)
    assert found.weights["plays"].sum() == (windows["length"] - windows["first"]).sum()
    assert found.successors.count.shape == (1, 40, 50)
    assert found.successors.count[0].sum() <= found.weights["pairs"].sum()
    assert not (tmp_path / "checkpoints").exists()
    np.savez(Path(model) / "weights.npz", plays=np.zeros(3))
    read_sequence_model.cache_clear()
    with pytest.raises(ValueError, match="is not the checkpoint"):
        read_sequence_model(model)


@pytest.mark.parametrize("accelerator", ["", "type:nvidia-l4;count:1;install-nvidia-driver"])
def test_only_the_training_asks_for_an_accelerator(accelerator: str) -> None:
    root = beam.Pipeline()
    files = root | "files" >> beam.Create([])
    plan = SequencePlan(OPTIONS, counts_as_weights, "checkpoints", accelerator)
    files | TrainSequenceModel(element_of(root, "tracks", ""), AT, "model", plan)
    hints = [
        one.resource_hints["beam:resources:accelerator:v1"]
        for one in root.to_runner_api().components.environments.values()
        if "beam:resources:accelerator:v1" in one.resource_hints
    ]
    assert hints == ([accelerator.encode()] if accelerator else [])
