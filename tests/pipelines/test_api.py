"""The Python API does what the commands do, on values: on a pipeline of the caller's, on frames, without printing."""

import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import apache_beam as beam
import duckdb
import polars as pl
import pytest

from pipelines import api
from pipelines.api import (
    EVENT_ROWS,
    LOCAL_RUNNER,
    PLAYS,
    CardExplanation,
    PublishedRun,
    RunOptions,
    UsageError,
    assemble_pages,
    build_home,
    candidates_with_codes,
    card_rows,
    clean_events,
    explain_card,
    explain_page,
    keep_first,
    keep_plays,
    open_run,
    order_histories,
)
from pipelines.cli import main
from pipelines.options.parsing import check_options, parse_flags
from tests.runs import FAST, Published, cards
from tests.worlds import MIN_PLAYED_AT
from transforms.publishing.run_paths import STARTED_FILE

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"


@pytest.fixture(scope="module")
def run(published: Published) -> PublishedRun:
    return open_run(published.folder)


def options_of(world: Path, output: Path, *flags: str) -> RunOptions:
    tables = [f"--{name}={world / name.removesuffix('_table')}" for name in ("events", "tracks", "users_table")]
    return parse_flags(RunOptions, [*tables, f"--output={output}", *FAST, *flags])[0]


def write(number: int, path: Path) -> None:
    path.write_text(str(number))


def test_the_reference_describes_every_public_name_once() -> None:
    described = re.findall(r"^::: pipelines\.api\.(\w+)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(described) == sorted(api.__all__) and len(set(described)) == len(described)
    undocumented = [name for name in api.__all__ if callable(getattr(api, name)) and not getattr(api, name).__doc__]
    assert undocumented == []


def test_the_graph_on_a_pipeline_of_the_callers_publishes_what_the_command_does(
    world: Path, published: Published, models: list[str], tmp_path: Path
) -> None:
    options = options_of(world, tmp_path / "out", *models)
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        folder = build_home(pipeline, options)
        _ = pipeline | "Mine" >> beam.Create([1]) | "Write" >> beam.Map(write, tmp_path / "mine")
        assert [path.name for path in Path(folder).iterdir()] == [STARTED_FILE], "the run only announces itself"
    run = open_run(tmp_path / "out")
    assert run.folder == folder and run.options == options and (tmp_path / "mine").read_text() == "1"
    theirs = Published(tmp_path / "out").hashes()
    assert {path: theirs[path] for path in theirs if path.startswith(("pages", "candidates"))} == {
        path: sha for path, sha in published.hashes().items() if path.startswith(("pages", "candidates"))
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_epochs": 0}, "--num_epochs"),
        ({"mode": "sometimes"}, "--mode"),
        ({"events": "nowhere"}, "--events=nowhere"),
        ({"limits": "taste:1"}, "--limits: unknown limit 'taste'"),
        ({"mode": "score"}, "--mode=score needs --ranker"),
    ],
)
def test_what_cannot_run_is_refused_before_the_graph_is_built(
    change: dict[str, object], words: str, world: Path, tmp_path: Path
) -> None:
    pipeline = beam.Pipeline(runner=LOCAL_RUNNER)
    with pytest.raises(UsageError, match=words):
        build_home(pipeline, replace(options_of(world, tmp_path / "out"), **change))
    assert not pipeline.applied_labels


def test_values_of_python_are_those_of_the_flags() -> None:
    given = RunOptions(
        events="events",
        output="out",
        as_of=datetime(2026, 1, 1),
        hidden_units=(16, 8),
        exploration=0.25,
        surfaces=("home", "discover"),
    )
    assert check_options(given) == replace(given, as_of=datetime(2026, 1, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize("above", [0, 1, 2], ids=["run", "day", "output"])
def test_a_run_is_found_from_its_folder_or_one_above(above: int, published: Published) -> None:
    path = [published.folder, *published.folder.parents][above]
    assert open_run(path).folder == open_run(str(path)).folder == str(published.folder)


def test_tables_and_metrics_are_frames(run: PublishedRun, published: Published) -> None:
    assert run.pages.collect().equals(published.table("pages"))
    assert run.candidates.collect().equals(published.table("candidates"))
    assert run.as_of == datetime(2026, 1, 1, tzinfo=timezone.utc)
    metrics = {name: (value, bound) for name, value, bound in run.metrics.rows()}
    told, limits = published.manifest["metrics"], published.manifest["gate"]["values"]
    assert metrics["pages"][0] == told["pages"] and metrics["tracks_on_pages"] == (told["tracks_on_pages"], None)
    assert {name: {"value": metrics[name][0], "bound": metrics[name][1]} for name in limits} == limits
    with pytest.raises(UsageError, match="has no plays; its tables are .*pages"):
        run.table("plays")
    with pytest.raises(UsageError, match="no published run there"):
        open_run(published.folder / "pages")


def test_cards_are_the_same_in_polars_and_in_duckdb(run: PublishedRun, published: Published) -> None:
    rows = card_rows(run.pages).collect()
    assert rows.select("user_id", "shelf_id", "track_id").equals(
        cards(published.table("pages").drop("propensity", "relaxed")).select("user_id", "shelf_id", "track_id")
    )
    counted = duckdb.sql(f"""
        SELECT shelf.shelf_id, sum(len(shelf.tracks))::INT AS n
        FROM (SELECT unnest(shelves) AS shelf FROM '{run.folder}/pages/*.parquet') GROUP BY ALL
    """).fetchall()
    assert dict(counted) == dict(rows["shelf_id"].value_counts().rows())


def explained(run: PublishedRun, *, on_page: bool) -> CardExplanation:
    """Explain the first card of the first page, or the best candidate that is not on it."""
    page = card_rows(run.pages).collect()
    user = page["user_id"][0]
    shown = page.filter(pl.col("user_id") == user)["track_id"]
    mine = run.candidates.filter(pl.col("user_id") == user).sort("score", "track_id", descending=True).collect()
    track = shown[0] if on_page else mine.filter(~pl.col("track_id").is_in(shown.implode()))["track_id"][0]
    return explain_card(run, user, track)


def test_a_card_is_explained_by_the_numbers_that_were_published(run: PublishedRun) -> None:
    card = explained(run, on_page=True)
    mine = run.candidates.filter(pl.col("user_id") == card.user_id).collect()
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


def test_a_track_that_is_not_shown_has_lost_everywhere(run: PublishedRun) -> None:
    card = explained(run, on_page=False)
    assert not card.is_shown and card.positions
    assert not any(step.happened[0].startswith("shown") for step in card.positions)
    assert card.min_score_to_show is None or card.min_score_to_show > card.score


def test_the_command_prints_what_the_value_holds(run: PublishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    card = explained(run, on_page=False)
    assert main(["why", f"--run={run.folder}", f"--user={card.user_id}", f"--track={card.track_id}"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"score {card.score:.4f}, rank {card.rank} of {card.num_candidates}" in out and card.name in out
    assert all(f"{one.probability:.3g}" in out for one in card.rewards)


def test_a_page_is_explained_card_by_card(run: PublishedRun) -> None:
    first = run.pages.head(1).collect()
    page = explain_page(run, first["user_id"][0])
    assert page.relaxed == () and page.cards.drop("name").equals(card_rows(first))
    assert page.cards["name"].null_count() == 0
    with pytest.raises(UsageError, match="no candidates"):
        explain_page(run, "nobody")
    with pytest.raises(UsageError, match="none of home, discover"):
        explain_page(run, first["user_id"][0], "car")


def test_published_candidates_make_the_published_pages_and_others_under_another_policy(run: PublishedRun) -> None:
    scored = candidates_with_codes(run.candidates.collect(), run.catalog)

    def pages(diversity: float) -> pl.DataFrame:
        policy = replace(run.policy, diversity=diversity)
        return assemble_pages(
            scored, catalog=run.catalog, embeddings=run.embeddings, policy=policy, rules=run.rules
        ).cast({"user_id": pl.String})

    published = run.pages.sort("user_id", "surface").collect()
    assert pages(run.policy.diversity).equals(published) and not pages(1.0).equals(published)


def test_stages_take_plain_frames_that_conform_to_their_schema(run: PublishedRun) -> None:
    at = datetime(2025, 12, 1, tzinfo=timezone.utc)
    known = run.track_codes["track_id"]
    rows = pl.DataFrame(
        {"user_id": ["b", "a", "a"], "track_id": [known[1], known[0], "unknown"], "played_at": [at] * 3, "more": 1}
    )
    checked = clean_events(
        EVENT_ROWS.conform(rows),
        as_of=run.as_of,
        min_played_at=MIN_PLAYED_AT,
        track_codes=run.track_codes,
        max_user_events=None,
    )
    assert checked["reason"].cast(pl.String).to_list() == [None, None, "unknown_track"]
    again = PLAYS.conform(keep_plays(checked), keep_plays(checked).filter(pl.col("user_id") == "a"))
    plays = keep_first(order_histories(again, max_user_events=10))
    assert plays.select(pl.col("user_id").cast(pl.String), "track").rows() == [("a", 0), ("b", 1)]
    with pytest.raises(TypeError, match="column 'played_at' is .*, not timestamp"):
        EVENT_ROWS.conform(rows.with_columns(played_at=pl.lit("yesterday")))
