"""Events become outcomes of the cards that they followed."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF
from transforms.experiments.off_policy.attribute_outcomes import (
    AttributeOutcomes,
    attributable_rewards,
    attribute_outcomes,
)
from transforms.experiments.off_policy.list_choices import list_choices
from transforms.experiments.off_policy.schemas import LOGGED_CARD_ROWS, LOGGED_CHOICES, OUTCOME_EVENTS

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR


def shown(*requests: tuple[str, datetime, list[str]], user: str = "u") -> pl.DataFrame:
    """LOGGED_CHOICES of requests, each with its time and tracks."""
    cards = [
        {"user_id": user, "request_id": name, "shown_at": at, "track_id": track, "position": rank, "shelf_position": 0}
        for name, at, tracks in requests
        for rank, track in enumerate(tracks)
    ]
    return list_choices(LOGGED_CARD_ROWS.frame(cards), surface="home", policy="")


def play(track: str, at: datetime, **other: Any) -> dict[str, Any]:
    return {"user_id": "u", "track_id": track, "played_at": at, "ms_played": 200_000, **other}


TWO = shown(("r0", AS_OF, ["a", "b"]), ("r1", AS_OF + 2 * HOUR, ["b", "c"]))


def outcomes(
    *events: dict[str, Any], reward: str = "listened", window: timedelta = DAY
) -> dict[tuple[int, str], float]:
    found = attribute_outcomes(TWO, events=OUTCOME_EVENTS.frame(list(events)), reward=reward, window=window)
    names = {number: name for name, number in enumerate(found.sort("shown_at")["request"].unique(maintain_order=True))}
    rows = found.filter(pl.col("position") >= 0).select("request", "track_id", "outcome").rows()
    assert found.filter(pl.col("position") < 0)["outcome"].sum() == 0
    return {(names[request], track): outcome for request, track, outcome in rows if outcome}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (play("a", AS_OF + HOUR), {(0, "a"): 1.0}),
        (play("b", AS_OF + HOUR), {(0, "b"): 1.0}),
        # the latest card before it
        (play("b", AS_OF + 3 * HOUR), {(1, "b"): 1.0}),
        # the request that it names
        (play("b", AS_OF + 3 * HOUR, request_id="r0"), {(0, "b"): 1.0}),
        (play("b", AS_OF + 3 * HOUR, request_id="other"), {}),
        (play("a", AS_OF - HOUR), {}),
        (play("a", AS_OF + 2 * DAY), {}),
        (play("c", AS_OF + HOUR), {}),
        (play("a", AS_OF + HOUR, ms_played=5_000), {}),
        (play("a", AS_OF + HOUR, action="save"), {}),
        (play("a", AS_OF + HOUR, user_id="v"), {}),
    ],
)
def test_a_listen_belongs_to_the_card_that_it_followed(event: dict[str, Any], expected: dict[Any, float]) -> None:
    assert outcomes(event) == expected


def test_the_outcome_is_the_label_of_the_chosen_reward() -> None:
    assert {"listened", "saved", "repeated"} <= set(attributable_rewards())
    assert not {"retained_28d", "completed"} & set(attributable_rewards())
    twice = [play("a", AS_OF + HOUR), play("a", AS_OF + 2 * HOUR), play("b", AS_OF + HOUR)]
    assert outcomes(*twice, reward="repeated") == {(0, "a"): 1.0}
    assert outcomes(play("a", AS_OF + HOUR, action="save"), reward="saved") == {(0, "a"): 1.0}


@pytest.mark.parametrize(
    ("next_event", "expected"),
    [
        (play("x", AS_OF + HOUR + 20 * MINUTE), {(0, "a"): 1.0}),
        (play("x", AS_OF + HOUR + 20 * MINUTE, ms_played=1_000), {(0, "a"): 1.0}),
        (play("x", AS_OF + 2 * HOUR), {}),
        # a track that is saved is no play
        (play("a", AS_OF + HOUR + 2 * MINUTE, action="save"), {}),
    ],
)
def test_only_a_play_continues_a_session(next_event: dict[str, Any], expected: dict[Any, float]) -> None:
    events = [play("a", AS_OF + HOUR), next_event, play("x", AS_OF + HOUR, user_id="v")]
    assert outcomes(*events, reward="session_continued") == expected
    assert outcomes(*reversed(events), reward="session_continued") == expected


def test_an_event_that_was_told_twice_counts_once() -> None:
    assert outcomes(play("a", AS_OF + HOUR), play("a", AS_OF + HOUR), reward="repeated") == {}


def test_without_events_every_outcome_is_0() -> None:
    assert attribute_outcomes(TWO, events=None, reward="listened", window=DAY)["outcome"].sum() == 0


def test_attribute_outcomes_joins_the_events_of_the_same_bucket() -> None:
    others = shown(("r0", AS_OF, ["a"]), user="v")
    events = [OUTCOME_EVENTS.frame([play("a", AS_OF + HOUR)]), OUTCOME_EVENTS.frame([])]
    found = joined(
        run_graph(
            lambda root: (
                tables_of(root, "Choices", LOGGED_CHOICES, [TWO, others])
                | AttributeOutcomes(tables_of(root, "Events", OUTCOME_EVENTS, events), "listened", DAY)
            )
        )
    )
    assert found.filter(pl.col("outcome") > 0).select("user_id", "track_id").rows() == [("u", "a")]
