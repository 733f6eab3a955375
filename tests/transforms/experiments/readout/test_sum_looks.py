"""Sums by look against a slow loop over users; any division of the users gives the same sums."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY
from transforms.experiments.inference.estimates import SUM_NAMES
from transforms.experiments.readout.readout_metric import DAYS
from transforms.experiments.readout.readout_metrics import COMPONENTS, DECILES, METRICS_BY_NAME
from transforms.experiments.readout.sum_looks import (
    ALL,
    CAPPED,
    Looks,
    SumLooks,
    add_sums,
    count_totals,
    find_caps,
    sum_looks,
    sum_totals,
)
from transforms.experiments.readout.user_days import BEFORE, USER_DAYS

START = AS_OF - 35 * DAY
LOOKS = Looks(START, 35, 28)


@pytest.fixture(scope="module")
def user_days() -> pl.DataFrame:
    rng, rows = np.random.default_rng(1), []
    for number in range(60):
        exposed_at = START + timedelta(hours=int(rng.integers(0, 24 * 34)))
        for day in (BEFORE, *np.flatnonzero(rng.random(35) < 0.5).tolist()):
            counts = dict(zip(COMPONENTS, rng.poisson(3, len(COMPONENTS)).tolist(), strict=True))
            rows.append(
                {"user_id": f"u{number:02d}", "arm": number % 2, "exposed_at": exposed_at, "is_new": number % 3 == 0}
                | {"day": day, **counts}
            )
    return USER_DAYS.frame(rows)


def summed(*parts: pl.DataFrame) -> pl.DataFrame:
    totals = sum_totals(pl.concat(count_totals(part, looks=LOOKS) for part in parts))
    return add_sums(pl.concat(sum_looks(part, looks=LOOKS, totals=totals) for part in parts))


@pytest.fixture(scope="module")
def whole(user_days: pl.DataFrame) -> pl.DataFrame:
    return summed(user_days)


SUMMED = ("reward", "retained_28d", "skip_share", "artist_adoption", "tail_recall", "over_merit_3")


@pytest.mark.parametrize("metric", SUMMED)
def test_sums_are_those_of_a_slow_loop(user_days: pl.DataFrame, whole: pl.DataFrame, metric: str) -> None:
    name, value, per, delay = (getattr(METRICS_BY_NAME[metric], key) for key in ("name", "value", "per", "delay_days"))
    found = whole.filter((pl.col("metric") == name) & (pl.col("segment") == ALL))
    # figures by decile are of the last look only
    for look in (34,) if METRICS_BY_NAME[metric] in DECILES else (0, 6, 34):
        for arm in (0, 1):
            five = []
            for (user,), rows in user_days.filter(pl.col("arm") == arm).group_by("user_id"):
                exposed_at = rows["exposed_at"][0]
                settled = (START + (look + 1) * DAY - exposed_at) // DAY - delay
                if settled < 1:
                    continue
                inside = rows.filter(pl.col("day").is_between(0, settled - 1))
                before = rows.filter(pl.col("day") == BEFORE)
                y, m = inside[value].sum(), settled if per == DAYS else inside[per].sum()
                p, q = before[value][0], LOOKS.covariate_days if per == DAYS else before[per][0]
                if merit := METRICS_BY_NAME[metric].merit:
                    p, q = inside[merit[0]].sum(), inside[merit[1]].sum()
                five.append((1, y, m, *((0, 0) if delay else (p, q))))
                assert user
            row = found.filter((pl.col("look") == look) & (pl.col("arm") == arm))
            values = np.array(five, dtype=np.int64).reshape(-1, 5)
            expected = {one: int(values[:, "nymp".find(one) if one != "q" else 4].sum()) for one in "nympq"}
            place = {one: number for number, one in enumerate("nympq")}
            expected |= {one: int((values[:, place[one[0]]] * values[:, place[one[1]]]).sum()) for one in SUM_NAMES[5:]}
            assert (row.select(SUM_NAMES).row(0, named=True) if len(row) else dict.fromkeys(SUM_NAMES, 0)) == expected


def test_any_division_of_the_users_gives_the_same_sums(user_days: pl.DataFrame, whole: pl.DataFrame) -> None:
    bucket = user_days["user_id"].to_physical() % 3
    parts = [USER_DAYS.conform(user_days.filter(bucket == number)) for number in range(3)]
    assert summed(*parts).rows() == whole.rows()


def test_segments_add_up_and_only_the_heaviest_are_cut(user_days: pl.DataFrame, whole: pl.DataFrame) -> None:
    found = whole.filter((pl.col("metric") == "minutes") & (pl.col("look") == 34))
    total = {segment: found.filter(pl.col("segment") == segment)["y"].sum() for segment in found["segment"].unique()}
    assert total[ALL] == total["new"] + total["returning"] and total[CAPPED] == total[ALL]
    heavy = user_days.with_columns(
        n_minutes=pl.when((pl.col("user_id") == "u01") & (pl.col("day") >= 0)).then(10**6).otherwise("n_minutes")
    )
    # one of 60 is more than a thousandth: the cap must come from many users
    many = sum_totals(
        pl.concat([count_totals(heavy, looks=LOOKS), *(count_totals(user_days, looks=LOOKS) for _ in range(20))])
    )
    cap = find_caps(many)["minutes"]
    cut = sum_looks(heavy, looks=LOOKS, totals=many).filter(
        (pl.col("metric") == "minutes") & (pl.col("segment") == CAPPED)
    )
    assert 60 < cap < 200 and cut["y"].sum() < total[ALL] + cap


def test_nobody_and_no_day_have_no_sums() -> None:
    assert summed(USER_DAYS.frame()).is_empty()
    nothing, before = USER_DAYS.frame(), Looks(START, 0, 28)
    assert sum_looks(nothing, looks=before, totals=count_totals(nothing, looks=before)).is_empty()


def test_the_stage(user_days: pl.DataFrame, whole: pl.DataFrame) -> None:
    bucket = user_days["user_id"].to_physical() % 2
    parts = [USER_DAYS.conform(user_days.filter(bucket == number)) for number in range(2)]
    found = run_graph(lambda root: tables_of(root, "Days", USER_DAYS, parts) | SumLooks(LOOKS))
    assert joined(found).rows() == whole.rows()
