"""The order of queues against a plain beam search, and its rules on generated sets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.now_playing.queues.order_queues import Orders, OrderWeights, Sets, order_queues

WEIGHTS = OrderWeights(step=1.1, artist_recent=0.5, liking=0.2, familiar_first=0.3)


def random_sets(seed: int, num_queues: int = 6, size: int = 12, num_artists: int = 5, num_there: int = 12) -> Sets:
    rng = np.random.default_rng(seed)
    shape = (num_queues, size)
    vector = rng.standard_normal((*shape, 4)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=2, keepdims=True)
    normal = [rng.standard_normal(shape).astype(np.float32) for _ in range(3)]
    return Sets(
        is_there=np.arange(size) < rng.integers(0, num_there + 1, num_queues)[:, None],
        is_familiar=rng.random(shape) < 0.5,
        artist=rng.integers(-1, num_artists, shape),
        log_odds=normal[0],
        distance=1 - vector @ vector.transpose(0, 2, 1),
        first_distance=rng.random(shape).astype(np.float32),
        context_liking=normal[1],
        own_liking=normal[2],
        last_artist=rng.integers(-1, num_artists, (num_queues, 4)),
        last_familiar=np.where(
            np.arange(9) < rng.integers(0, 10, (num_queues, 1)), rng.random((num_queues, 9)) < 0.5, np.nan
        ),
        familiar_per_10=rng.integers(0, 11, num_queues),
    )


def slow_gain(sets: Sets, queue: int, chosen: list[int], track: int, passed: float) -> float:
    artists = [sets.artist[queue, one] for one in reversed(chosen)] + list(sets.last_artist[queue])
    own = sets.artist[queue, track]
    recent = sum(own >= 0 and own == one for one in artists[:4])
    distance = sets.distance[queue, chosen[-1], track] if chosen else sets.first_distance[queue, track]
    log_odds = sets.log_odds[queue, track] + WEIGHTS.step * distance + WEIGHTS.artist_recent * recent
    drift = min(1.0, max(0.0, (passed - 0.1) / 0.9))
    liking = WEIGHTS.liking * ((1 - drift) * sets.context_liking[queue, track] + drift * sets.own_liking[queue, track])
    first = WEIGHTS.familiar_first * sets.is_familiar[queue, track] if passed == 0 else 0.0
    return float(liking + first - math.log1p(math.exp(log_odds)))


def keeps_gap(sets: Sets, queue: int, chosen: list[int], track: int) -> bool:
    near = ([sets.artist[queue, one] for one in reversed(chosen)] + list(sets.last_artist[queue]))[:3]
    return sets.artist[queue, track] < 0 or sets.artist[queue, track] not in near


def keeps_share(sets: Sets, queue: int, chosen: list[int], track: int) -> bool:
    before = [sets.is_familiar[queue, one] for one in reversed(chosen)] + list(sets.last_familiar[queue])
    window = [sets.is_familiar[queue, track], *(one for one in before[:9] if not np.isnan(one))]
    wish = sets.familiar_per_10[queue]
    if sets.is_familiar[queue, track]:
        return sum(window) <= wish + 1
    return len(window) - sum(window) <= 10 - wish + 1


def slow_order(sets: Sets, queue: int, length: int, width: int) -> tuple[list[int], list[bool]]:
    beams: list[tuple[float, list[int], list[bool]]] = [(0.0, [], [False, False])]
    there = [int(track) for track in np.flatnonzero(sets.is_there[queue])]
    for position in range(length):
        free = [
            (value, chosen, flags, track) for value, chosen, flags in beams for track in there if track not in chosen
        ]
        lax = [one for one in free if keeps_gap(sets, queue, one[1], one[3])]
        strict = [one for one in lax if keeps_share(sets, queue, one[1], one[3])]
        if not free:
            break
        found = [
            (
                value + slow_gain(sets, queue, chosen, track, position / length),
                [*chosen, track],
                [flags[0] or not strict, flags[1] or not lax],
            )
            for value, chosen, flags, track in strict or lax or free
        ]
        beams = sorted(found, key=lambda one: -one[0])[:width]
    return beams[0][1], beams[0][2]


@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_orders_are_those_of_the_plain_search(seed: int, width: int) -> None:
    sets = random_sets(seed)
    found = order_queues(sets, WEIGHTS, length=9, width=width)
    for queue in range(len(sets)):
        place, relaxed = slow_order(sets, queue, 9, width)
        assert found.place[queue][found.place[queue] >= 0].tolist() == place
        assert found.relaxed[queue].tolist() == relaxed


def violations(sets: Sets, orders: Orders) -> list[str]:
    wrong = []
    for queue in range(len(sets)):
        place = [int(one) for one in orders.place[queue] if one >= 0]
        if len(set(place)) < len(place) or not all(sets.is_there[queue, one] for one in place):
            wrong.append("not of the set, or twice")
        for position, track in enumerate(place):
            before = place[:position]
            if not orders.relaxed[queue, 1] and not keeps_gap(sets, queue, before, track):
                wrong.append("artists too near")
            if not orders.relaxed[queue, 0] and not keeps_share(sets, queue, before, track):
                wrong.append("too many known or new")
        if len(place) < min(20, int(sets.is_there[queue].sum())):
            wrong.append("ends early")
    return wrong


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 20), st.integers(1, 9))
def test_no_rule_is_broken_unless_it_is_named(seed: int, size: int, num_artists: int, width: int) -> None:
    sets = random_sets(seed, num_queues=3, size=size, num_artists=num_artists, num_there=size)
    assert violations(sets, order_queues(sets, WEIGHTS, length=20, width=width)) == []


def test_a_queue_does_not_depend_on_those_beside_it() -> None:
    together = random_sets(7, num_queues=8)
    alone = Sets(**{name: values[5:6] for name, values in vars(together).items()})
    found = order_queues(together, WEIGHTS, length=9, width=4)
    assert order_queues(alone, WEIGHTS, length=9, width=4).place[0].tolist() == found.place[5].tolist()


def test_a_wider_beam_finds_no_worse_order_than_the_greedy_one_on_average() -> None:
    sets = random_sets(11, num_queues=200, num_artists=50)

    def value(width: int) -> float:
        found = order_queues(sets, WEIGHTS, length=9, width=width).place
        totals = []
        for queue in range(len(sets)):
            place = [int(one) for one in found[queue] if one >= 0]
            totals.append(sum(slow_gain(sets, queue, place[:n], track, n / 9) for n, track in enumerate(place)))
        return float(np.mean(totals))

    assert value(8) > value(1)
