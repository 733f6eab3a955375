"""No queue of a run breaks a rule; and each rule that is broken on purpose is found, by its own claim."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from pipelines.check.facts import Truth, find_truth
from pipelines.check.pages import check_known_users
from pipelines.check.queues import check_queues
from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from tests.built_once import built_once
from tests.runs import Published, run_on
from transforms.now_playing.queues.queue_tables import QUEUES
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule

Queue = dict[str, Any]


@pytest.fixture(scope="module")
def playing(world: Path) -> Published:
    return Published(built_once("now_playing", lambda folder: run_on(world, folder, "--surfaces=now_playing")))


@pytest.fixture(scope="module")
def plain(playing: Published) -> tuple[PublishedRun, Truth]:
    run = PublishedRun(str(playing.folder), needs_pages=False)
    return run, find_truth(run, "", "")


def found(queues: list[Queue] | pl.DataFrame, truth: Truth, rules: tuple[Rule, ...] = ()) -> list[str]:
    """Return the claims that queues violate."""
    frame = queues if isinstance(queues, pl.DataFrame) else QUEUES.frame(queues)
    run: Any = SimpleNamespace(table=lambda name: frame.lazy(), rules=rules)
    return [finding.claim for finding in check_queues(run, truth) if len(finding.violations)]


def test_no_queue_of_a_run_is_wrong(playing: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"--run={playing.folder}"]) == 0
    assert "0 violations" in capsys.readouterr().out


def repeat_a_track(queue: Queue) -> None:
    queue["tracks"][5]["track_id"] = queue["tracks"][2]["track_id"]


def move_a_position(queue: Queue) -> None:
    queue["tracks"][3]["position"] = 7


def state_no_chance(queue: Queue) -> None:
    queue["tracks"][3]["propensity"] = 0.0


def call_known_new(queue: Queue) -> None:
    one = next(one for one in queue["tracks"] if one["is_familiar"])
    one["is_familiar"] = False


def count_known_wrongly(queue: Queue) -> None:
    queue["familiar_per_10"] += 6
    queue["relaxed"] = []


def rename_the_user(queue: Queue) -> None:
    queue["user_id"] = "nobody"


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        (repeat_a_track, "no recording twice in a queue"),
        (move_a_position, "tracks of queues stand at 0, 1, 2, ..."),
        (state_no_chance, "chances are between 0 and 1"),
        (call_known_new, "familiar tracks were listened to, new ones were not"),
        (count_known_wrongly, "known tracks in ten are as many as stated, give or take one"),
        (rename_the_user, "only known users have queues"),
    ],
)
def test_what_is_spoiled_is_found(
    plain: tuple[PublishedRun, Truth], spoil: Callable[[Queue], None], claim: str
) -> None:
    run, truth = plain
    queues = run.table("queues").collect().filter(pl.col("context") == "track").head(20).to_dicts()
    assert found(queues, truth) == []
    spoil(queues[7])
    assert claim in found(queues, truth)


def test_albums_out_of_order_or_without_a_track_are_found(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    albums = run.table("queues").collect().filter(pl.col("context") == "album").head(5).to_dicts()
    tracks = albums[2]["tracks"]
    tracks[0]["track_id"], tracks[1]["track_id"] = tracks[1]["track_id"], tracks[0]["track_id"]
    assert "an album stands first, in its order" in found(albums, truth)
    tracks.pop(0)
    assert "no track of an album is left out" in found(albums, truth)


def test_two_queues_of_one_context_are_found(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    queue = run.table("queues").collect().row(0, named=True)
    assert found([queue, queue], truth)[0] == "one queue a user and context"


@pytest.mark.parametrize(("more", "is_found"), [(-2, True), (-1, False), (0, False), (1, False), (2, True)])
def test_of_ten_tracks_one_known_more_or_less_is_right(
    plain: tuple[PublishedRun, Truth], more: int, is_found: bool
) -> None:
    run, truth = plain
    queue = run.table("queues").collect().filter(pl.col("context") == "track").row(0, named=True)
    ten = queue["tracks"][:10]
    wish = sum(one["is_familiar"] for one in ten) + more
    changed = {**queue, "tracks": ten, "familiar_per_10": wish, "relaxed": []}
    claim = "known tracks in ten are as many as stated, give or take one"
    assert (claim in found([changed], truth)) == is_found
    assert claim not in found([{**changed, "relaxed": ["familiar share"]}], truth)


@pytest.mark.parametrize(("places", "is_found"), [((0, 3), True), ((0, 4), False), ((-1, 2), True), ((-1, 3), False)])
def test_three_tracks_stand_between_two_by_an_artist(
    plain: tuple[PublishedRun, Truth], places: tuple[int, int], is_found: bool
) -> None:
    run, truth = plain
    queue = run.table("queues").collect().filter(pl.col("context") == "track").row(0, named=True)
    ids = [queue["context_id"], *(one["track_id"] for one in queue["tracks"])]
    is_of_one = pl.col("track_id").is_in([ids[place + 1] for place in places])
    artists = truth.tracks.with_columns(artist_id=pl.when(is_of_one).then(pl.lit("one")).otherwise("track_id"))
    claim = "two tracks by an artist are 4 places apart or more, after an album"
    assert (claim in found([{**queue, "relaxed": []}], replace(truth, tracks=artists))) == is_found
    assert claim not in found([{**queue, "relaxed": ["artist gap"]}], replace(truth, tracks=artists))


def test_rules_hold_in_albums_and_excuse_only_what_they_exclude(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    queue = run.table("queues").collect().filter(pl.col("context") == "album").row(0, named=True)
    first, second = queue["tracks"][0]["track_id"], queue["tracks"][1]["track_id"]
    text = f"rules:\n  - exclude: {{tracks: [{first}]}}\n"
    rules = tuple(parse_rules(text, ("mix",), ("home", "now_playing")))
    assert "rule, in queues: exclude of line 2" in found([queue], truth, rules)
    without = {
        out: {**queue, "tracks": [one for one in queue["tracks"] if one["track_id"] != out]} for out in (first, second)
    }
    left_out = "no track of an album is left out"
    assert left_out in found([without[first]], truth) and left_out not in found([without[first]], truth, rules)
    assert left_out in found([without[second]], truth, rules)


def test_other_facts_make_the_same_queues_wrong(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    queues = run.table("queues").collect()
    queue = queues.filter(pl.col("context") == "track").row(0, named=True)
    first, second = queue["tracks"][0]["track_id"], queue["tracks"][1]["track_id"]
    recent = pl.DataFrame({"user_id": [queue["user_id"]], "track_id": [first], "skipped": [2]})
    claims = found([queue], replace(truth, recent=recent))
    assert {
        "nothing that was played or skipped in the last 4 hours",
        "no artist who was skipped twice in these",
    } <= set(claims)
    is_first, is_second = pl.col("track_id") == first, pl.col("track_id") == second
    changes = {
        "tracks of queues may be played in the user's market": {
            "markets": pl.when(is_first).then(pl.lit([], pl.List(pl.String))).otherwise("markets")
        },
        "tracks of queues are released": {
            "release_date": pl.when(is_first).then(pl.date(2030, 1, 1)).otherwise("release_date")
        },
        "no part of a work but in its album": {
            "album_id": pl.when(is_first | is_second).then(pl.lit("one")).otherwise("album_id"),
            "title": pl.when(is_first)
            .then(pl.lit("Suite: I. Air"))
            .when(is_second)
            .then(pl.lit("Suite: II. Gigue"))
            .otherwise("title"),
        },
        "two tracks by an artist are 4 places apart or more, after an album": {
            "artist_id": pl.when(is_first | is_second).then(pl.lit("one")).otherwise("artist_id")
        },
    }
    for claim, change in changes.items():
        assert claim in found([queue], replace(truth, tracks=truth.tracks.with_columns(**change))), claim


def test_rules_are_checked_on_the_queues_of_their_audience(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    queues = run.table("queues").collect()
    explicit = parse_rules("rules:\n  - exclude: {explicit: true}\n", ("mix",), ("home", "now_playing"))
    assert found(queues, truth, tuple(explicit)) == ["rule, in queues: exclude of line 2"]
    elsewhere = parse_rules(
        "rules:\n  - exclude: {explicit: true}\n    when: {surfaces: [home]}\n", ("mix",), ("home", "now_playing")
    )
    assert found(queues, truth, tuple(elsewhere)) == []
    capped = parse_rules("rules:\n  - cap: {artist: 1}\n", ("mix",), ("home", "now_playing"))
    assert found(queues, truth, tuple(capped)) == ["rule, in queues: cap of line 2"]


def test_pages_are_asked_of_surfaces_with_pages_alone(published: Published) -> None:
    run = PublishedRun(str(published.folder))
    truth = find_truth(run, "", "")
    run.manifest = replace(run.manifest, options={**run.manifest.options, "surfaces": "home,now_playing"})
    finding = check_known_users(run.table("pages").collect(), run, truth)
    assert finding.num_checked == len(truth.known) and finding.violations.is_empty()


def test_what_a_session_played_or_skipped_twice_is_found_in_its_queue(plain: tuple[PublishedRun, Truth]) -> None:
    run, truth = plain
    queue = run.table("queues").collect().filter(pl.col("context") == "session").row(0, named=True)
    assert found([queue], truth) == []
    tracks = [one["track_id"] for one in queue["tracks"]]
    artist = truth.tracks.filter(pl.col("track_id") == tracks[4])["artist_id"].item()
    about = {"user_id": queue["user_id"], "context_id": queue["context_id"], "place": None}
    played = {**about, "track_id": tracks[2], "artist_id": "x", "skipped": False}
    skips = [{**about, "track_id": f"x{number}", "artist_id": artist, "skipped": True} for number in range(2)]
    last = {**about, "track_id": tracks[0], "artist_id": "x", "skipped": False, "place": 2}
    claims = {
        "nothing that its session played or skipped": [played],
        "no artist whom its session skipped twice": skips,
        "two tracks by an artist are 4 places apart or more, after an album": [last],
    }
    for claim, rows in claims.items():
        more = pl.DataFrame(rows, schema=truth.sessions.schema)
        assert claim in found([queue], replace(truth, sessions=pl.concat([truth.sessions, more]))), claim
    assert "no artist whom its session skipped twice" not in found(
        [queue], replace(truth, sessions=pl.concat([truth.sessions, pl.DataFrame(skips[:1], schema=more.schema)]))
    )
    other = {**queue, "context_id": "2025-01-01T00:00:00Z"}
    assert "the session of a queue was one" in found([other], truth)
