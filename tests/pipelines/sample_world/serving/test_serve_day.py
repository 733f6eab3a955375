"""A served day: what is started from Home is in the log and in the world after it, and nothing else changes."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.sample_world.serving.response import Cards, Response
from pipelines.sample_world.serving.serve_day import ServedDay, day_tables, serve_day
from pipelines.sample_world.serving.served_world import ServedWorld, start_world
from tests.pipelines.sample_world.serving.made_up_cards import (
    DAY_MS,
    START_MS,
    TRACKS,
    USERS,
    no_pages,
    pages,
    spec,
    world,
)

# so many requests that a day of 30 listeners has some of everything
EAGER = Response(request_share=1.0, start=1.0, habit=0.2)


def serve(cards: Cards, days: int = 3, seed: int = 1, users: int = USERS) -> tuple[ServedWorld, list[ServedDay]]:
    now, served = world(users=users), []
    for number in range(days):
        rng = np.random.default_rng([seed, number])
        now, day = serve_day(rng, now, cards, EAGER, START_MS + number * DAY_MS)
        served.append(day)
    return now, served


@pytest.fixture(scope="module")
def served() -> tuple[ServedWorld, list[ServedDay]]:
    return serve(pages())


def log(now: ServedWorld, day: ServedDay) -> dict[str, pl.DataFrame]:
    tables = day_tables(now, day, pa.array(["a"] * USERS))
    return {name: pl.DataFrame(pl.from_arrow(table)) for name, table in tables.items()}


def test_plays_from_home_are_of_cards_that_were_shown_in_their_request(served) -> None:
    now, days = served
    for tables in (log(now, day) for day in days):
        shown = tables["impressions"].select("request_id", "shelf_id", "track_id", "user_id", "shown_at")
        plays = tables["events"].filter(pl.col("action") == "play", pl.col("surface") == "home")
        joined = plays.join(shown, on=["request_id", "shelf_id", "track_id", "user_id"])
        assert len(joined) == len(plays) > 0
        assert (joined["played_at"] > joined["shown_at"]).all()
        assert plays.select("request_id", "track_id").is_unique().all()


def test_impressions_are_whole_pages_with_their_propensities(served) -> None:
    now, days = served
    shown = log(now, days[0])["impressions"]
    assert set(shown.group_by("request_id").len()["len"]) == {12}
    places = ["shelf_position", "position", "propensity", "shelf_propensity", "policy", "surface"]
    assert shown.select(places).unique().height == 12
    assert shown.select(pl.col("shelf_id") == "shelf_" + pl.col("shelf_position").cast(pl.String)).to_series().all()


def test_home_takes_the_place_of_other_plays_of_a_session(served) -> None:
    without = serve(no_pages(), days=1)[1][0]
    day = served[1][0]
    assert np.array_equal(np.bincount(day.plays.session), np.bincount(without.plays.session))
    assert (day.look >= 0).any() and not (without.look >= 0).any() and not len(without.visits.session)
    starts = np.flatnonzero(day.look >= 0)
    assert (day.plays.position[starts] == 0).any() and (np.diff(day.plays.session) >= 0).all()


def test_the_past_has_all_plays_of_a_day_and_only_of_their_users(served) -> None:
    now, days = served
    for user in range(USERS):
        drawn = np.concatenate([day.plays.track[day.plays.user == user] for day in days])
        rows = slice(now.past.first[user], now.past.first[user + 1])
        before = int(world().past.first[user + 1] - world().past.first[user])
        assert sorted(now.past.traces.track[rows][before:]) == sorted(drawn)


def test_what_was_discovered_on_home_is_returned_to() -> None:
    """Tracks that no listener would have found by themselves are played again later, not only from Home."""
    now, days = serve(pages(), days=8)
    found = {
        (user, track)
        for day in days[:4]
        for user, track, look, is_new in zip(day.plays.user, day.plays.track, day.look, day.is_new, strict=True)
        if look >= 0 and is_new
    }
    later = {
        (user, track)
        for day in days[4:]
        for user, track, look in zip(day.plays.user, day.plays.track, day.look, strict=True)
        if look < 0
    }
    assert found & later


def test_joy_makes_listeners_come_back_and_nothing_to_start_keeps_them_away() -> None:
    users = 200
    liked = serve(pages(users), users=users)[0].habit
    dull = Response(request_share=1.0, start=-50.0, taste=0.0, habit=0.2)
    bored, _ = serve_day(np.random.default_rng(1), world(users=users), pages(users), dull, START_MS)
    assert liked.mean() > 0 > bored.habit.mean() and bored.habit.max() <= 0
    assert (bored.listeners_today.active_share <= bored.listeners.active_share).all()


def test_fatigue_remembers_the_cards_that_were_looked_at(served) -> None:
    now, days = served
    looks = days[-1].visits.looks
    seen = np.flatnonzero(looks.is_seen)
    user, track = days[-1].request_user[looks.request[seen]], days[-1].cards.track[looks.card[seen]]
    assert (now.fatigue.of(user, track) >= 1).all()
    assert (now.fatigue.of(np.arange(USERS), np.full(USERS, TRACKS)) == 0).all()


def test_the_same_seed_gives_the_same_days_and_another_gives_others(served) -> None:
    again, other = serve(pages())[1], serve(pages(), seed=2)[1]
    for day, twin in zip(served[1], again, strict=True):
        assert log(served[0], day)["events"].equals(log(served[0], twin)["events"])
    assert not np.array_equal(served[1][0].plays.track, other[0].plays.track)


def test_the_world_begins_with_the_log_of_the_days_before() -> None:
    now, tables = start_world(spec(), START_MS)
    played = pl.DataFrame(pl.from_arrow(tables["events"])).filter(pl.col("action") == "play")
    assert played["played_at"].dt.timestamp("ms").max() < START_MS
    # a few plays were not reported in time
    assert 0.95 * now.past.first[-1] <= len(played) <= now.past.first[-1]
    assert tables["users"].num_rows == USERS and tables["tracks"].num_rows == TRACKS
