"""Properties of the sample world: types, times, determinism, propensities, planted tastes."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.sample_world.catalog import GENRES
from pipelines.sample_world.impressions import SHELF_LENGTH
from pipelines.sample_world.listeners import TRUTH
from pipelines.sample_world.tables import SAMPLE_EVENTS, SAMPLE_IMPRESSIONS, SAMPLE_TRACKS, SAMPLE_USERS
from pipelines.sample_world.world import WorldSpec, write_sample_world
from transforms.tables.schemas import ACTIONS

# not midnight, so that errors of days show
ENDS_AT = datetime(2026, 9, 1, 13, 30, tzinfo=timezone.utc)
DAYS = 60
STARTS_AT = ENDS_AT - timedelta(days=DAYS)
SCHEMAS = {
    "events": SAMPLE_EVENTS,
    "tracks": SAMPLE_TRACKS,
    "users": SAMPLE_USERS,
    "impressions": SAMPLE_IMPRESSIONS,
    "truth": TRUTH,
}


def write(folder: Path, users: int = 12, tracks: int = 100, days: int = 20, seed: int = 1) -> dict[str, int]:
    spec = WorldSpec(num_users=users, num_tracks=tracks, num_days=days, seed=seed, ends_at=ENDS_AT)
    return write_sample_world(folder, spec, no_progress)


def no_progress(done: int, total: int) -> None:
    assert 0 < done <= total


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("world")
    rows = write(folder, users=1500, tracks=4000, days=DAYS)
    tables = {name: pl.read_parquet(folder / name / "*.parquet") for name in SCHEMAS}
    assert {name: len(table) for name, table in tables.items()} == rows
    return tables


@pytest.fixture(scope="module")
def plays(world: dict[str, pl.DataFrame]) -> pl.DataFrame:
    about = world["tracks"].select("track_id", "artist_id", "release_date", "vector", genre=pl.col("genres").list[0])
    return world["events"].filter(action="play").join(about, on="track_id").sort("user_id", "played_at")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_files_have_the_declared_columns_and_types(tmp_path):
    write(tmp_path)
    for name, schema in SCHEMAS.items():
        (path,) = (tmp_path / name).iterdir()
        assert path.name == "part-00000.parquet"
        assert pq.read_schema(path).equals(schema.arrow), name


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(contents(tmp_path / "c")[path] != content for path, content in contents(tmp_path / "a").items())


def test_a_user_does_not_depend_on_later_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.sample_world.world.PLAYS_PER_BLOCK", 400)
    write(tmp_path / "few", users=12)
    write(tmp_path / "more", users=18)
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    assert len(more) > len(few) > len(SCHEMAS)
    assert all(more[path] == content for path, content in few.items())


@pytest.mark.parametrize("users, tracks, days", [(1, 1, 1), (3, 2, 2), (7, 9, 400), (40, 2, 10)])
@pytest.mark.parametrize("seed", range(5))
def test_tiny_worlds_are_whole(tmp_path, users, tracks, days, seed):
    rows = write(tmp_path, users, tracks, days, seed)
    assert rows["users"] == rows["truth"] == users and rows["tracks"] == tracks


def test_times_are_possible(world, plays):
    events = world["events"].join(world["users"], on="user_id", how="left")
    assert events["created_at"].null_count() == 0
    assert events["played_at"].is_between(STARTS_AT, ENDS_AT, closed="left").all()
    assert (events["arrived_at"] < ENDS_AT).all()
    assert (events["arrived_at"] >= events["played_at"]).all()
    assert (events["played_at"] >= events["created_at"]).all()
    assert (plays["played_at"].dt.date() >= plays["release_date"]).all()
    assert (world["users"]["created_at"] < ENDS_AT).all()
    ends = pl.col("played_at") + pl.duration(milliseconds="ms_played")
    overlap = plays.select((ends.shift(1) > pl.col("played_at")) & (pl.col("user_id") == pl.col("user_id").shift(1)))
    assert not overlap.to_series().fill_null(False).any()


def test_two_percent_of_reports_are_over_an_hour_late(world):
    late = world["events"].select(late=pl.col("arrived_at") - pl.col("played_at") > timedelta(hours=1))["late"].mean()
    assert 0.01 < late < 0.03


def test_keys_are_unique_and_references_hold(world):
    assert world["tracks"]["track_id"].is_unique().all() and world["users"]["user_id"].is_unique().all()
    assert world["events"]["track_id"].is_in(world["tracks"]["track_id"].implode()).all()
    assert world["impressions"]["user_id"].is_in(world["users"]["user_id"].implode()).all()
    names = world["tracks"].select("artist_id", "artist_name").unique()
    assert names["artist_name"].is_unique().all()
    albums = world["tracks"].group_by("album_id").agg(pl.col("artist_id", "album_title", "release_date").n_unique())
    assert (albums.select("artist_id", "album_title", "release_date") == 1).to_numpy().all()


def test_tracks_are_plausible(world):
    tracks = world["tracks"]
    assert tracks["genres"].list.len().is_between(1, 3).all()
    assert tracks["genres"].list.eval(pl.element().is_unique().all()).list[0].all()
    assert tracks["genres"].explode(empty_as_null=True).is_in(GENRES).all()
    assert tracks["title"].n_unique() > 0.5 * len(tracks)
    assert np.allclose(np.linalg.norm(tracks["vector"].to_numpy().tolist(), axis=1), 1, atol=1e-5)


def test_a_few_users_are_new_and_have_played_nothing(world):
    idle = world["users"].join(world["events"], on="user_id", how="anti")
    assert 0 < len(idle) < 0.03 * len(world["users"])
    assert (idle["created_at"] > ENDS_AT - timedelta(days=2)).mean() > 0.8


def test_a_few_percent_of_events_are_actions_within_plays(world):
    counts = dict(world["events"]["action"].value_counts().iter_rows())
    assert set(counts) == set(ACTIONS)
    assert 0.01 < 1 - counts["play"] / len(world["events"]) < 0.05
    acted = world["events"].filter(pl.col("action") != "play")
    assert acted["ms_played"].null_count() == len(acted)
    played = world["events"].filter(action="play").select("user_id", "track_id", start="played_at", ms="ms_played")
    inside = acted.join(played, on=["user_id", "track_id"]).filter(
        (pl.col("played_at") - pl.col("start")).is_between(timedelta(0), pl.duration(milliseconds="ms"))
    )
    assert len(inside.unique(["user_id", "played_at", "action"])) == len(acted)


def test_plays_from_home_name_a_request_that_showed_the_track(world):
    from_home = world["events"].filter(surface="home")
    assert len(from_home) > 100
    assert from_home.select("shelf_id", "request_id").null_count().sum_horizontal().item() == 0
    elsewhere = world["events"].filter(pl.col("surface") != "home")
    assert elsewhere.select("shelf_id", "request_id").null_count().row(0) == (len(elsewhere), len(elsewhere))
    shown = world["impressions"].select("request_id", "user_id", "track_id", "shown_at")
    answered = from_home.join(shown, on=["request_id", "user_id", "track_id"])
    assert len(answered) == len(from_home)
    assert (answered["shown_at"] < answered["played_at"]).all()


def test_impressions_hold_whole_shelves_with_their_probabilities(world):
    shelves = world["impressions"].group_by("request_id").agg(pl.col("position").sort(), pl.col("track_id").n_unique())
    length = shelves["position"].list.len()
    assert length.max() == SHELF_LENGTH
    assert (shelves["track_id"] == length).all()
    assert (shelves["position"].list.max() == length - 1).all()
    assert world["impressions"]["propensity"].is_between(0, 1, closed="right").all()


def test_propensities_at_the_first_position_are_the_frequencies_of_the_policy(world):
    """1 / propensity of the chosen track is the number of tracks on offer, on average (Horvitz-Thompson)."""
    first = world["impressions"].filter(position=0)
    # shelves for users with history offer twelve tracks, less those that occur twice
    assert 9 < (1 / first["propensity"]).mean() <= 12.5


def test_new_releases_arrive_and_fans_pick_them_up_first(world, plays):
    new = world["tracks"].filter(pl.col("release_date") > STARTS_AT.date())
    assert 0.01 < len(new) / len(world["tracks"]) < 0.1
    assert (new["release_date"] <= ENDS_AT.date()).all()
    heard = plays.with_columns(
        is_fan=~pl.struct("user_id", "artist_id").is_first_distinct(),
        is_first=pl.struct("user_id", "track_id").is_first_distinct(),
        age=pl.col("played_at").dt.date() - pl.col("release_date"),
    ).filter("is_first")
    is_fresh = pl.col("age") < timedelta(days=14)
    of_fans, of_others = (heard.filter(is_fan=is_fan).select(is_fresh.mean()).item() for is_fan in (True, False))
    assert of_others > 0.004
    assert of_fans > 1.8 * of_others


def test_plays_follow_the_planted_taste(world, plays):
    genres = pl.DataFrame({"genre": GENRES}).with_row_index("g")
    taste = (
        world["truth"]
        .select("user_id", "taste")
        .explode("taste", empty_as_null=True)
        .with_columns(g=pl.int_range(pl.len()) % len(GENRES))
    )
    taste = taste.join(genres.cast({"g": pl.Int64}), on="g").select("user_id", "genre", "taste")
    counts = plays.filter(pl.len().over("user_id") > 200).group_by("user_id", "genre").len()
    users = counts.select("user_id").unique()
    both = users.join(taste, on="user_id").join(counts, on=["user_id", "genre"], how="left").fill_null(0)
    share = pl.col("len") / pl.col("len").sum().over("user_id")
    popular = pl.col("len").sum().over("genre") / pl.col("len").sum()
    both = both.with_columns(share=share, popular=popular)
    assert both.select(pl.corr("share", "taste")).item() > 0.7
    assert both.select(pl.corr("share", "popular")).item() < 0.5


def test_favourite_artists_are_played_by_their_planted_weights(world, plays):
    favourites = (
        world["truth"]
        .explode("favourite_artist_ids", "favourite_weights", empty_as_null=True)
        .with_columns(rank=pl.int_range(pl.len()).over("user_id"))
    )
    of_favourites = plays.join(
        favourites.unique(["user_id", "favourite_artist_ids"], keep="first", maintain_order=True),
        left_on=["user_id", "artist_id"],
        right_on=["user_id", "favourite_artist_ids"],
    )
    assert 0.2 < len(of_favourites) / len(plays) < 0.8
    by_rank = [of_favourites["rank"].is_between(low, low + 5).mean() for low in (0, 6, 12, 18)]
    assert by_rank == sorted(by_rank, reverse=True) and by_rank[0] > 2 * by_rank[3]


def test_genres_of_the_planted_taste_are_skipped_less(world, plays):
    known = plays.join(world["truth"].select("user_id", "taste"), on="user_id")
    place = pl.col("genre").replace_strict({genre: i for i, genre in enumerate(GENRES)})
    liked = known.select(skip=pl.col("ms_played") < 30_000, taste=pl.col("taste").list.get(place))
    often, rarely = liked.filter(pl.col("taste") > 0.2), liked.filter(pl.col("taste") < 0.02)
    assert often["skip"].mean() < rarely["skip"].mean() - 0.05


def test_taste_drifts(world, plays):
    """Late plays follow the later taste more than early plays, for users with much drift."""
    drifting = world["truth"].filter(pl.col("drift") > 0.4).select("user_id", "taste", "later_taste")
    place = pl.col("genre").replace_strict({genre: i for i, genre in enumerate(GENRES)})
    new = plays.filter(pl.struct("user_id", "track_id").is_first_distinct()).join(drifting, on="user_id")
    lean = new.select("played_at", lean=pl.col("later_taste").list.get(place) - pl.col("taste").list.get(place))
    early, late = STARTS_AT + timedelta(days=20), ENDS_AT - timedelta(days=20)
    after = lean.filter(pl.col("played_at") > late)["lean"].mean()
    assert after > lean.filter(pl.col("played_at") < early)["lean"].mean() + 0.03


def test_consecutive_tracks_are_nearer_than_their_genre_implies(plays):
    """Consecutive tracks of one genre by two artists are nearer than random tracks of that genre."""
    one = plays.select("user_id", "genre", "artist_id", "vector", "played_at")
    pairs = one.with_columns(pl.all().shift(-1).name.prefix("next_")).filter(
        pl.col("user_id") == pl.col("next_user_id"),
        pl.col("genre") == pl.col("next_genre"),
        pl.col("artist_id") != pl.col("next_artist_id"),
        pl.col("next_played_at") - pl.col("played_at") < timedelta(minutes=10),
    )
    left, right = (np.stack(pairs[name].to_numpy()) for name in ("vector", "next_vector"))
    # a random partner of the same genre and popularity: the pairs' right sides shuffled within the genre
    partner = pairs.with_row_index("i").select(pl.col("i").shuffle(seed=1).over("genre")).to_series().to_numpy()
    artist = pairs["artist_id"].to_numpy()
    is_other = artist != pairs["next_artist_id"].to_numpy()[partner]
    near, by_chance = (left * right).sum(1).mean(), (left * right[partner]).sum(1)[is_other].mean()
    assert near > by_chance + 0.03


def test_tracks_of_an_album_are_numbered(world):
    albums = world["tracks"].group_by("album_id").agg(pl.col("track_number").sort(), pl.col("disc_number").unique())
    numbers = albums["track_number"]
    assert (numbers.list.max() == numbers.list.len()).all() and (numbers.list.n_unique() == numbers.list.len()).all()
    assert albums["disc_number"].to_list() == [[1]] * len(albums)


def test_skips_rise_with_the_step_and_with_plays_of_the_artist_and_the_player_tells_of_choices(world, plays):
    gap = pl.col("played_at").diff().over("user_id") > timedelta(minutes=60)
    vectors = np.array(plays["vector"].to_list())
    step = 1 - np.append(np.nan, (vectors[1:] * vectors[:-1]).sum(axis=1))
    same = sum(pl.col("artist_id") == pl.col("artist_id").shift(n).over("user_id") for n in range(1, 5))
    rows = plays.with_columns(step=step, skip=pl.col("ms_played") < 30_000, begins=gap.fill_null(True), same=same)
    inside = rows.filter(~pl.col("begins"))
    # of tracks by the artist before, and of others: the two effects are mixed otherwise
    other = inside.filter(pl.col("same") == 0)
    near, far = (other.filter(is_far)["skip"].mean() for is_far in (pl.col("step") < 0.6, pl.col("step") > 1))
    assert far > near + 0.06
    close = inside.filter(pl.col("step") < 0.5)
    fresh, tired = (close.filter(is_tired)["skip"].mean() for is_tired in (pl.col("same") == 0, pl.col("same") >= 2))
    assert tired > fresh + 0.06
    session = rows.with_columns(session=pl.col("begins").cum_sum()).group_by("session")
    assert session.agg(pl.col("is_shuffle").n_unique())["is_shuffle"].value_counts(sort=True)["count"][0] > 500
    assert rows["is_shuffle"].mean() == pytest.approx(0.15, abs=0.03)
    assert not rows.filter(pl.col("is_shuffle"))["is_manual"].any()
    assert rows.filter(~pl.col("is_shuffle"), pl.col("begins"))["is_manual"].mean() > 0.5
