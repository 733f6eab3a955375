"""Queues of generated catalogs: every rule, read from the rows by plain loops; equal in buckets and blocks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, tables_of
from tests.transforms.now_playing.queue_worlds import QueueWorld, queue_world
from tests.worlds import AS_OF, DAY, by_bucket
from transforms.catalog.collect_tracks import write_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.now_playing.queues.compose_queues import ComposeQueues, QueueRecipe, compose_queues
from transforms.now_playing.queues.queue_tables import QUEUES, QueuePolicy
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS, TRACK_COUNTS

MINUTE = DAY / 1440


def compose(world: QueueWorld, plays: pl.DataFrame | None = None, policy: QueuePolicy | None = None) -> pl.DataFrame:
    return compose_queues(
        world.plays if plays is None else plays,
        catalog=world.catalog,
        keys=world.keys,
        counts=world.counts,
        successors=world.successors,
        skips=world.skips,
        recipe=QueueRecipe(world.rules, policy or world.policy, no_trees),
    )


def no_trees(text: str) -> Any:
    raise AssertionError("the worlds of these tests have no trees")


@pytest.fixture(scope="module", params=range(3))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> QueueWorld:
    return queue_world(tmp_path_factory.mktemp("world"), request.param)


@pytest.fixture(scope="module")
def queues(world: QueueWorld) -> list[dict[str, Any]]:
    return to_table(compose(world), QUEUES).to_pylist()


def after_context(queue: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in queue["tracks"] if one["source"] != "context"]


def facts_of(world: QueueWorld) -> dict[str, dict[str, Any]]:
    return {row["track_id"]: {**row, "code": code} for code, row in enumerate(world.catalog.tracks.to_dicts())}


def is_listen(play: dict[str, Any]) -> bool:
    return play["action"] == 0 and (play["ms_played"] is None or play["ms_played"] >= 30_000)


def broken(queue: dict[str, Any], facts: dict[str, dict[str, Any]], plays: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the rules that a queue breaks; plays: of its user."""
    cards, rest = queue["tracks"], after_context(queue)
    heard = {one["track"] for one in plays if is_listen(one)}
    recordings = [facts[one["track_id"]]["recording"] for one in cards]
    if len(set(recordings)) < len(cards):
        yield "twice"
    if [one["position"] for one in cards] != list(range(len(cards))):
        yield "positions"
    if any(one["is_familiar"] != (facts[one["track_id"]]["code"] in heard) for one in rest):
        yield "familiar"
    if not all(0 < one["propensity"] <= 1 for one in rest):
        yield "propensity"
    counts = Counter(facts[one["track_id"]]["artist"] for one in rest)
    if max(counts.values(), default=0) > 5:
        yield "cap of an artist"
    yield from broken_tracks(rest, facts, plays)
    yield from broken_order(queue, rest, facts)


def broken_tracks(
    rest: list[dict[str, Any]], facts: dict[str, dict[str, Any]], plays: list[dict[str, Any]]
) -> Iterator[str]:
    late = {one["track"] for one in plays if one["action"] == 0 and AS_OF - one["played_at"] < 240 * MINUTE}
    for about in (facts[one["track_id"]] for one in rest):
        if about["code"] in late:
            yield "played lately"
        if about["explicit"] or about["release_date"] > AS_OF.date() or about["markets"] is not None:
            yield "may not be played in AF"
        if about["title"].startswith("Suite"):
            yield "a movement of a work"


def broken_order(queue: dict[str, Any], rest: list[dict[str, Any]], facts: dict[str, dict[str, Any]]) -> Iterator[str]:
    for place, one in enumerate(rest):
        near = [facts[other["track_id"]]["artist"] for other in rest[max(0, place - 3) : place]]
        if facts[one["track_id"]]["artist"] in near and "artist gap" not in queue["relaxed"]:
            yield "artist gap"
        window = [other["is_familiar"] for other in rest[max(0, place - 9) : place + 1]]
        is_off = len(window) == 10 and abs(sum(window) - queue["familiar_per_10"]) > 1
        if is_off and "familiar share" not in queue["relaxed"]:
            yield "familiar share"


def test_no_queue_breaks_a_rule(world: QueueWorld, queues: list[dict[str, Any]]) -> None:
    facts = facts_of(world)
    of_user: dict[str, list[dict[str, Any]]] = {}
    known = world.plays.filter(pl.col("known_at") < AS_OF)
    for row in known.with_columns(pl.col("user_id").cast(pl.String)).to_dicts():
        of_user.setdefault(row["user_id"], []).append(row)
    wrong = [(one["context"], rule) for one in queues for rule in broken(one, facts, of_user[one["user_id"]])]
    assert wrong == []
    assert {one["context"] for one in queues} == {"track", "album", "artist", "session"}
    assert {card["source"] for one in queues for card in one["tracks"]} >= {"context", "follows", "own", "follows_own"}
    assert sum(len(one["tracks"]) >= 20 for one in queues) > 0.8 * len(queues)


def test_an_album_is_played_in_its_order_and_goes_on_with_what_it_has_not(
    world: QueueWorld, queues: list[dict[str, Any]]
) -> None:
    facts = facts_of(world)
    albums = [one for one in queues if one["context"] == "album"]
    for queue in albums:
        allowed = sorted(
            (row["disc_number"], row["track_number"], track_id)
            for track_id, row in facts.items()
            if row["album_id"] == queue["context_id"]
            and row["markets"] is None
            and row["release_date"] <= AS_OF.date()
            and not row["explicit"]
        )
        shown = [card["track_id"] for card in queue["tracks"] if card["source"] == "context"]
        assert shown == [track_id for _, _, track_id in allowed]
        assert [card["source"] for card in queue["tracks"][: len(shown)]] == ["context"] * len(shown)
    assert any(facts[one["tracks"][0]["track_id"]]["title"].startswith("Suite") for one in albums) or len(albums) > 3


def test_a_session_brings_nothing_of_it_and_is_the_last_of_three_listens(
    world: QueueWorld, queues: list[dict[str, Any]]
) -> None:
    facts = facts_of(world)
    rows = world.plays.filter(pl.col("known_at") < AS_OF, action=0).drop_nulls("track").to_dicts()
    of_user: dict[str, list[list[dict[str, Any]]]] = {}
    end: dict[str, datetime] = {}
    for row in rows:
        user, began = row["user_id"], row["played_at"]
        if user not in end or began - end[user] > 30 * MINUTE:
            of_user.setdefault(user, []).append([])
        of_user[user][-1].append(row)
        end[user] = began + timedelta(milliseconds=row["ms_played"] or 0)
    wanted = {}
    for user, sessions in of_user.items():
        long = [one for one in sessions if sum(map(is_listen, one)) >= 3]
        if long:
            wanted[user] = long[-1]
    found = {queue["user_id"]: queue for queue in queues if queue["context"] == "session"}
    assert found.keys() == wanted.keys() and len(found) > 5
    for user, session in wanted.items():
        queue = found[user]
        assert queue["context_id"] == f"{session[0]['played_at']:%Y-%m-%dT%H:%M:%SZ}"
        assert queue["started_at"] == session[0]["played_at"] and queue["name"] is None
        cards = [facts[one["track_id"]] for one in queue["tracks"]]
        assert not {one["code"] for one in cards} & {one["track"] for one in session}
        skips = Counter(world.catalog.tracks["artist"][one["track"]] for one in session if not is_listen(one))
        assert not {one["artist"] for one in cards} & {artist for artist, n in skips.items() if n >= 2}
        listens = [one for one in session if is_listen(one)]
        if cards and "artist gap" not in queue["relaxed"]:
            assert cards[0]["artist"] not in [world.catalog.tracks["artist"][one["track"]] for one in listens[-3:]]


def test_there_are_as_many_queues_as_asked_for_and_albums_have_their_titles(world: QueueWorld) -> None:
    titles_of = pl.when(pl.col("album") % 2 == 0).then(pl.format("Title {}", "album"))
    one_artist = pl.when(pl.col("album") % 3 == 0).then(pl.lit("One")).otherwise("artist_name")
    tracks = world.catalog.tracks.with_columns(album_title=titles_of, artist_name=one_artist)
    catalog = replace(world.catalog, tracks=tracks)
    policy = QueuePolicy(AS_OF, seed=1, length=7, num_contexts={"track": 0, "album": 3, "artist": 1, "session": 0})
    found = compose(replace(world, catalog=catalog), policy=policy)
    assert found.group_by("user_id", "context").len().group_by("context").agg(pl.col("len").max()).sort(
        "context"
    ).rows() == [("album", 3), ("artist", 1)]
    cards = found.explode("tracks", empty_as_null=True).unnest("tracks").filter(pl.col("source") != "context")
    assert cards.group_by("user_id", "context", "context_id").len()["len"].max() == 7
    names = {row["context_id"]: row["name"] for row in found.filter(context="album").to_dicts()}
    of_album = {album: catalog.tracks.filter(album_id=album) for album in names}
    artists = {album: of_one["artist_name"].unique().to_list() for album, of_one in of_album.items()}
    titles = {album: of_one["album_title"][0] for album, of_one in of_album.items()}
    for album, name in names.items():
        title, by = titles[album], f" by {artists[album][0]}" if len(artists[album]) == 1 else ""
        assert name == (f"{title}{by}" if title else f"an album{by}" if by else None)
    assert len(set(map(bool, titles.values()))) == 2


def test_what_was_skipped_lately_and_artists_skipped_twice_do_not_come(world: QueueWorld) -> None:
    user = world.plays["user_id"].cast(pl.String)[0]
    facts = world.catalog.coded
    own = facts.filter(pl.col("album_id") == "b5")["track"].to_list()
    skip = {"user_id": user, "ms_played": 2_000, "action": 0, "market": 5}
    rows = [
        {**skip, "track": track, "played_at": AS_OF - n * MINUTE, "known_at": AS_OF - n * MINUTE}
        for n, track in enumerate([own[0], own[1], 1], start=2)
    ]
    ids = world.plays["user_id"].dtype
    more = PLAYS.frame(rows).with_columns(pl.col("user_id").cast(pl.String).cast(ids))
    plays = pl.concat([world.plays, more], how="vertical_relaxed").sort("user_id", "played_at", maintain_order=True)
    found = compose(world, plays).filter(pl.col("user_id") == user)
    cards = found.explode("tracks", empty_as_null=True).unnest("tracks").filter(pl.col("source") != "context")
    named = cards.join(facts.select("track_id", "track", "album_id"), on="track_id")
    assert len(named) > 50
    assert not (named["album_id"] == "b5").any() and not (named["track"] == 1).any()


def test_another_seed_brings_other_tracks_and_the_same_the_same(world: QueueWorld) -> None:
    first, again = compose(world), compose(world)
    assert first.equals(again)
    other = compose(world, policy=QueuePolicy(AS_OF, seed=2))
    assert not first.equals(other)


def test_buckets_and_blocks_do_not_show(tmp_path: Path) -> None:
    world = queue_world(tmp_path, 4)
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(world.tracks, READ_TRACKS)), match_names=True)

    def graph(root):  # type: ignore[no-untyped-def]
        names = ("catalog", "tracks", "successors", "skips")
        paths = [element_of(root, name, str(tmp_path / name)) for name in names]
        plays = tables_of(root, "plays", PLAYS, by_bucket(world.plays, 3))
        counts = tables_of(root, "counts", TRACK_COUNTS, [world.counts])
        return plays | ComposeQueues(counts, *paths, QueueRecipe(world.rules, world.policy, no_trees))

    key = ("user_id", "context", "context_id")
    assert joined(run_graph(graph)).sort(key).equals(compose(world).sort(key))


def test_users_without_a_listen_have_no_queue(tmp_path: Path) -> None:
    world = queue_world(tmp_path, 5, num_plays=200)
    assert compose(world, world.plays.clear()).is_empty()
    skips = world.plays.with_columns(ms_played=pl.lit(1_000, pl.Int32))
    assert compose(world, skips).is_empty()
