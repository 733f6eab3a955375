import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, catalog_of, plays_of, random_plays, tracks_of
from transforms.candidates.user_history import History, summarize_history

CUTOFF = AS_OF - 12 * DAY


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame, History]:
    plays, tracks = random_plays(7), tracks_of(40)
    catalog = catalog_of(plays, tracks, tmp_path_factory.mktemp("catalog"), as_of=CUTOFF)
    return plays, catalog.tracks, summarize_history(plays, catalog=catalog, as_of=CUTOFF, decay=0.5)


def past_of(plays: pl.DataFrame, user: str, track: int | None = None) -> list[dict]:  # type: ignore[type-arg]
    return [
        row
        for row in plays.iter_rows(named=True)
        if row["user_id"] == user and row["known_at"] < CUTOFF and track in (None, row["track"])
    ]


def listened(rows: list[dict]) -> list[dict]:  # type: ignore[type-arg]
    return [row for row in rows if row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)]


def days(row: dict) -> float:  # type: ignore[type-arg]
    return (CUTOFF - row["played_at"]) / DAY  # type: ignore[no-any-return]


def test_what_is_known_of_a_user(world: tuple[pl.DataFrame, pl.DataFrame, History]) -> None:
    plays, _, history = world
    assert len(history.users) == plays["user_id"].n_unique()
    for row in history.users.iter_rows(named=True):
        mine = [play for play in past_of(plays, row["user_id"]) if play["action"] == 0]
        if not mine:
            assert row["user_plays"] is None
            continue
        assert row["user_plays"] == len(mine)
        assert row["user_plays_7d"] == sum(days(play) <= 7 for play in mine)
        assert row["user_skip_rate"] == pytest.approx(1 - len(listened(mine)) / len(mine))
        assert row["user_distinct_track_ratio"] == pytest.approx(len({play["track"] for play in mine}) / len(mine))
        assert row["days_since_active"] == pytest.approx(min(map(days, mine)))
        assert row["recent"] == [play["track"] for play in listened(mine)][::-1][:10]


def test_the_latest_of_like_and_dislike_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"user_id": f"u{rng.integers(4)}", "track": int(rng.integers(3)), "days": 13 + place / 7} for place in range(90)
    ]
    plays = plays_of([{**row, "action": int(rng.choice([0, 2, 3]))} for row in rows])
    catalog = catalog_of(plays, tracks_of(3), tmp_path, as_of=CUTOFF)
    found = summarize_history(plays, catalog=catalog, as_of=CUTOFF, decay=0.5).disliked
    said = {(user, track): [row["action"] for row in past_of(plays, user, track) if row["action"] in (2, 3)]
            for user in set(plays["user_id"]) for track in range(3)}  # fmt: skip
    expected = {key for key, actions in said.items() if actions and actions[-1] == 3}
    assert set(found.rows()) == expected and expected < {key for key, actions in said.items() if 3 in actions}


def test_what_is_known_of_a_user_and_a_track(world: tuple[pl.DataFrame, pl.DataFrame, History]) -> None:
    plays, tracks, history = world
    for row in history.tracks.iter_rows(named=True):
        mine = past_of(plays, row["user_id"], row["track"])
        played = [play for play in mine if play["action"] == 0]
        heard = listened(mine)
        shares = [min(1.0, play["ms_played"] / 200_000) for play in played if play["ms_played"] is not None]
        assert row["plays_of_track"] == len(heard) and row["skips_of_track"] == len(played) - len(heard)
        assert row["is_liked"] == any(play["action"] in (1, 2, 4) for play in mine)
        assert row["artist"] == tracks["artist"][row["track"]]
        assert row["days_since_played"] == (pytest.approx(min(map(days, played))) if played else None)
        assert row["days_since_first_played"] == (pytest.approx(max(map(days, played))) if played else None)
        assert row["completion_of_track"] == (pytest.approx(sum(shares) / len(shares)) if shares else None)
        if heard:
            level = math.log(sum(max(1.0, 24 * days(play)) ** -0.5 for play in heard))
            assert row["activation"] == pytest.approx(level, abs=1e-6)
    pairs = {(play["user_id"], play["track"]) for user in set(plays["user_id"]) for play in past_of(plays, user)}
    assert set(history.tracks.select(pl.col("user_id").cast(pl.String), "track").rows()) == pairs


def test_what_is_known_of_a_user_and_an_artist_or_genre(world: tuple[pl.DataFrame, pl.DataFrame, History]) -> None:
    plays, tracks, history = world
    for row in history.artists.iter_rows(named=True):
        mine = [play for play in past_of(plays, row["user_id"]) if tracks["artist"][play["track"]] == row["artist"]]
        assert row["plays_of_artist"] == len(listened(mine)) > 0
        own = history.tracks.filter(
            (pl.col("user_id") == row["user_id"]) & (pl.col("artist") == row["artist"]) & (pl.col("plays_of_track") > 0)
        )
        assert row["top_track"] == own.sort("activation", "track", descending=[True, False])["track"][0]
    totals = history.genres.group_by("user_id").agg(pl.col("share_of_genre").sum())
    assert totals["share_of_genre"].to_list() == pytest.approx([1.0] * len(totals))


def test_dislikes_are_remembered(tmp_path: Path) -> None:
    plays = plays_of([{"user_id": "a", "track": 1, "days": 3, "action": 3}, {"user_id": "b", "track": 1, "days": 2}])
    history = summarize_history(plays, catalog=catalog_of(plays, tracks_of(4), tmp_path), as_of=AS_OF, decay=0.5)
    assert history.disliked.select(pl.col("user_id").cast(pl.String), "track").rows() == [("a", 1)]
