"""Runs for the surface now_playing, alone: the tables, through the pointer."""

import json
from pathlib import Path

import polars as pl

from tests.runs import Published


def test_alone_it_needs_no_ranker_and_no_towers_and_has_no_pages(playing: Published) -> None:
    assert not {"pages", "candidates", "features"} & set(playing.manifest["tables"])
    assert set(playing.manifest["artifacts"]) == {"tracks", "catalog", "successors", "skips"}
    assert playing.manifest["policy"]["surfaces"] == []


def test_every_track_of_five_plays_has_fifty_successors_that_are_known_and_released(
    playing: Published, world: Path
) -> None:
    successors = playing.table("successors")
    plays = pl.read_parquet(world / "events/*.parquet").filter(action="play", ms_played=pl.col("ms_played"))
    often = plays.filter(pl.col("ms_played") >= 30_000).group_by("track_id").len().filter(pl.col("len") >= 5)
    assert len(often) > 100 and set(often["track_id"]) <= set(successors["track_id"])
    assert (successors["market"] == "").all() and successors["track_id"].is_unique().all()
    assert (successors["successors"].list.len() == 50).all()
    cards = successors.explode("successors", empty_as_null=True).unnest("successors", separator="_")
    tracks = pl.read_parquet(world / "tracks/*.parquet").select("track_id", "release_date")
    assert cards["successors_track_id"].is_in(tracks["track_id"].implode()).all()
    assert (cards["track_id"] != cards["successors_track_id"]).all()


def test_queues_have_chances_and_the_report_of_skips_beats_the_usual_rate(playing: Published) -> None:
    queues = playing.table("queues")
    assert queues["user_id"].n_unique() > 100 and set(queues["context"]) == {"track", "album", "artist", "session"}
    assert queues.select("user_id", "context", "context_id").is_unique().all()
    seeds = ("user_id", "context", "context_id", "name", "started_at")
    assert playing.table("seeds").equals(queues.select(seeds))
    assert (queues["name"].is_null() == (queues["context"] == "session")).all()
    cards = queues.explode("tracks", empty_as_null=True).unnest("tracks")
    assert cards.select("p_completed", "p_skipped").min_horizontal().min() > 0
    counts = {"made": len(queues), "relaxed": int((queues["relaxed"].list.len() > 0).sum())}
    assert playing.manifest["metrics"]["queues"] == counts and "relaxed_queues" in playing.manifest["gate"]["values"]
    assert cards.drop("name").null_count().sum_horizontal().item() == 0
    (path,) = playing.folder.glob("skips/*/skips.json")
    report = json.loads(path.read_text())["report"]
    assert report["skipped_auc"] > 0.7 and report["skipped_calibration_error"] < 0.08
