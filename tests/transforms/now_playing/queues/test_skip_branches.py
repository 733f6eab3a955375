"""What follows a skip: the rest of the queue, under the rules of order, and the skipped artist later than before."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.now_playing.queue_worlds import QueueWorld, queue_world
from tests.transforms.now_playing.queues.test_compose_queues import compose
from transforms.now_playing.queues.queue_tables import QUEUES
from transforms.now_playing.queues.skip_branches import TrackVectors, skip_branches
from transforms.now_playing.skips.skip_features import SKIP_FEATURES
from transforms.now_playing.skips.skip_model import OrderModel
from transforms.now_playing.skips.track_facts import short_vectors

NUM_SKIPS = 4


def vectors_of(world: QueueWorld) -> TrackVectors:
    tracks = world.catalog.tracks
    return TrackVectors(
        tracks["track_id"], tracks["artist"].fill_null(-1).to_numpy(), short_vectors(world.keys["vector"])
    )


@pytest.fixture(scope="module", params=range(3))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> QueueWorld:
    return queue_world(tmp_path_factory.mktemp("world"), request.param)


@pytest.fixture(scope="module")
def queues(world: QueueWorld) -> pl.DataFrame:
    return compose(world)


@pytest.fixture(scope="module")
def branches(world: QueueWorld, queues: pl.DataFrame) -> list[list[list[int]]]:
    return skip_branches(queues, vectors_of(world), world.skips.order, NUM_SKIPS)


def artists_of(world: QueueWorld, queue: dict[str, Any]) -> list[str]:
    artist = dict(world.catalog.tracks.select("track_id", "artist_id").rows())
    return [artist[one["track_id"]] for one in queue["tracks"]]


def test_a_branch_is_what_is_left_and_an_album_goes_on(queues: pl.DataFrame, branches: list[list[list[int]]]) -> None:
    assert len(queues) == len(branches) > 50
    for queue, found in zip(queues.to_dicts(), branches, strict=True):
        size = len(queue["tracks"])
        assert len(found) == min(size, NUM_SKIPS)
        for skipped, places in enumerate(found):
            assert sorted(places) == list(range(skipped + 1, size))
            of_album = [place for place in places if queue["tracks"][place]["source"] == "context"]
            assert places[: len(of_album)] == of_album == sorted(of_album)


def test_the_skipped_artist_comes_later(
    world: QueueWorld, queues: pl.DataFrame, branches: list[list[list[int]]]
) -> None:
    cases, later = 0, 0
    for queue, found in zip(queues.to_dicts(), branches, strict=True):
        artists = artists_of(world, queue)
        for skipped, places in enumerate(found):
            own = [
                place
                for place in places
                if artists[place] == artists[skipped] and queue["tracks"][place]["source"] != "context"
            ]
            if own:
                cases += 1
                later += min(places.index(place) for place in own) > min(own) - skipped - 1
    assert cases > 100 and later >= 0.9 * cases


def test_rules_of_order_hold_across_the_skip_in_the_next_tracks(
    world: QueueWorld, queues: pl.DataFrame, branches: list[list[list[int]]]
) -> None:
    checked = 0
    for queue, found in zip(queues.to_dicts(), branches, strict=True):
        artists = artists_of(world, queue)
        if queue["relaxed"] or queue["context"] == "album" or len(set(artists)) < 12:
            continue
        for skipped, places in enumerate(found):
            played = [*range(skipped + 1), *places]
            for at in range(skipped + 1, skipped + 6):
                near = [artists[one] for one in played[max(0, at - 3) : at]]
                assert artists[played[at]] not in near
                known = [queue["tracks"][one]["is_familiar"] for one in played[max(0, at - 9) : at + 1]]
                assert sum(known) <= queue["familiar_per_10"] + 1
                assert len(known) - sum(known) <= 10 - queue["familiar_per_10"] + 1
                checked += 1
    assert checked > 100


def queue_of(chances: list[float], context: str = "artist") -> dict[str, Any]:
    tracks = [
        {
            "track_id": f"t{place}",
            "position": place,
            "p_completed": 0.5,
            "p_skipped": chance,
            "source": "follows",
            "is_familiar": place % 2 == 0,
            "reason": "",
            "propensity": 1.0,
        }
        for place, chance in enumerate(chances)
    ]
    about = {"user_id": "u", "context": context, "context_id": "t0", "familiar_per_10": 5, "relaxed": []}
    return {**about, "tracks": tracks}


@pytest.mark.parametrize("seed", range(5))
def test_without_a_word_of_the_skip_on_the_others_their_order_stays(seed: int) -> None:
    """No vectors, no artist twice, chances alike: the skip says nothing of the others."""
    size = int(np.random.default_rng(seed).integers(2, 30))
    queues = QUEUES.frame([queue_of([0.2] * size)])
    tracks = TrackVectors(pl.Series([f"t{n}" for n in range(30)]), np.arange(30), np.zeros((30, 3), dtype=np.float32))
    model = OrderModel(np.zeros(len(SKIP_FEATURES)), np.ones(len(SKIP_FEATURES)), 0.0)
    (found,) = skip_branches(queues, tracks, model, 3)
    assert found == [list(range(skipped + 1, size)) for skipped in range(min(3, size))]


def test_what_is_like_the_skipped_track_comes_later() -> None:
    """The second track is like the first, which was skipped; all are as far from one another else."""
    vector = np.eye(7, 6, dtype=np.float32)
    vector[1] = vector[0]
    tracks = TrackVectors(pl.Series([f"t{n}" for n in range(7)]), np.arange(7), vector)
    weights = np.where(np.array(SKIP_FEATURES) == "step", 2.0, 0.0)
    model = OrderModel(np.zeros(len(SKIP_FEATURES)), weights, 0.0)
    queues = QUEUES.frame([queue_of([0.3] * 5)])
    first = skip_branches(queues, tracks, model, 1)[0][0]
    assert first[0] == 2 and first[-1] == 1
