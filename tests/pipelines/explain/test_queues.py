"""homeshelf why --surface=now_playing: the queues of a user, as text and as JSON; what is not there is one line."""

import json
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.built_once import built_once
from tests.runs import Published, run_on


@pytest.fixture(scope="module")
def playing(world: Path) -> Published:
    return Published(built_once("now_playing", lambda folder: run_on(world, folder, "--surfaces=now_playing")))


def test_queues_of_a_user_are_told_as_text_and_as_json(playing: Published, capsys: pytest.CaptureFixture[str]) -> None:
    queues = playing.table("queues")
    user = queues["user_id"][0]
    own = queues.filter(user_id=user)
    flags = ["why", f"--run={playing.folder}", f"--user={user}", "--surface=now_playing"]
    assert main(flags) == 0
    text = capsys.readouterr().out
    assert text.count("of ten known") == len(own) and "known: " in text and "new: " in text
    assert main([*flags, "--json"]) == 0
    cards = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(cards) == own["tracks"].list.len().sum() and cards[0]["reason"]
    track = own["tracks"][0][0]["track_id"]
    assert main([*flags, f"--track={track}"]) == 0
    holding = sum(any(one["track_id"] == track for one in tracks) for tracks in own["tracks"].to_list())
    assert capsys.readouterr().out.count("of ten known") == holding >= 1


@pytest.mark.parametrize(
    ("flag", "says"),
    [("--user=nobody", "has no queue of this user"), ("--track=nothing", "holds it")],
)
def test_what_no_queue_has_is_one_line(
    playing: Published, flag: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    user = playing.table("queues")["user_id"][0]
    flags = ["why", f"--run={playing.folder}", f"--user={user}", "--surface=now_playing"]
    assert main([*flags, flag]) == 2
    assert says in capsys.readouterr().err
