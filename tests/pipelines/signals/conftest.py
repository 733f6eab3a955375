import pytest

from tests.pipelines.signals.planted_dataset import PlantedWorld, plant_world


@pytest.fixture(scope="session")
def planted_world() -> PlantedWorld:
    return plant_world(1)
