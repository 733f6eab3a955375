"""Popular tracks of markets, against plain loops."""

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, random_plays
from transforms.catalog import count_markets as module
from transforms.catalog.count_markets import CountMarkets, count_markets, sum_markets, top_k_of_markets
from transforms.events.market_codes import market_code
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import MARKET_COUNTS, PLAYS

HALF_LIFE = 14.0


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    """Users of three markets; the market of every fourth user is unknown."""
    user = pl.col("user_id").to_physical().cast(pl.Int16)
    return random_plays(7).with_columns(market=pl.when(user % 4 < 3).then(user % 4 + 100))


def test_the_best_of_each_market_are_those_of_the_slow_loop(
    plays: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRACKS_PER_MARKET", 5)
    at = AS_OF - 10 * DAY
    found = sum_markets(count_markets(plays, as_of=at, half_life_days=HALF_LIFE))
    to_table(found, MARKET_COUNTS)
    sums: dict[int, dict[int, float]] = {}
    for row in plays.iter_rows(named=True):
        is_listened = row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        if is_listened and row["known_at"] < at and row["market"] is not None:
            of_market = sums.setdefault(row["market"], {})
            age = (at - row["played_at"]) / DAY
            of_market[row["track"]] = of_market.get(row["track"], 0) + 0.5 ** (age / HALF_LIFE)
    assert sorted(sums) == [100, 101, 102] and len(found) == 15
    for market, of_market in sums.items():
        mine = found.filter(pl.col("market") == market)
        assert mine["track"].to_list() == sorted(of_market, key=lambda track: -of_market[track])[:5]
        assert (mine["popularity"] / 2**20).to_list() == pytest.approx(sorted(of_market.values())[:-6:-1], abs=1e-4)


def test_markets_do_not_depend_on_buckets(plays: pl.DataFrame) -> None:
    whole = sum_markets(count_markets(plays, as_of=AS_OF, half_life_days=HALF_LIFE))
    counts = pl.concat([count_markets(part, as_of=AS_OF, half_life_days=HALF_LIFE) for part in by_bucket(plays, 7)])
    by_track = [sum_markets(counts.filter(pl.col("track") % 3 == place)) for place in range(3)]
    assert top_k_of_markets(pl.concat([top_k_of_markets(pl.concat(by_track[1:])), by_track[0]])).equals(whole)


def test_markets_are_two_letters() -> None:
    given = pl.DataFrame({"market": ["AA", "zz", "Gb", "GB", "", "G", "GBR", "1A", "É", None]})
    codes = given.select(market_code(pl.col("market"))).to_series()
    assert codes.dtype == pl.Int16
    assert codes.to_list() == [0, 675, 157, 157, None, None, None, None, None, None]


def test_the_stage_keeps_the_best_of_each_market(plays: pl.DataFrame) -> None:

    def build(root: beam.Pipeline) -> beam.PCollection:
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | CountMarkets(AS_OF, HALF_LIFE, num_buckets=2)

    (counts,) = run_graph(build)
    expected = sum_markets(count_markets(plays, as_of=AS_OF, half_life_days=HALF_LIFE))
    assert to_frame(counts[1]).equals(expected) and len(expected) > 0
