"""What is said of tracks is what the assembler does: each stated score, applied, shows the track."""

import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from rich.cells import cell_len

from pipelines.cli import main
from pipelines.explain.explanation import explain_page
from pipelines.explain.replay import Replay
from pipelines.explain.why import print_page
from pipelines.inputs.published import PublishedRun
from pipelines.rendering.console import PlainConsole
from tests.runs import Published, cards


def pairs(run: Published, num: int, *, on_page: bool) -> list[tuple[str, str, float]]:
    """Users and tracks of their candidates that are, or are not, on the Home; drawn once and for all."""
    pages = run.table("pages").filter(surface="home")
    shown = cards(pages.drop("propensity", "relaxed")).select("user_id", "track_id")
    rows = run.table("candidates").select("user_id", "track_id", "score")
    kept = rows.join(shown, on=["user_id", "track_id"], how="semi" if on_page else "anti")
    return [(row[0], row[1], row[2]) for row in kept.sort("user_id", "track_id").sample(num, seed=4).rows()]


@pytest.mark.parametrize("kind", ["published", "ruled"])
def test_the_score_that_is_stated_shows_the_track_and_a_lower_one_does_not(
    kind: str, request: pytest.FixtureRequest
) -> None:
    found: Published = request.getfixturevalue(kind)
    run, stated = PublishedRun(str(found.folder)), 0
    for user, track, score in pairs(found, 3, on_page=False):
        replay = Replay(run, user, "home")
        assert not replay.is_shown(track, score)
        least = replay.min_score_to_show(track, score)
        if least is None:
            assert not replay.is_shown(track, 1.0)
        else:
            stated += 1
            assert least > score and replay.is_shown(track, least) and not replay.is_shown(track, 0.999 * least)
    assert stated >= 1


def test_what_became_of_a_track_is_where_it_stands(published: Published) -> None:
    run = PublishedRun(str(published.folder))
    shown = cards(published.table("pages").drop("propensity", "relaxed"))
    for user, track, _ in pairs(published, 8, on_page=True):
        (card,) = shown.filter(user_id=user, track_id=track).iter_rows(named=True)
        steps = Replay(run, user, "home").traced(track)
        (step,) = [one for one in steps if one.verdict.startswith("shown")]
        assert (step.position, step.verdict) == (card["shelf_position"], f"shown at {card['position']}")


def test_a_track_that_lost_names_one_that_stands_on_that_shelf(published: Published) -> None:
    run = PublishedRun(str(published.folder))
    shown = cards(published.table("pages").drop("propensity", "relaxed"))
    ids, verdicts = run.catalog.tracks["track_id"], []
    for user, track, _ in pairs(published, 40, on_page=False):
        for step in Replay(run, user, "home").traced(track):
            verdicts.append(step.verdict.split(":")[0])
            if step.verdict == "outranked":
                shelf = shown.filter(user_id=user, shelf_position=step.position)
                assert ids[step.winner] in shelf["track_id"].to_list()
    assert {"not for this shelf", "outranked"} <= set(verdicts)


def test_a_card_takes_two_lines_of_a_terminal(ruled: Published) -> None:
    pages = ruled.table("pages")
    console = PlainConsole(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    page = explain_page(PublishedRun(str(ruled.folder)), pages["user_id"][0])
    print_page(console, page, "Home")
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    num_shelves = page.cards["shelf_position"].n_unique()
    assert len(lines) == 1 + 2 * num_shelves + 2 * len(page.cards) + len(page.relaxed)
    assert all(cell_len(line) <= 60 for line in lines) and any(line.endswith("…") for line in lines)


def test_page_and_track_as_json(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    ((user, track, score),) = pairs(published, 1, on_page=True)
    given = ["why", f"--run={published.folder}", f"--user={user}", "--json"]
    assert main(given) == 0
    cards_of_page = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (card,) = [one for one in cards_of_page if one["track_id"] == track]
    assert card["score"] == pytest.approx(score, rel=1e-6) and card["reason"] and card["name"]
    assert main([*given, f"--track={track}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_shown"] and found["rewards"][0].keys() == {"reward", "probability", "weight", "meaning"}


def test_page_and_track_are_explained(ruled: Published, capsys: pytest.CaptureFixture[str]) -> None:
    user = ruled.table("pages")["user_id"][0]
    assert main(["why", f"--run={ruled.folder}", f"--user={user}", "--surface=discover"]) == 0
    out = capsys.readouterr().out
    assert f"discover of {user}" in out and "relaxed: rule 'much too much'" in out
    explicit = PublishedRun(str(ruled.folder)).catalog.tracks.filter(pl.col("explicit"))["track_id"]
    facts = pl.col("track_id").is_in(explicit.implode()) & (pl.col("user_plays") < 100)
    pages = ruled.table("pages").filter(~pl.col("relaxed").list.contains("nothing explicit"), surface="home")
    bound = ruled.table("candidates").filter(facts).join(pages, on="user_id", how="semi", maintain_order="left")
    row = bound.row(0, named=True)
    assert main(["why", f"--run={ruled.folder}", f"--user={row['user_id']}", f"--track={row['track_id']}"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"best ranked by {row['source']}" in out and "'nothing explicit' of line 6 excludes it" in out
    assert "excluded before" in out and "no score would show it" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--user=nobody"], "--user=nobody: no candidates"),
        (["--user={user}", "--track=nothing"], "--track=nothing: it was not among the candidates"),
        (["--user={user}", "--surface=car"], "--surfaces: 'car' is none of home, discover"),
        ([], "--user"),
    ],
)
def test_what_cannot_be_explained(
    flags: list[str], words: str, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    user = published.table("pages")["user_id"][0]
    assert main(["why", f"--run={published.folder}", *(flag.format(user=user) for flag in flags)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("path", ["../../../../embeddings/e", "/etc"])
def test_embeddings_outside_are_not_opened(
    path: str, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out" / "ds=2025-12-31" / published.folder.name
    shutil.copytree(published.folder, folder)
    manifest = {**published.manifest, "artifacts": {**published.manifest["artifacts"], "embeddings": path}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    user = published.table("pages")["user_id"][0]
    assert main(["why", f"--run={folder}", f"--user={user}"]) == 2
    assert "its artifact 'embeddings' lies outside" in capsys.readouterr().err
