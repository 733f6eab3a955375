"""A published run from Python: tables and figures as frames, explanations as values."""

from datetime import datetime, timezone
from pathlib import Path

import duckdb
import polars as pl
import pytest

from homeshelf import CardExplanation, PageExplanation, Run, UsageError, card_rows, open_run
from pipelines.cli import main
from tests.runs import Published, cards


@pytest.fixture(scope="module")
def run(published: Published) -> Run:
    return open_run(published.folder)


@pytest.mark.parametrize("above", [0, 1, 2], ids=["run", "day", "output"])
def test_a_run_is_found_from_its_folder_or_one_above(above: int, published: Published) -> None:
    path = [published.folder, *published.folder.parents][above]
    assert open_run(path).folder == open_run(str(path)).folder == str(published.folder)


def test_tables_and_metrics_are_frames(run: Run, published: Published) -> None:
    assert run.pages().collect().equals(published.table("pages"))
    assert run.candidates().collect().equals(published.table("candidates"))
    assert run.as_of == datetime(2026, 1, 1, tzinfo=timezone.utc)
    metrics = {name: (value, bound) for name, value, bound in run.figures().rows()}
    told, limits = published.manifest["metrics"], published.manifest["gate"]["values"]
    assert metrics["pages"][0] == told["pages"] and metrics["tracks_on_pages"] == (told["tracks_on_pages"], None)
    assert {name: {"value": metrics[name][0], "bound": metrics[name][1]} for name in limits} == limits
    with pytest.raises(UsageError, match="has no plays; its tables are .*pages"):
        run.table("plays")
    with pytest.raises(UsageError, match="no published run there"):
        open_run(published.folder / "pages")


def test_cards_are_the_same_in_polars_and_in_duckdb(run: Run, published: Published) -> None:
    rows = card_rows(run.pages()).collect()
    assert rows.select("user_id", "shelf_id", "track_id").equals(
        cards(published.table("pages").drop("propensity", "relaxed")).select("user_id", "shelf_id", "track_id")
    )
    counted = duckdb.sql(f"""
        SELECT shelf.shelf_id, sum(len(shelf.tracks))::INT AS n
        FROM (SELECT unnest(shelves) AS shelf FROM '{run.folder}/pages/*.parquet') GROUP BY ALL
    """).fetchall()
    assert dict(counted) == dict(rows["shelf_id"].value_counts().rows())


def explained(run: Run, *, on_page: bool) -> CardExplanation:
    """Explain the first card of the first page, or the best candidate that is not on it."""
    page = card_rows(run.pages()).collect()
    user = page["user_id"][0]
    shown = page.filter(pl.col("user_id") == user)["track_id"]
    mine = run.candidates().filter(pl.col("user_id") == user).sort("score", "track_id", descending=True).collect()
    track = shown[0] if on_page else mine.filter(~pl.col("track_id").is_in(shown.implode()))["track_id"][0]
    return run.why(user, track)


def test_a_card_is_explained_by_the_numbers_that_were_published(run: Run) -> None:
    card = explained(run, on_page=True)
    mine = run.candidates().filter(pl.col("user_id") == card.user_id).collect()
    (row,) = mine.filter(pl.col("track_id") == card.track_id).iter_rows(named=True)
    assert card.score == row["score"] and card.source == row["source"] and card.source in card.sources
    assert card.score == pytest.approx(sum(one.probability * one.weight for one in card.rewards), rel=0.01)
    assert card.rank == sum(mine["score"] > card.score) and card.num_candidates == len(mine)
    features = run.table("candidate_features").filter(user_id=card.user_id, track_id=card.track_id).collect()
    assert {one.feature: one.value for one in card.parts.features}.items() <= features.row(0, named=True).items()
    assert card.is_shown and card.min_score_to_show is None
    (step,) = [one for one in card.positions if one.happened[0].startswith("shown")]
    assert (step.position, step.happened[0]) == (0, "shown at 0")
    assert pl.DataFrame(card.rewards).columns == ["reward", "probability", "weight", "meaning"]


def test_a_track_that_is_not_shown_has_lost_everywhere(run: Run) -> None:
    card = explained(run, on_page=False)
    assert not card.is_shown and card.positions
    assert not any(step.happened[0].startswith("shown") for step in card.positions)
    assert card.min_score_to_show is None or card.min_score_to_show > card.score


def test_the_command_prints_what_the_value_holds(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    card = explained(run, on_page=False)
    assert main(["why", f"--run={run.folder}", f"--user={card.user_id}", f"--track={card.track_id}"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"score {card.score:.4f}, rank {card.rank} of {card.num_candidates}" in out and card.name in out
    assert all(f"{one.probability:.3g}" in out for one in card.rewards)


def test_a_page_is_explained_card_by_card(run: Run) -> None:
    first = run.pages().head(1).collect()
    page = run.why(first["user_id"][0])
    assert page.relaxed == () and page.cards.drop("name").equals(card_rows(first))
    assert page.cards["name"].null_count() == 0
    with pytest.raises(UsageError, match="no candidates"):
        run.why("nobody")
    with pytest.raises(UsageError, match="none of home, discover"):
        run.why(first["user_id"][0], surface="car")


def test_cards_have_titles_and_artists(run: Run, published: Published, world: Path) -> None:
    listed, tracks = run.cards().collect(), pl.read_parquet(world / "tracks")
    theirs = cards(published.table("pages").drop("propensity", "relaxed"))
    shown = theirs.select("user_id", "shelf_position", "position", "track_id").sort(pl.all()).rows()
    assert listed.select("user_id", "shelf_position", "card_position", "track_id").rows() == shown
    named = listed.join(tracks.select("track_id", wanted="title", by="artist_name"), on="track_id")
    assert len(named) == len(listed) and named["title"].eq_missing(named["wanted"]).all()
    assert named["artist_name"].eq_missing(named["by"]).all()
    assert run.pages().collect().equals(published.table("pages"))
    assert run.figures().filter(metric="pages")["value"].item() == len(published.table("pages"))
    assert len(run.candidates().collect()) == len(published.table("candidates"))


def test_explanations_are_shown_as_text_and_as_escaped_html(run: Run) -> None:
    card = run.cards().first().collect().row(0, named=True)
    page = run.why(card["user_id"])
    assert page.cards["reason"][0] in repr(page)
    assert page._repr_html_().count("<h4>") == page.cards["shelf_position"].n_unique()
    track = run.why(card["user_id"], card["track_id"])
    assert track.is_shown and "on the page" in repr(track) and track.rewards[0].reward in track._repr_html_()
    hostile = PageExplanation(page.cards.with_columns(name=pl.lit("<script>")), ())
    assert "<script>" not in hostile._repr_html_() and "&lt;script&gt;" in hostile._repr_html_()
