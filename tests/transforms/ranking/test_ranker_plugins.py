"""A feature, a reward and a ranker model from one file each, outside the project."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FEATURE = """
import polars as pl
from transforms.features.feature import OF_USER, Feature

FEATURES = (Feature("is_even", pl.col("track") % 2 == 0, "1 if the code is even", group="toys", freshness=OF_USER),)
"""
USES_FEATURE = """
from tests.worlds import catalog_of, snapshot_inputs, random_plays, tracks_of
from transforms.features.feature_tables import CANDIDATES, EXAMPLES, RANKED, SCORED
from transforms.features.hydrate import hydrate_candidates
from transforms.ranking.ranker_files import encode_batch, learn_vocabulary
from transforms.tables.columns import to_table

plays = random_plays(5)
catalog = catalog_of(plays, tracks_of(40), FOLDER)
candidates = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, FOLDER))
assert to_table(candidates, CANDIDATES).num_rows == len(candidates) > 0
assert candidates["is_even"].to_list() == [float(code % 2 == 0) for code in candidates["track"]]
assert all("is_even" in schema.names for schema in (EXAMPLES, SCORED, RANKED))
vocabulary = learn_vocabulary(catalog, min_plays=5)
assert vocabulary.spec(("listened",)).dense[-1] == "is_even"
assert set(encode_batch(candidates, vocabulary.rows_of(catalog))["dense"][:, -1]) == {0.0, 1.0}
"""
REWARD = """
import polars as pl
from transforms.features.reward import Reward

REWARDS = (Reward("liked", (pl.col("action") == 1).any(), 2.0, "liked at any time", delay_days=3.0),)
"""
USES_REWARD = """
from datetime import timedelta
import numpy as np
from tests.worlds import AS_OF, DAY, catalog_of, plays_of, tracks_of
from transforms.features.feature_tables import EXAMPLES, SCORED
from transforms.features.label_outcomes import label_outcomes
from transforms.features.rewards import MAX_REWARD, describe_rewards, expected_reward

plays = plays_of([{"user_id": "a", "track": track, "days": 8, "action": track} for track in (0, 1)])
catalog = catalog_of(plays, tracks_of(2), FOLDER)
window = {"as_of": AS_OF - 10 * DAY, "ends_at": AS_OF - 3 * DAY}
pairs = plays.select("user_id", "track").sort("track")
assert label_outcomes(pairs, plays, catalog=catalog, known_until=AS_OF, **window)["label_liked"].to_list() == [0.0, 1.0]
early = label_outcomes(pairs, plays, catalog=catalog, known_until=AS_OF - timedelta(seconds=1), **window)
assert early["label_liked"].null_count() == 2
assert "label_liked" in EXAMPLES.names and "p_liked" in SCORED.names
assert expected_reward({"liked": np.array([0.5])}).tolist() == [1.0] and MAX_REWARD > 2
assert describe_rewards()["rewards"][-1]["name"] == "liked"
"""
RANKER = """
import json
from pathlib import Path
import numpy as np
from models.ranker.contract import SPEC_FILE
from models.ranker.entry import RankerModel


class Constant:
    def __init__(self, spec):
        self.spec = spec

    def score(self, batch):
        return np.full((len(batch["track"]), len(self.spec.heads)), 0.25, np.float32)

    def save(self, path):
        Path(path, SPEC_FILE).write_text(self.spec.to_json())


def train(given, options):
    return Constant(given.spec)


def load(path, spec):
    return Constant(spec)


RANKERS = (RankerModel("constant", "the same for all", train, load),)
"""
USES_RANKER = """
from pipelines.learning import chosen_ranker
from pipelines.options.options import RunOptions
from models.ranker.training_run import train_and_evaluate
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, training_data
from transforms.ranking.rankers import load_ranker

model = chosen_ranker(RunOptions(events="", output="", ranker_model="constant"))
examples = in_chunks(planted_examples(400, 1), 100)
report = train_and_evaluate(model, training_data(examples, examples), OPTIONS, (), str(FOLDER))
assert report["heads"]["played"]["mean_probability"] == 0.25
ranker = load_ranker(str(FOLDER))
assert type(ranker).__name__ == "Constant" and ranker.spec == SPEC
assert "tensorflow" not in sys.modules
"""


def run_with_plugin(plugin: str, program: str, folder: Path) -> None:
    """Run a program in a process whose only plugin is a file with this source (AssertionError: it fails)."""
    (folder / "toy_plugin.py").write_text(plugin)
    environment = {**os.environ, "HOMESHELF_PLUGINS": "toy_plugin", "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    begin = f"import sys\nfrom pathlib import Path\nFOLDER = Path({str(folder)!r})\n"
    command = [sys.executable, "-c", begin + program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_feature_is_one_file(tmp_path: Path) -> None:
    run_with_plugin(FEATURE, USES_FEATURE, tmp_path)


def test_a_reward_is_one_file(tmp_path: Path) -> None:
    run_with_plugin(REWARD, USES_REWARD, tmp_path)


def test_a_ranker_model_is_one_file(tmp_path: Path) -> None:
    run_with_plugin(RANKER, USES_RANKER, tmp_path)
