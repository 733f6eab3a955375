from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.pipelines.hostile import spoil
from tests.runs import Published, run_on

ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_sample_world(folder, WorldSpec(num_users=150, num_tracks=2000, num_days=40, seed=5, ends_at=ENDS_AT))
    return folder


@pytest.fixture(scope="session")
def published(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return run_on(world, tmp_path_factory.mktemp("published"))


RULES = """
rules:
  - name: new music second
    pin: {shelf: new_releases, position: 1}
    when: {markets: [US, GB, DE], surfaces: [home]}
  - name: nothing explicit
    exclude: {explicit: true, artists: [artist-0000001]}
    when: {max_plays: 200}
  - name: at home in genres
    pin: {shelf: genre_mix, position: 0}
    when: {min_plays: 100, from: 2025-12-01, until: 2025-12-31}
  - cap: {artist: 4}
  - quota: {unplayed: 10, shelves: 3}
  - space: {shelf: genre_mix, apart: 2}
  - name: much too much
    quota: {unplayed: 1000, shelves: 1}
    when: {surfaces: [discover]}
"""


@pytest.fixture(scope="session")
def ruled(world: Path, published: Published, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Publish pages of the same models for two surfaces, sampled at random under rules."""
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "rules.yaml").write_text(RULES)
    artifacts = {name: published.folder / path for name, path in published.manifest["artifacts"].items()}
    models = [f"--ranker={artifacts['ranker']}", f"--embeddings={artifacts['embeddings']}", "--num_warm_epochs=0"]
    bent = ["--exploration=0.4", "--diversity=0.5", "--calibration=0.5", "--surfaces=home,discover"]
    return run_on(world, folder, *models, *bent, f"--rules={folder}/rules.yaml")


@pytest.fixture(scope="session")
def models(published: Published) -> list[str]:
    """Return flags that reuse the models of a good day instead of training."""
    paths = {name: published.folder / published.manifest["artifacts"][name] for name in ("ranker", "embeddings")}
    return ["--mode=score", "--num_warm_epochs=0", *(f"--{name}={path}" for name, path in paths.items())]


@pytest.fixture(scope="session")
def spoiled(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the world with hostile names, ids and values."""
    return spoil(world, tmp_path_factory.mktemp("mes données ü 音"))


@pytest.fixture(scope="session")
def bad_day(spoiled: Path, models: list[str], tmp_path_factory: pytest.TempPathFactory) -> Published:
    return run_on(spoiled, tmp_path_factory.mktemp("sorties <b>é"), *models, "--surfaces=home,discover")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
