"""The sample world against the figures of real listening that it follows (profile.py, listening_figures.py).

Like is compared with like. The source's 95 listeners have 28,000 plays each, over seven years: figures that grow with
the history are taken from listeners of 10,000 plays and more in a world of seven years and many tracks; figures of the
log as a whole from a world as large as the default.
"""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.sample_world import profile
from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.pipelines.sample_world import listening_figures as figures
from transforms.events.listening import SESSION_GAP_MINUTES, SKIP_MS

ENDS_AT = datetime(2026, 9, 1, tzinfo=timezone.utc)
LONG_HISTORY = 10_000
SEED = 1
GAP = pl.duration(minutes=SESSION_GAP_MINUTES)
Plays = pl.DataFrame


def read_plays(folder: Path) -> Plays:
    """Return plays by user and time, with the number of the play, its session, and whether it is a repeat."""
    tracks = pl.read_parquet(folder / "tracks/*.parquet").select(
        "track_id", "release_date", "duration_ms", artist="artist_id"
    )
    plays = pl.read_parquet(folder / "events/*.parquet").filter(action="play").join(tracks, on="track_id")
    plays = plays.select(
        pl.col("user_id", "track_id", "artist").rank("dense").name.map(lambda name: name.removesuffix("_id")),
        pl.col("played_at", "ms_played", "release_date", "duration_ms"),
        ends_at=pl.col("played_at") + pl.duration(milliseconds="ms_played"),
        skip=pl.col("ms_played") < SKIP_MS,
    ).sort("user", "played_at")
    goes_on = (pl.col("user") == pl.col("user").shift()) & (pl.col("played_at") - pl.col("ends_at").shift() <= GAP)
    return plays.with_columns(
        nth=pl.int_range(pl.len()).over("user"),
        goes_on=goes_on.fill_null(False),
        session=(~goes_on).fill_null(True).cum_sum(),
        known=~pl.struct("user", "track").is_first_distinct(),
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plays]:
    folder = tmp_path_factory.mktemp("worlds")
    sizes = {"default": (2000, 5000, 60), "long": (150, 120_000, 2500)}
    for name, (users, tracks, days) in sizes.items():
        spec = WorldSpec(num_users=users, num_tracks=tracks, num_days=days, seed=SEED, ends_at=ENDS_AT)
        write_sample_world(folder / name, spec)
    plays = {name: read_plays(folder / name) for name in sizes}
    plays["long"] = plays["long"].filter(pl.len().over("user") >= LONG_HISTORY)
    assert plays["long"]["user"].n_unique() >= 15
    return plays


def after(plays: Plays, skip: bool) -> float:
    return plays.filter("goes_on", pl.col("skip").shift() == skip)["skip"].mean()


def same_as_before(plays: Plays, column: str) -> float:
    return (
        plays.filter("goes_on").height
        and plays.select((pl.col(column) == pl.col(column).shift()).filter("goes_on").mean()).item()
    )


def artists_per_play(plays: Plays) -> float:
    sessions = plays.group_by("session").agg(pl.len(), pl.col("artist").n_unique())
    return sessions.filter(pl.col("len") >= 10).select((pl.col("artist") / pl.col("len")).mean()).item()


def share_of_top_tracks(plays: Plays, count: int) -> float:
    counts = (
        plays.group_by("user", "track")
        .len()
        .group_by("user")
        .agg(top=pl.col("len").top_k(count).sum(), total=pl.col("len").sum())
    )
    return counts.select((pl.col("top") / pl.col("total")).mean()).item()


def zipf_exponent(plays: Plays) -> float:
    """Slope over the ranks from 10 to half of the artists: the tail of a small world is cut off."""
    count = plays["artist"].value_counts()["count"].sort(descending=True).to_numpy()
    rank = np.arange(10, len(count) // 2)
    return -float(np.polyfit(np.log(rank), np.log(count[rank - 1]), 1)[0])


def share_of_new_releases(plays: Plays) -> float:
    age = pl.col("played_at").dt.date() - pl.col("release_date")
    return plays.select((age < pl.duration(days=profile.NEW_RELEASE_WINDOW_DAYS)).mean()).item()


FIGURES: dict[str, tuple[str, Callable[[Plays], float], float, float]] = {
    # name: world, how it is measured, figure, largest difference
    "skip rate": ("default", lambda plays: plays["skip"].mean(), profile.SKIP_RATE, 0.03),
    "skip rate after a skip": ("default", lambda plays: after(plays, True), figures.SKIP_RATE_AFTER_SKIP, 0.03),
    "skip rate after none": ("default", lambda plays: after(plays, False), figures.SKIP_RATE_AFTER_NON_SKIP, 0.03),
    "same artist next": ("default", lambda plays: same_as_before(plays, "artist"), figures.SAME_ARTIST_NEXT, 0.06),
    "same artist next, later": ("long", lambda plays: same_as_before(plays, "artist"), figures.SAME_ARTIST_NEXT, 0.08),
    "same track next, later": ("long", lambda plays: same_as_before(plays, "track"), figures.SAME_TRACK_NEXT, 0.02),
    "artists per play": ("long", artists_per_play, figures.ARTISTS_PER_PLAY_IN_LONG_SESSIONS, 0.06),
    "plays of the top 10": ("long", lambda plays: share_of_top_tracks(plays, 10), figures.TOP_10_TRACKS_SHARE, 0.02),
    "plays of the top 100": ("long", lambda plays: share_of_top_tracks(plays, 100), figures.TOP_100_TRACKS_SHARE, 0.06),
    "zipf exponent": ("long", zipf_exponent, figures.ARTIST_ZIPF_EXPONENT, 0.2),
    "new releases": ("default", share_of_new_releases, figures.NEW_RELEASE_SHARE, 0.01),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_world_are_those_of_the_source(worlds, name):
    world, measure, expected, tolerance = FIGURES[name]
    assert measure(worlds[world]) == pytest.approx(expected, abs=tolerance)


def test_share_of_repeats_by_length_of_history(worlds):
    share = worlds["long"].group_by(pl.col("nth") // 1000).agg(pl.col("known").mean()).sort("nth")["known"]
    assert share[:10].to_list() == pytest.approx(figures.REPEAT_SHARE_BY_THOUSAND_PLAYS, abs=0.03)
    # listeners of the default world repeat more, for it has few tracks
    first = worlds["default"].filter(pl.len().over("user") >= 1000, pl.col("nth") < 1000)["known"].mean()
    assert first == pytest.approx(figures.REPEAT_SHARE_BY_THOUSAND_PLAYS[0], abs=0.06)


def session_plays(plays: Plays) -> pl.Series:
    return plays.group_by("session").len()["len"]


def session_minutes(plays: Plays) -> pl.Series:
    length = pl.col("ends_at").max() - pl.col("played_at").min()
    return plays.group_by("session").agg(minutes=length.dt.total_seconds(fractional=True) / 60)["minutes"]


def plays_per_active_day(plays: Plays) -> pl.Series:
    return plays.group_by("user", pl.col("played_at").dt.date()).len()["len"]


def plays_per_track(plays: Plays) -> pl.Series:
    return plays.group_by("user", "track").len()["len"]


def release_age(plays: Plays) -> pl.Series:
    return plays.select((pl.col("played_at").dt.date() - pl.col("release_date")).dt.total_days()).to_series()


@pytest.mark.parametrize(
    "world, measure, expected, shares, ratio",
    [
        ("default", session_plays, profile.SESSION_PLAYS, (0.25, 0.5, 0.75, 0.9, 0.95, 0.99), 1.1),
        ("default", session_minutes, figures.SESSION_LENGTH_MINUTES, (0.25, 0.5, 0.75, 0.9, 0.95, 0.99), 1.25),
        # a listener of the sample has as many plays on more days
        ("long", plays_per_active_day, figures.PLAYS_PER_ACTIVE_DAY, (0.5, 0.75, 0.9, 0.95, 0.99), 2.0),
        # the source's histories are longer than even these
        ("long", plays_per_track, figures.PLAYS_PER_USER_TRACK, (0.25, 0.5, 0.75, 0.9, 0.95, 0.99), 1.5),
        ("default", release_age, profile.RELEASE_AGE_DAYS, (0.05, 0.1, 0.25, 0.5, 0.75, 0.9), 1.5),
    ],
)
def test_quantiles_of_the_world_are_those_of_the_source(worlds, world, measure, expected, shares, ratio):
    found = np.quantile(measure(worlds[world]).to_numpy(), shares)
    assert np.log(found) == pytest.approx(np.log(expected.at(np.array(shares))), abs=np.log(ratio))


def test_share_of_plays_by_hour(worlds):
    """Each user's hours in UTC, turned until the mean hour of all users falls together."""
    hour = worlds["long"].with_columns(hour=pl.col("played_at").dt.hour().cast(pl.Int64))
    angle = pl.col("hour") * (2 * np.pi / 24)
    centre = pl.arctan2(angle.sin().mean(), angle.cos().mean()).over("user") * (24 / (2 * np.pi))
    aligned = hour.select(((pl.col("hour") - centre).round().cast(pl.Int64)) % 24).to_series()
    share = np.bincount(aligned, minlength=24) / len(aligned)
    source = np.array(profile.HOUR_SHARE)
    turn = np.exp(2j * np.pi * np.arange(24) / 24)
    place = round(np.angle((source * turn).sum()) * 24 / (2 * np.pi)) % 24
    assert share == pytest.approx(np.roll(source, -place), abs=0.012)


def test_played_fraction_of_tracks(worlds):
    fraction = worlds["default"].select(pl.col("ms_played") / pl.col("duration_ms")).to_series().to_numpy()
    # a track played to its last ms belongs to the bin from 1 on
    edges = np.append(np.arange(22) * 0.05 - 1e-9, np.inf)
    share = np.histogram(fraction, edges)[0] / len(fraction)
    assert share == pytest.approx(profile.PLAYED_FRACTION, abs=0.02)


def test_quantiles_are_interpolated_and_inverted():
    quantiles = profile.Quantiles((0.0, 0.5, 1.0), (0, 10, 1000))
    assert quantiles.at(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 10, 1000])
    share = np.linspace(0.05, 0.95, 19)
    assert figures.SESSION_LENGTH_MINUTES.share_below(figures.SESSION_LENGTH_MINUTES.at(share)) == pytest.approx(share)
