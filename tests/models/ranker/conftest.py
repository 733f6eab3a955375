import pytest

from models.ranker.contract import Examples
from models.ranker.popularity import PopularityRanker, fit_popularity_ranker
from models.ranker.serving import TensorFlowRanker
from models.ranker.training import train_dcn
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, training_data


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
def trained(training: Examples, validation: Examples, epochs: list[dict[str, float]]) -> TensorFlowRanker:
    given = training_data(in_chunks(training, 7_000), in_chunks(validation, 3_000), on_epoch=epochs.append)
    return train_dcn(given, OPTIONS)


@pytest.fixture(scope="session")
def popularity(training: Examples) -> PopularityRanker:
    return fit_popularity_ranker(in_chunks(training, 7_000), SPEC, OPTIONS)
