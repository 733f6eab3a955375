"""The whole job, argv in, Parquet out."""

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.run_folders import list_run_folders
from tests.runs import DCN, FAST, Published, cards, reuse, run_on
from tests.worlds import MAX_USER_EVENTS, MIN_PLAYED_AT
from transforms.candidates.blending import open_blend
from transforms.candidates.match_new_tracks import match_new_tracks
from transforms.catalog.catalog import open_catalog
from transforms.catalog.track_codes import open_track_codes
from transforms.embeddings.embeddings import open_embeddings
from transforms.events.clean_events import clean_events, keep_plays, users_without_events
from transforms.events.order_histories import keep_first, order_histories
from transforms.features.feature_tables import CANDIDATES, FEATURE_ROWS
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import MAX_REWARD
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.pages.published_candidates import CANDIDATE_FEATURES, RANKED
from transforms.publishing.run_paths import REPORT_FILE, RUN_FILES
from transforms.ranking.ranker_files import open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.ranking.score_candidates import encode_candidates, score_candidates
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import EVENT_ROWS, EVENTS, PAGES, PLAYS, REJECTED, USER_ROWS
from transforms.tables.write_tables import published_schema as as_published

AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "*.parquet")


def test_every_user_has_a_page(world: Path, published: Published) -> None:
    played = rows_of(world / "events")["user_id"]
    listed = rows_of(world / "users")["user_id"]
    erased = rows_of(world / "users").filter("erased")["user_id"]
    assert set(published.table("pages")["user_id"]) == (set(played) | set(listed)) - set(erased)
    assert set(listed) - set(played), "the world should have users without an event"


def test_the_reference_names_what_a_run_writes(published: Published, playing: Published) -> None:
    named = {name.rstrip("/") for name, _ in RUN_FILES}
    # the report is written afterwards, checkpoints are removed once they are not needed, no impressions were read
    absent = {REPORT_FILE, "checkpoints", "rejected_impressions"}
    assert {path.name for run in (published, playing) for path in run.folder.iterdir()} | absent == named


def test_pages_are_whole(world: Path, published: Published) -> None:
    shown = cards(published.table("pages"))
    assert shown.select("user_id", "track_id").is_duplicated().sum() == 0
    assert set(shown["track_id"]) <= set(rows_of(world / "tracks")["track_id"])
    positions = shown.group_by("user_id", "shelf_position", maintain_order=True).agg("position")
    assert all(list(row) == list(range(len(row))) for row in positions["position"])
    shelves = shown.group_by("user_id", maintain_order=True).agg(pl.col("shelf_position").unique().sort())
    assert all(list(row) == list(range(len(row))) for row in shelves["shelf_position"])
    assert shown["propensity"].eq(1.0).all() and shown["score"].is_between(0, MAX_REWARD).all()
    assert shown["shelf_title"].str.contains("{", literal=True).sum() == 0


def test_all_personal_shelves_occur(published: Published) -> None:
    ids = set(cards(published.table("pages"))["shelf_id"])
    assert {"jump_back_in", "made_for_you", "genre_mix", "because_you_listened", "more_by_artists"} <= ids
    assert {"new_releases", "popular_now"} <= ids
    # retention takes longer to settle than the examples of a plain run are old
    assert list(published.manifest["disabled"]) == ["reward retained_28d"]


def test_every_new_track_reaches_its_new_track_floor(published: Published) -> None:
    candidates = published.table("candidate_features").filter(pl.col("rank_score_new_tracks") > 0)
    audiences = candidates.group_by("track_id").agg(pl.col("user_id").n_unique())["user_id"]
    floor = int(published.manifest["options"]["new_track_floor"])
    assert len(audiences) > 20 and audiences.min() >= floor == 20  # type: ignore[operator]
    assert published.manifest["metrics"]["new_tracks"] == {"total": len(audiences), "at_floor": len(audiences)}


def test_published_types_are_the_declared_ones(published: Published) -> None:
    for schema in (PAGES, REJECTED, RANKED, CANDIDATE_FEATURES, FEATURE_ROWS):
        file = published.folder / published.manifest["tables"][schema.name]["files"][0]["path"]
        assert pq.read_schema(file).equals(as_published(schema.arrow), check_metadata=False)


def test_pages_are_those_of_the_functions_called_directly(world: Path, published: Published) -> None:
    artifacts = {name: published.folder / path for name, path in published.manifest["artifacts"].items()}
    catalog, codes = open_catalog(str(artifacts["catalog"])), open_track_codes(str(artifacts["tracks"]))
    opened = {"catalog": catalog, "embeddings": open_embeddings(str(artifacts["embeddings"]))}
    row_groups = inspect_input("events", f"{world}/events", None, schema=EVENTS).row_groups
    pieces = [read_row_group(group, schema=EVENT_ROWS, column_mapping={}) for group in row_groups]
    events = to_frame(pa.concat_tables(table for piece in pieces for table in piece))
    users = rows_of(world / "users").select(USER_ROWS.names)
    erased = pl.col("user_id").cast(pl.String).is_in(users.filter("erased")["user_id"].implode())
    plays = keep_plays(
        clean_events(
            events.filter(~erased),
            as_of=AS_OF,
            min_played_at=MIN_PLAYED_AT,
            track_codes=codes,
            max_user_events=MAX_USER_EVENTS,
        )
    )
    listed = users_without_events(users.filter(~erased))
    everyone = pl.concat([plays.cast({"user_id": pl.String}), listed])
    histories = keep_first(order_histories(to_frame(to_table(everyone, PLAYS)), max_user_events=MAX_USER_EVENTS))
    new_tracks = match_new_tracks(histories, **opened, as_of=AS_OF, floor=20)
    at = {**opened, "new_tracks": new_tracks, "as_of": AS_OF, "carry_over": None, "max_candidates": 500}
    at["blend"] = open_blend(str(artifacts["blend"]))
    candidates = to_frame(to_table(hydrate_candidates(histories, **at), CANDIDATES))
    vocabulary, ranker = open_vocabulary(str(artifacts["ranker"])), load_ranker(str(artifacts["ranker"]))
    scored = score_candidates(encode_candidates(candidates, catalog=catalog, vocabulary=vocabulary), ranker=ranker)
    policy = Policy(("home",), 12, 7, 0.0, 0.1, 0.0, 1, 0.0, 0.0, 0.25, 0.25, 3, 0.3, as_of=AS_OF)
    pages = assemble_pages(scored, catalog=catalog, embeddings=opened["embeddings"], policy=policy, rules=())
    assert len(pages) > 100 and pages.equals(published.table("pages"))


def test_files_buckets_processes_and_what_must_not_count_change_nothing(
    world: Path, published: Published, tmp_path: Path
) -> None:
    """Run with everything different at once: other files in another order, more buckets, two worker processes.

    Among the events are a hit of next week that every user plays, a play of today that arrives tomorrow, and one bad
    row of each kind. Where this fails, the parts are to be tried apart.
    """
    events = rows_of(world / "events")
    erased = rows_of(world / "users").filter("erased")["user_id"]
    future, bad = future_events(events.filter(~pl.col("user_id").is_in(erased.implode()))), bad_events(events[:1])
    mixed = pl.concat([events, *future, *bad.values()]).sample(fraction=1, shuffle=True, seed=3)
    (tmp_path / "events").mkdir()
    for number in range(5):
        part = mixed[number::5]
        part.write_parquet(tmp_path / "events" / f"{9 - number}.parquet", row_group_size=1 + len(part) // 2)
    processes = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    run = run_on(world, tmp_path / "out", *DCN, "--num_buckets=3", *processes, events=tmp_path / "events")
    same = {path: digest for path, digest in published.hashes().items() if not path.startswith("rejected/")}
    assert {path: digest for path, digest in run.hashes().items() if path in same} == same
    assert {path.split("/")[0] for path in run.hashes()} == {path.split("/")[0] for path in published.hashes()}
    before = published.manifest["events"]["rejected"]
    found = {reason: n - before.get(reason, 0) for reason, n in run.manifest["events"]["rejected"].items()}
    leaks, late = map(len, future)
    expected = {**dict.fromkeys(bad, 1), "in_the_future": leaks, "arrived_in_the_future": late}
    assert {reason: n for reason, n in found.items() if n} == expected


def future_events(events: pl.DataFrame) -> list[pl.DataFrame]:
    """Return a play after AS_OF of each user, and one before it that arrives after it."""
    leak = events.unique("user_id", maintain_order=True).with_columns(
        track_id=pl.lit(events["track_id"][0]), played_at=pl.lit(AS_OF + timedelta(days=1)), arrived_at=None
    )
    late = leak.with_columns(
        played_at=pl.lit(AS_OF - timedelta(hours=1)), arrived_at=pl.lit(AS_OF + timedelta(hours=1))
    )
    return [leak.cast(events.schema), late.cast(events.schema)]


def bad_events(good: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return a row for each reason of rejection but the future, made from a good one."""
    changes = {
        "missing_user": {"user_id": None},
        "missing_track": {"track_id": ""},
        "missing_time": {"played_at": None},
        "before_min_played_at": {"played_at": datetime(1970, 1, 1, tzinfo=timezone.utc)},
        "negative_duration": {"ms_played": -1},
        "unknown_action": {"action": "hummed"},
        "unknown_track": {"track_id": "nobody's song"},
        "exact_duplicate": {},
    }
    return {
        reason: good.with_columns(pl.lit(v).alias(k) for k, v in change.items()).cast(good.schema)
        for reason, change in changes.items()
    }


def test_too_many_rejects_fail_the_run(
    world: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = rows_of(world / "events")
    events.with_columns(track_id=pl.lit("nobody's song")).write_parquet(tmp_path / "events.parquet")
    flags = [f"--events={tmp_path}/events.parquet", f"--tracks={world}/tracks", f"--output={tmp_path}/out"]
    assert main(["run", *flags, *FAST, *models]) == 1
    assert f"unknown_track {len(events):,}" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("ds=*/CURRENT"))


def test_the_towers_go_on_from_those_of_the_run_of_the_ranker(
    world: Path, published: Published, tmp_path: Path
) -> None:
    alone = run_on(world, tmp_path / "alone", "--mode=score", f"--ranker={published.folder}")
    assert alone.table("pages")["user_id"].equals(published.table("pages")["user_id"])


def test_without_tracks_the_sources_and_shelves_that_need_them_are_disabled(
    world: Path, models: list[str], tmp_path: Path
) -> None:
    assert main(["run", f"--events={world}/events", f"--output={tmp_path}", *FAST, *models]) == 0
    run = Published(tmp_path)
    assert {"artists", "new_releases", "more_by_artists", "genre_mix"} <= set(run.manifest["disabled"])
    assert set(run.table("pages")["user_id"]) == set(rows_of(world / "events")["user_id"])


def test_no_events_at_all(tmp_path: Path) -> None:
    pl.DataFrame(EVENTS.frame()).write_parquet(tmp_path / "events.parquet")
    # by default such a run fails: no event at all is the sign of a source that has failed
    flags = [f"--events={tmp_path}/events.parquet", f"--output={tmp_path}/out", "--gate=off"]
    assert main(["run", *flags, *FAST]) == 0
    run = Published(tmp_path / "out")
    assert run.table("pages").is_empty() and run.table("pages").columns == PAGES.names


def test_two_runs_of_a_day_at_once(world: Path, published: Published, tmp_path: Path) -> None:
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--users_table={world}/users"]
    flags = [*tables, f"--output={tmp_path}", *FAST, *reuse(published)]
    command = [sys.executable, "-m", "pipelines.home_shelves", *flags]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    runs = {run.name: run for run in list_run_folders(str(tmp_path)).runs}
    manifests = [run.manifest for run in runs.values() if run.manifest]
    assert max(one.started_at for one in manifests) < min(one.published_at for one in manifests), "not at once"
    assert sorted(run.state for run in runs.values()) == ["current", "whole"]
    # each run writes as if it were alone, so the one that the pointer names is whole
    assert len(manifests) == 2 and manifests[0].tables == manifests[1].tables
    current = Published(tmp_path)
    # with the models of an earlier run nothing is trained, and all is as it was
    assert "features" not in current.manifest["tables"]
    assert current.read_hashes() == current.hashes() and current.table("pages").equals(published.table("pages"))
    strays = [path for path in current.pointer.parent.iterdir() if path.name not in (*runs, "CURRENT")]
    assert not strays
