"""The whole job on real data from ../shared/data, where it exists."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from pipelines.cli import main
from tests.quality.listens import CATALOGUE, needs_catalog, needs_listens
from tests.quality.spotify_world import ENDS_AT, write_spotify_world
from tests.runs import POPULARITY, TOWERS, Published, cards


@needs_listens
def test_everyone_of_30music_has_a_page_of_tracks_that_exist(music_events: Path, music: Published) -> None:
    listens = pl.read_parquet(music_events)
    pages = music.table("pages")
    assert len(pages) == listens["user_id"].n_unique() == 952
    shown = cards(pages)
    assert set(shown["track_id"]) <= set(listens["track_id"])
    assert shown.select("user_id", "track_id").is_duplicated().sum() == 0
    assert music.manifest["events"] == {
        "read": len(listens),
        "kept": len(listens),
        "erased": 0,
        "rejected": {},
    }


@needs_catalog
def test_pages_over_the_real_catalogue_fill_every_shelf(tmp_path: Path) -> None:
    write_spotify_world(CATALOGUE, tmp_path, num_users=200, seed=3)
    flags = [f"--events={tmp_path}/events", f"--tracks={tmp_path}/tracks", f"--output={tmp_path}/out"]
    assert main(["run", *flags, *TOWERS, *POPULARITY, f"--as_of={ENDS_AT.isoformat()}"]) == 0
    run = Published(tmp_path / "out")
    shown = cards(run.table("pages"))
    # no user table, no market
    assert set(run.manifest["disabled"]) == {"market", "reward retained_28d"}
    assert run.manifest["disabled"]["market"] == "there is no market"
    assert len(run.table("pages")) == pl.read_parquet(tmp_path / "events")["user_id"].n_unique()
    assert {"jump_back_in", "genre_mix", "because_you_listened", "more_by_artists", "new_releases"} <= set(
        shown["shelf_id"]
    )
    tracks = pl.read_parquet(tmp_path / "tracks")
    fresh = shown.filter(pl.col("shelf_id") == "new_releases").join(tracks, on="track_id")
    assert fresh["release_date"].min() >= (ENDS_AT - timedelta(days=28)).date()
    because = shown.filter(pl.col("shelf_id") == "because_you_listened").join(
        tracks.select("track_id", "title"), left_on="seed_track_id", right_on="track_id"
    )
    assert (because["shelf_title"] == "Because you listened to " + because["title"]).all()
