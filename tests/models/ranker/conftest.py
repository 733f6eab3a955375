from collections.abc import Callable
from functools import cache

import pytest

from models.ranker.contract import Examples, Ranker
from models.ranker.entries import DCN_V2, POPULARITY
from models.ranker.entry import RankerModel
from tests.models.ranker.planted import OPTIONS, in_chunks, planted_examples, training_data

Train = Callable[[RankerModel], Ranker]


@pytest.fixture(scope="session")
def training() -> Examples:
    return planted_examples(40_000, seed=1)


@pytest.fixture(scope="session")
def holdout() -> Examples:
    return planted_examples(20_000, seed=2)


@pytest.fixture(scope="session")
def validation() -> Examples:
    """Examples for early stopping and calibration."""
    return planted_examples(10_000, seed=3)


@pytest.fixture(scope="session")
def epochs() -> list[dict[str, float]]:
    """Figures that the training of `trained` logged."""
    return []


@pytest.fixture(scope="session")
def train(training: Examples, validation: Examples, epochs: list[dict[str, float]]) -> Train:
    """Return a function that trains a model, once in this process."""
    given = training_data(in_chunks(training, 7_000), in_chunks(validation, 3_000), on_epoch=epochs.append)
    return cache(lambda model: model.train(given, OPTIONS))


@pytest.fixture(scope="session")
def trained(train: Train) -> Ranker:
    return train(DCN_V2)


@pytest.fixture(scope="session")
def popularity(train: Train) -> Ranker:
    return train(POPULARITY)


@pytest.fixture(scope="session")
def weights() -> str:
    """Return the bits that a short training of four heads learns."""
    from tests.models.ranker.test_training import train

    return train()
