"""RANKERS: the models that can be trained as the ranker. Adding one is one entry."""

from models.ranker.contract import Ranker
from models.ranker.entries import BUILT_IN_RANKERS, open_ranker
from models.ranker.entry import RankerModel
from transforms.plugins import plugin_entries

RANKERS: tuple[RankerModel, ...] = (*BUILT_IN_RANKERS, *plugin_entries("RANKERS"))


def find_ranker_model(name: str) -> RankerModel:
    """Return the entry of RANKERS with this name (ValueError: there is none)."""
    models = {model.name: model for model in RANKERS}
    if name not in models:
        raise ValueError(f"there is no ranker model {name!r}; the models are {', '.join(models)}")
    return models[name]


def load_ranker(path: str) -> Ranker:
    """Open a saved ranker of any model (ValueError: there is none at the path, or its model is not in RANKERS)."""
    return open_ranker(path, RANKERS)
