"""The ranker models of this code, and the artifacts that say which of them they hold. Loads no TensorFlow by itself."""

import json
from collections.abc import Sequence
from pathlib import Path

from models.ranker.contract import SPEC_FILE, FeatureSpec, Ranker
from models.ranker.entry import RankerModel, RankerOptions, TrainingData
from models.ranker.popularity import PopularityRanker, fit_popularity_ranker

_MODEL_FILE = "model.json"


def _train_dcn(given: TrainingData, options: RankerOptions) -> Ranker:
    """Import TensorFlow, which takes seconds, only where it is used."""
    from models.ranker.training import train_dcn

    return train_dcn(given, options)


def _load_dcn(path: str, spec: FeatureSpec) -> Ranker:
    """Import TensorFlow, which takes seconds, only where it is used."""
    from models.ranker.serving import load_saved_model

    return load_saved_model(path, spec)


def _train_popularity(given: TrainingData, options: RankerOptions) -> Ranker:
    return fit_popularity_ranker(given.training, given.spec, options)


DCN_V2 = RankerModel(
    "dcn_v2",
    "DCN-v2 with one head for each reward, a correction of the blend's log-odds (Wang et al. 2020)",
    _train_dcn,
    _load_dcn,
)
# the fallback where the examples cannot train another model
POPULARITY = RankerModel(
    "popularity",
    "logistic regression of listens on the popularity of the track",
    _train_popularity,
    PopularityRanker.load,
)
BUILT_IN_RANKERS = (DCN_V2, POPULARITY)


def save_ranker(ranker: Ranker, model: str, path: str) -> None:
    """Write a ranker into a folder, with the name of its model."""
    ranker.save(path)
    Path(path, _MODEL_FILE).write_text(json.dumps({"model": model}))


def open_ranker(path: str, models: Sequence[RankerModel]) -> Ranker:
    """Open the folder that save_ranker() wrote (ValueError: see read_saved_spec())."""
    model, spec = read_saved_spec(path, models)
    return model.load(path, spec)


def read_saved_spec(path: str, models: Sequence[RankerModel]) -> tuple[RankerModel, FeatureSpec]:
    """Return the model and the spec of a folder that save_ranker() wrote.

    Raises:
        ValueError: the folder holds no ranker, or one of a model that is not among `models`.
    """
    if missing := [name for name in (SPEC_FILE, _MODEL_FILE) if not Path(path, name).is_file()]:
        raise ValueError(f"no ranker at {path}: {', '.join(missing)} is missing")
    spec = FeatureSpec.from_json(Path(path, SPEC_FILE).read_text())
    name = json.loads(Path(path, _MODEL_FILE).read_text()).get("model")
    by_name = {model.name: model for model in models}
    if name not in by_name:
        raise ValueError(f"{path} holds a ranker of the model {name!r}; the models are {', '.join(by_name)}")
    return by_name[name], spec
