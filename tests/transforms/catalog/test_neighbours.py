"""First listens, their track buckets and neighbours, against plain loops."""

from collections import defaultdict
from itertools import groupby

import polars as pl
import pyarrow as pa
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.catalog import neighbours
from transforms.catalog.build_catalog import count_tracks, sum_track_counts
from transforms.catalog.co_listening import CO_LISTEN_WINDOW, keep_first_listens, split_listens
from transforms.catalog.neighbours import find_neighbours
from transforms.catalog.top_k import MAX_ROWS_PER_BLOCK
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import LISTENS, NEIGHBOURS

MOMENTS = [AS_OF - 20 * DAY, AS_OF - 10 * DAY, AS_OF]
EVERYTHING = 1000


def slow_weights(plays: pl.DataFrame, moment: int) -> dict[tuple[int, int], float]:
    """Weights of pairs of first listens as of a moment."""
    weights: dict[tuple[int, int], float] = defaultdict(float)
    rows = [
        row
        for row in plays.iter_rows(named=True)
        if row["action"] == 0
        and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        and row["known_at"] < MOMENTS[moment]
    ]
    for _, of_user in groupby(rows, key=lambda row: row["user_id"]):
        firsts: list[tuple[int, int]] = []
        for row in of_user:
            track, hour = row["track"], int(row["played_at"].timestamp() // 3600)
            if track in [first for first, _ in firsts]:
                continue
            for distance, (other, earlier) in enumerate(reversed(firsts[-CO_LISTEN_WINDOW:]), 1):
                weight = round(1024 * distance**-0.25 * 2 ** (-(hour - earlier) / 2400)) / 1024
                weights[other, track] += weight
                weights[track, other] += weight
            firsts.append((track, hour))
    return weights


def counts_of(plays: pl.DataFrame, moment: int) -> pl.DataFrame:
    return sum_track_counts(count_tracks(plays, as_of=MOMENTS[moment], half_life_days=14.0))


def grouped(parts: list[pl.DataFrame], num_buckets: int) -> list[pl.DataFrame]:
    """LISTENS of track buckets, with the parts of each in reverse order."""
    pieces: dict[int, list[pa.Table]] = defaultdict(list)
    for part in parts[::-1]:
        for bucket, piece in split_listens(part, "track", num_buckets):
            piece.validate(full=True)
            pieces[bucket].append(piece)
    return [to_frame(pa.concat_tables(of_bucket)) for of_bucket in pieces.values()]


@pytest.mark.parametrize("moment", [0, 1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_neighbours_are_those_of_the_slow_loop(seed: int, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # few listens a block: blocks of several tracks, and tracks of several pieces
    monkeypatch.setattr(neighbours, "LISTENS_PER_BLOCK", 7)
    plays = random_plays(seed)
    counts = counts_of(plays, moment)
    listens = to_frame(to_table(keep_first_listens(plays, moments=MOMENTS), LISTENS))
    arguments = {"moment": moment, "track_counts": counts}
    found = find_neighbours(listens, num_neighbours=EVERYTHING, **arguments)
    to_table(found, NEIGHBOURS)
    n = dict(counts.select("track", "n_plays").iter_rows())
    scores = {
        (track, other): weight / n[track] ** 0.5 / n[other] ** 0.05
        for (track, other), weight in slow_weights(plays, moment).items()
        if weight
    }
    assert {(track, other): score for track, other, score in found.rows()} == pytest.approx(scores, rel=1e-6)
    best = found.sort("track", "similarity", "other", descending=[False, True, False])
    few = find_neighbours(listens, num_neighbours=4, **arguments)
    assert few.equals(best.group_by("track", maintain_order=True).head(4).select(few.columns))


@pytest.mark.parametrize("num_buckets", [1, 7, 64])
def test_neighbours_do_not_depend_on_buckets(num_buckets: int) -> None:
    plays = random_plays(5)
    whole = keep_first_listens(plays, moments=MOMENTS)
    parts = [keep_first_listens(part, moments=MOMENTS) for part in by_bucket(plays, num_buckets)]
    for moment in range(len(MOMENTS)):
        arguments = {"moment": moment, "track_counts": counts_of(plays, moment), "num_neighbours": 5}
        split = [
            find_neighbours(listens, **arguments)
            for listens in grouped([to_table(part, LISTENS) for part in parts], num_buckets)
        ]
        expected = find_neighbours(whole, **arguments)
        assert pl.concat(split).sort("track", maintain_order=True).equals(expected)


def test_a_bucket_gets_only_listens_near_its_tracks() -> None:
    rows = [{"user_id": "a", "track": track, "days": 9 - track / 100} for track in range(200)]
    listens = to_table(keep_first_listens(plays_of(rows), moments=[AS_OF]), LISTENS)
    pieces = [to_frame(piece) for _, piece in split_listens(listens, "track", 64)]
    for piece in pieces:
        own = set(piece.filter("is_own")["track"])
        near = {track for track in range(200) if any(abs(track - other) <= CO_LISTEN_WINDOW for other in own)}
        assert piece["track"].to_list() == sorted(near)
    assert sorted(track for piece in pieces for track in piece.filter("is_own")["track"]) == list(range(200))
    assert min(len(piece) for piece in pieces) < 100


def test_late_events_are_unknown_at_earlier_moments() -> None:
    # track 1 is first heard at once, which is known late, and again between 2 and 3
    rows = [(0, 29, 29), (1, 28, 5), (2, 27, 27), (1, 26, 26), (3, 25, 25)]
    plays = plays_of(
        [{"user_id": "a", "track": track, "days": days, "known_at": AS_OF - known * DAY} for track, days, known in rows]
    )
    listens = keep_first_listens(plays, moments=MOMENTS)
    assert [listens.filter(pl.col("moments") & bit > 0)["track"].to_list() for bit in (1, 2, 4)] == [
        [0, 2, 1, 3],
        [0, 2, 1, 3],
        [0, 1, 2, 3],
    ]


def test_pairs_reach_across_sessions_and_count_less_with_the_gap() -> None:
    rows = [("a", 0, 200), ("a", 1, 100), ("a", 0, 99), ("a", 2, 99), ("b", 3, 99)]
    plays = plays_of([{"user_id": user, "track": track, "days": days} for user, track, days in rows])
    weights = weights_of(plays)
    # 100 days halve; the second listen to 0 does not count, and b's plays are b's alone
    assert weights[0, 1] == 512 and weights[1, 2] == round(1024 * 2**-0.01)
    assert weights[0, 2] == round(1024 * 2**-0.25 * 2**-1.01) and not [pair for pair in weights if 3 in pair]


def weights_of(plays: pl.DataFrame) -> dict[tuple[int, int], int]:
    """Summed weights in 1/1024, where every track counts as played once."""
    once = counts_of(plays, 2).with_columns(n_plays=pl.lit(1, pl.Int64))
    listens = keep_first_listens(plays, moments=[AS_OF])
    found = find_neighbours(listens, moment=0, track_counts=once, num_neighbours=EVERYTHING)
    return {(track, other): round(1024 * similarity) for track, other, similarity in found.rows()}


def test_of_a_heavy_user_only_the_newest_first_listens_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.catalog.co_listening._MAX_TRACKS_PER_USER", 3)
    plays = plays_of([{"user_id": "a", "track": track, "days": 9 - track / 10} for track in range(6)])
    assert keep_first_listens(plays, moments=[AS_OF])["track"].to_list() == [3, 4, 5]


def test_skips_and_other_actions_are_not_heard_together() -> None:
    rows = [{"track": 0}, {"track": 1, "ms_played": 29_999}, {"track": 2, "action": 2}, {"track": 3, "ms_played": None}]
    plays = plays_of([{"user_id": "a", "days": 1 - number / 1000, **row} for number, row in enumerate(rows)])
    assert weights_of(plays) == {(0, 3): 1024, (3, 0): 1024}


def test_more_tracks_than_a_block_holds() -> None:
    num_tracks = MAX_ROWS_PER_BLOCK + 3
    plays = plays_of([{"user_id": "a", "track": track, "days": 90 - track / 24} for track in range(num_tracks)])
    weights = weights_of(plays)
    assert all((track, track + 1) in weights for track in range(num_tracks - 1))


def test_neighbours_without_listens() -> None:
    listens = keep_first_listens(plays_of([]), moments=MOMENTS)
    assert list(split_listens(to_table(listens, LISTENS), "track", 7)) == []
    counts = counts_of(plays_of([]), 0)
    assert find_neighbours(listens, moment=0, track_counts=counts, num_neighbours=3).is_empty()
