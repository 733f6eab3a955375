"""User days against a slow loop over users, days and plays; and what must not count."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.experiments.readout.measure_user_days import MeasureUserDays
from transforms.experiments.readout.readout_metrics import COMPONENTS
from transforms.experiments.readout.schemas import ENROLLED
from transforms.experiments.readout.user_days import BEFORE, TRACKS_SHOWN, measure_user_days
from transforms.tables.buckets import Opened
from transforms.tables.schemas import PLAYS, SAVE

START = AS_OF - 20 * DAY
NUM_DAYS, COVARIATE_DAYS = 20, 10


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(3, num_users=8, num_plays=1200)


@pytest.fixture(scope="module")
def catalog(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog_of(plays, tracks_of(40), tmp_path_factory.mktemp("catalog") / "one", as_of=START)


def enrolled_of(users: list[str]) -> pl.DataFrame:
    """Enrol users, each exposed at another hour; the last one never."""
    times = [START + timedelta(hours=7 * number) for number in range(len(users))]
    rows = [
        {"user_id": one, "arm": n % 2, "exposed_at": at} for n, (one, at) in enumerate(zip(users, times, strict=True))
    ]
    return ENROLLED.frame([*rows[:-1], {**rows[-1], "exposed_at": None}])


def users_of(plays: pl.DataFrame) -> list[str]:
    return plays["user_id"].cast(pl.String).unique().sort().to_list()


def shown_of(plays: pl.DataFrame) -> pl.DataFrame:
    """Show a third of the plays' tracks 2 to 40 hours before."""
    rng = np.random.default_rng(1)
    hours = pl.Series(rng.uniform(2, 40, len(plays)) * 3600e6).cast(pl.Int64).cast(pl.Duration("us"))
    shown = plays.select("user_id", "track", shown_at=pl.col("played_at") - hours).drop_nulls("track")
    return TRACKS_SHOWN.conform(shown.filter(pl.Series(rng.random(len(shown)) < 0.33)))


def measure(plays: pl.DataFrame, catalog: Catalog, shown: pl.DataFrame | None = None) -> pl.DataFrame:
    found = enrolled_of(users_of(plays))
    days = {"num_days": NUM_DAYS, "covariate_days": COVARIATE_DAYS}
    return measure_user_days(found, plays=plays, shown=shown, has_shown=shown is not None, catalog=catalog, **days)


def counted_slowly(plays: pl.DataFrame, shown: pl.DataFrame, catalog: Catalog) -> dict[tuple[str, int], Counter[str]]:
    """Count listening, discoveries and recommended listens play by play."""
    exposed = {user: at for user, _, at in enrolled_of(users_of(plays)).rows() if at is not None}
    artist = catalog.tracks["artist"].to_list()
    found: dict[tuple[str, int], Counter[str]] = {}
    seen: list[tuple[str, str, int]] = []
    tops: dict[tuple[str, int], Counter[int]] = {}
    for row in plays.sort("user_id", "played_at", "track").iter_rows(named=True):
        user, track = str(row["user_id"]), row["track"]
        if user not in exposed or row["action"] != 0:
            continue
        days = (row["played_at"] - exposed[user]) / DAY
        key = (user, max(int(np.floor(days)), BEFORE))
        is_listened = row["ms_played"] is None or row["ms_played"] >= 30_000
        is_new = ("track", user, track) not in seen
        is_new_artist = artist[track] is not None and ("artist", user, artist[track]) not in seen
        if is_listened:
            seen += [("track", user, track), ("artist", user, artist[track])]
        if not -COVARIATE_DAYS <= days < NUM_DAYS:
            continue
        counts = found.setdefault(key, Counter())
        counts["n_timed"] += row["ms_played"] is not None
        counts["n_skips"] += row["ms_played"] is not None and row["ms_played"] < 30_000
        if is_listened:
            counts["n_listens"] += 1
            counts["n_new_tracks"] += is_new
            counts["n_new_artists"] += is_new_artist
            ago = [row["played_at"] - at for u, t, at in shown.rows() if (str(u), t) == (user, track)]
            counts["n_recommended"] += any(timedelta(0) <= one <= timedelta(hours=24) for one in ago)
            if artist[track] is not None:
                tops.setdefault((user, int(np.floor(days))), Counter())[artist[track]] += 1
    for (user, day), of_artists in tops.items():
        counts = found[user, max(day, BEFORE)]
        counts["n_top_artist"] += max(of_artists.values())
        counts["n_of_artists"] += sum(of_artists.values())
    return found


def test_counts_are_those_of_a_slow_loop(plays: pl.DataFrame, catalog: Catalog) -> None:
    shown = shown_of(plays)
    found = {(row["user_id"], row["day"]): row for row in measure(plays, catalog, shown).to_dicts()}
    expected = counted_slowly(plays, shown, catalog)
    names = {name for counts in expected.values() for name in counts}
    assert len(names) == 8 and sum(counts["n_recommended"] for counts in expected.values()) > 30
    for key, counts in expected.items():
        assert {name: found[key][name] for name in names} == {name: counts[name] for name in names}, key
    for key in set(found) - set(expected):
        assert not any(found[key][name] for name in names)


def test_every_exposed_user_has_a_row_before_and_nobody_else_any(plays: pl.DataFrame, catalog: Catalog) -> None:
    found, users = measure(plays, catalog), users_of(plays)
    assert sorted(found.filter(pl.col("day") == BEFORE)["user_id"]) == users[:-1]
    assert users[-1] not in found["user_id"].to_list()
    days = {"num_days": 3, "covariate_days": 3}
    nobody = measure_user_days(enrolled_of(users), plays=None, shown=None, has_shown=True, catalog=catalog, **days)
    assert nobody["day"].to_list() == [BEFORE] * (len(users) - 1) and nobody["is_new"].all()
    assert nobody.select(COMPONENTS).sum().row(0) == (0,) * len(COMPONENTS)


def test_what_happens_after_the_exposure_does_not_change_the_time_before(plays: pl.DataFrame, catalog: Catalog) -> None:
    """A covariate that the treatment could move would take away a part of the effect."""
    exposed = enrolled_of(users_of(plays))
    before = plays.join(exposed.cast({"user_id": plays["user_id"].dtype}), on="user_id").filter(
        pl.col("played_at") < pl.col("exposed_at")
    )
    row = pl.col("day") == BEFORE
    whole, cut = (measure(one.select(plays.columns), catalog).filter(row).sort("user_id") for one in (plays, before))
    # adoption is settled later, and no covariate (sum_looks.py)
    names = [name for name in COMPONENTS if name != "n_adopted"]
    both = whole.join(cut, on="user_id", how="semi")
    assert len(both) > 4 and both.select(names).rows() == cut.select(names).rows()


def labelled(rows: list[dict[str, Any]], tmp_path: Path) -> dict[int, dict[str, Any]]:
    """Measure one user, exposed 20 days before AS_OF, by day."""
    plays = plays_of([{"user_id": "u", **row} for row in rows])
    catalog = catalog_of(plays, tracks_of(9), tmp_path / "one", as_of=START)
    enrolled = ENROLLED.frame([{"user_id": "u", "arm": 1, "exposed_at": START}])
    days = {"num_days": 20, "covariate_days": 28}
    found = measure_user_days(enrolled, plays=plays, shown=None, has_shown=False, catalog=catalog, **days)
    return {row["day"]: row for row in found.to_dicts()}


def test_rewards_are_those_of_the_ranker_by_day(tmp_path: Path) -> None:
    rows = [
        {"track": 1, "days": 25.0},
        {"track": 2, "days": 19.5},
        {"track": 2, "days": 19.4, "action": SAVE},
        {"track": 3, "days": 19.3, "ms_played": 1_000},
        {"track": 2, "days": 17.5},
        {"track": 2, "days": 16.5},
        {"track": 2, "days": 15.5},
    ]
    days = labelled(rows, tmp_path)
    first = days[0]
    assert (first["listened"], first["saved"], first["skipped"], first["retained_28d"]) == (1, 1, 1, 1)
    # 1 listened, .2 completed, .5 saved, -.3 skipped; retention is settled later
    assert first["reward"] == 140 and first["n_new_tracks"] == 1 and first["n_adopted"] == 1
    assert days[BEFORE]["listened"] == 1 and not first["is_new"]
    assert days[2]["listened"] == 1 and days[2]["n_new_tracks"] == 0


def test_the_stage_gives_the_same_rows_for_any_buckets(plays: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> None:
    directory = tmp_path / "one"
    catalog_of(plays, tracks_of(40), directory, as_of=START)
    enrolled = enrolled_of(users_of(plays)).with_columns(pl.col("user_id").cast(plays["user_id"].dtype))
    found = run_graph(
        lambda root: (
            tables_of(root, "Enrolled", ENROLLED, by_bucket(enrolled, 2))
            | MeasureUserDays(
                plays=tables_of(root, "Plays", PLAYS, by_bucket(plays, 2)),
                shown=None,
                catalog=Opened(element_of(root, "Catalog", str(directory)), open_catalog),
                num_days=NUM_DAYS,
                covariate_days=COVARIATE_DAYS,
            )
        )
    )
    expected = measure(plays, catalog)
    assert joined(found).sort("user_id", "day").rows() == expected.rows()
    assert isinstance(START, datetime)


def test_a_session_that_goes_on_after_the_exposure_is_not_continued_before_it(tmp_path: Path) -> None:
    minute = 1 / 1440
    days = labelled([{"track": 1, "days": 20 + 9 * minute}, {"track": 2, "days": 20 - minute}], tmp_path)
    assert (days[BEFORE]["listened"], days[BEFORE]["session_continued"]) == (1, 0)
