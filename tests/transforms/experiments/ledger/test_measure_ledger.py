"""The ledger of a run against a slow loop over plays; any buckets; and figures without enough users."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, run_graph, tables_of
from tests.transforms.experiments.inference.arms import sums_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.deep_catalogue import is_deep, popularity_deciles
from transforms.experiments.inference.estimates import SUM_NAMES, estimate_arm
from transforms.experiments.ledger.measure_ledger import (
    LEDGER_SUMS,
    MIN_LEDGER_USERS,
    MeasureLedger,
    estimate_ledger,
    measure_ledger,
)
from transforms.experiments.readout.user_days import TRACKS_SHOWN
from transforms.tables.buckets import Opened
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS

START = AS_OF - 28 * DAY
Counts = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(5, num_users=4, num_tracks=150, num_plays=2_400)


@pytest.fixture(scope="module")
def folder(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "catalog"
    catalog_of(plays, tracks_of(150, num_artists=60), path)
    return path


@pytest.fixture(scope="module")
def shown(plays: pl.DataFrame) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    hours = pl.Series(rng.uniform(2, 40, len(plays)) * 3600e6).cast(pl.Int64).cast(pl.Duration("us"))
    rows = plays.select("user_id", "track", shown_at=pl.col("played_at") - hours).drop_nulls("track")
    return TRACKS_SHOWN.conform(rows.filter(pl.Series(rng.random(len(rows)) < 0.4)))


def counted_slowly(plays: pl.DataFrame, shown: pl.DataFrame, catalog: Catalog) -> Counts:
    """Count play by play, of each user."""
    artist, decile = catalog.tracks["artist"].to_list(), popularity_deciles(catalog).to_list()
    deep = is_deep(catalog.tracks["n_plays"].to_numpy()).tolist()
    found: Counts = defaultdict(lambda: defaultdict(int))
    moments = defaultdict(list)
    for who, what, moment in shown.rows():
        moments[str(who), what].append(moment)
        if moment >= START:
            found[str(who)]["n_shown"] += 1
            found[str(who)][f"n_shown_{decile[what]}"] += 1
    heard: set[tuple[str, int]] = set()
    for user, track, at in listens_of(plays):
        was_shown = any(timedelta(0) <= at - one <= timedelta(hours=24) for one in moments[user, track])
        is_first = (user, track) not in heard
        heard.add((user, track))
        if at < START:
            continue
        counts = found[user]
        counts["n_listens"] += 1
        counts["n_recommended"] += was_shown
        counts["n_organic"] += not was_shown
        counts[f"n_organic_{decile[track]}"] += not was_shown
        counts["n_new_deep"] += is_first and deep[track]
        counts["n_new_deep_shown"] += is_first and deep[track] and was_shown
    count_artists_slowly(plays, artist, found)
    return found


def count_artists_slowly(plays: pl.DataFrame, artist: list[int | None], found: Counts) -> None:
    """Count the artists of the 28 days before the last 28, and those who were heard on two further days."""
    moments = defaultdict(list)
    for user, track, at in listens_of(plays):
        if artist[track] is not None:
            moments[user, artist[track]].append(at)
    for (user, _), heard_at in moments.items():
        if START - 28 * DAY <= heard_at[0] < START:
            further = {(at - heard_at[0]) // DAY for at in heard_at if DAY <= at - heard_at[0] < 28 * DAY}
            found[user]["n_new_artists"] += 1
            found[user]["n_adopted"] += len(further) >= 2


def listens_of(plays: pl.DataFrame) -> Iterator[tuple[str, int, datetime]]:
    """Yield user, track and time of each play of 30 s or of unknown length, by user and time."""
    for row in plays.sort("user_id", "played_at", "track").iter_rows(named=True):
        if row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000):
            yield str(row["user_id"]), row["track"], row["played_at"]


def test_sums_are_those_of_a_slow_loop(plays: pl.DataFrame, shown: pl.DataFrame, folder: Path) -> None:
    catalog = open_catalog(str(folder))
    found = measure_ledger(plays, shown=shown, has_shown=True, catalog=catalog, as_of=AS_OF)
    users = counted_slowly(plays, shown, catalog).values()
    for name, columns in {
        "tail_recall": ("n_new_deep_shown", "n_new_deep", "", ""),
        "artist_adoption": ("n_adopted", "n_new_artists", "", ""),
        "recommended_share": ("n_recommended", "n_listens", "", ""),
        "over_merit_0": ("n_shown_0", "n_shown", "n_organic_0", "n_organic"),
        "over_merit_9": ("n_shown_9", "n_shown", "n_organic_9", "n_organic"),
    }.items():
        y, m, p, q = (np.array([one.get(column, 0) for one in users]) for column in columns)
        is_in = (m > 0) | (q > 0)
        expected = sums_of(*(one[is_in] for one in (y, m, p, q)))
        row = found.filter(metric=name).to_dicts()[0]
        assert {one: row[one] for one in SUM_NAMES} == {one: int(expected[one]) for one in SUM_NAMES}, name
        assert row["y"] > 0, "nothing was counted"


def test_any_buckets_give_the_same_ledger(plays: pl.DataFrame, shown: pl.DataFrame, folder: Path) -> None:
    catalog = open_catalog(str(folder))
    (text,) = run_graph(
        lambda root: (
            tables_of(root, "Plays", PLAYS, by_bucket(plays, 3))
            | MeasureLedger(
                tables_of(root, "Shown", TRACKS_SHOWN, by_bucket(shown, 3)),
                Opened(element_of(root, "Catalog", str(folder)), open_catalog),
                AS_OF,
            )
        )
    )
    whole = measure_ledger(plays, shown=shown, has_shown=True, catalog=catalog, as_of=AS_OF)
    assert text == estimate_ledger((0, to_table(whole, LEDGER_SUMS)))
    assert json.loads(text)["tail_recall"]["low"] is None, "four users are too few for an interval"


def test_an_interval_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(2)
    m = rng.poisson(10, MIN_LEDGER_USERS) + 1
    sums = sums_of(rng.binomial(m, 0.4), m)
    rows = LEDGER_SUMS.frame([{"metric": "artist_adoption", **{name: int(sums[name]) for name in SUM_NAMES}}])
    found = json.loads(estimate_ledger((0, to_table(rows, LEDGER_SUMS))))["artist_adoption"]
    arm = estimate_arm(sums)
    half = 1.96 * float(np.sqrt(arm.variance / MIN_LEDGER_USERS))
    assert (found["low"], found["high"]) == pytest.approx((float(arm.value) - half, float(arm.value) + half))
    assert found["users"] == MIN_LEDGER_USERS


def test_without_impressions_there_is_only_adoption(plays: pl.DataFrame, folder: Path) -> None:
    found = measure_ledger(plays, shown=None, has_shown=False, catalog=open_catalog(str(folder)), as_of=AS_OF)
    assert set(json.loads(estimate_ledger((0, to_table(found, LEDGER_SUMS))))) == {"artist_adoption"}
