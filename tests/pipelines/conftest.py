from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.built_once import built_once
from tests.pipelines.hostile import spoil
from tests.runs import DCN, Published, reuse, run_on

ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def world() -> Path:
    spec = WorldSpec(num_users=150, num_tracks=2000, num_days=40, seed=5, ends_at=ENDS_AT)
    return built_once("world", lambda folder: write_sample_world(folder, spec))


@pytest.fixture(scope="session")
def published(world: Path) -> Published:
    return Published(built_once("published", lambda folder: run_on(world, folder, *DCN)))


@pytest.fixture(scope="session")
def playing(world: Path) -> Published:
    """Publish queues and successors, without pages."""
    return Published(built_once("now_playing", lambda folder: run_on(world, folder, "--surfaces=now_playing")))


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
def ruled(world: Path, published: Published) -> Published:
    """Publish pages of the same models for two surfaces, sampled at random under rules."""
    bent = ["--exploration=0.4", "--diversity=0.5", "--calibration=0.5", "--surfaces=home,discover"]

    def build(folder: Path) -> None:
        (folder / "rules.yaml").write_text(RULES)
        run_on(world, folder, *reuse(published), *bent, f"--rules={folder}/rules.yaml")

    return Published(built_once("ruled", build))


@pytest.fixture(scope="session")
def models(published: Published) -> list[str]:
    """Return flags that reuse the models of a good day instead of training."""
    return ["--mode=score", *reuse(published)]


@pytest.fixture(scope="session")
def spoiled(world: Path) -> Path:
    """Return the world with hostile names, ids and values."""
    return built_once("mes données ü 音", lambda folder: spoil(world, folder))


@pytest.fixture(scope="session")
def bad_day(spoiled: Path, models: list[str]) -> Published:
    flags = [*models, "--surfaces=home,discover"]
    return Published(built_once("sorties <b>é", lambda folder: run_on(spoiled, folder, *flags)))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
