"""The oracle lists: they depend on the planted truth and the past alone, and their scores are probabilities."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.sample_world import oracle_lists
from pipelines.sample_world.catalog import SampleCatalog, make_catalog, numbered_ids
from pipelines.sample_world.futures import WEEK_DAYS, WorldState, capture_state, draw_listens, draw_weeks
from pipelines.sample_world.listeners import Listeners, make_listeners
from pipelines.sample_world.oracle_lists import ORACLE_LENGTH, ORACLE_LISTS, draw_oracle_lists
from pipelines.sample_world.outcomes import Outcomes, draw_outcomes, usual_affinity
from pipelines.sample_world.past import no_past
from pipelines.sample_world.plays import REPEAT, Plays, draw_plays
from pipelines.sample_world.sessions import DAY_MS, draw_sessions
from pipelines.sample_world.world import WorldSpec, write_sample_world

ENDS_AT = datetime(2026, 9, 1, 13, 30, tzinfo=timezone.utc)
END = int(ENDS_AT.timestamp() * 1000)
DAYS, USERS, TRACKS = 60, 300, 600
START, CUTOFF = END - DAYS * DAY_MS, END - 10 * DAY_MS
SPAN = START, END

Block = tuple[SampleCatalog, Listeners, Plays, Outcomes]


@pytest.fixture(autouse=True)
def few_futures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle_lists, "PLAYS_PER_USER", 600)
    monkeypatch.setattr(oracle_lists, "MIN_FUTURES", 20)
    monkeypatch.setattr(oracle_lists, "MAX_FUTURES", 300)


def make_block(seed: int, num_users: int = USERS) -> Block:
    rng = np.random.default_rng(seed)
    catalog = make_catalog(rng, TRACKS, START // DAY_MS, END // DAY_MS)
    listeners = make_listeners(rng, catalog, numbered_ids("user", np.arange(num_users)), *SPAN)
    sessions = draw_sessions(rng, listeners, ~listeners.is_newcomer, *SPAN)
    plays = draw_plays(rng, catalog, listeners, sessions, no_past(num_users), *SPAN)
    return catalog, listeners, plays, draw_outcomes(rng, catalog, listeners, sessions, plays, usual_affinity(plays))


def stand(block: Block, cutoff_at: int = CUTOFF) -> WorldState:
    catalog, listeners, plays, outcomes = block
    return capture_state(cutoff_at, catalog, listeners, plays, outcomes.played_at, SPAN)


@pytest.fixture(scope="module")
def block() -> Block:
    return make_block(1)


def pairs(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    return np.unique(user * TRACKS + track)


def listened_in_week(block: Block) -> np.ndarray:
    *_, plays, outcomes = block
    rows = (
        (outcomes.played_at >= CUTOFF)
        & (outcomes.played_at < CUTOFF + WEEK_DAYS * DAY_MS)
        & (outcomes.ms_played >= 30_000)
    )
    return pairs(plays.user[rows], plays.track[rows])


def scored(block: Block, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of user and track, and their scores."""
    catalog, listeners, *_ = block
    user, track = (
        pa.compute.index_in(table[name], ids).to_numpy()
        for name, ids in (("user_id", listeners.user_id), ("track_id", catalog.track_id))
    )
    return user.astype(np.int64) * TRACKS + track, table["score"].to_numpy()


def ndcg(key: np.ndarray, score: np.ndarray, targets: np.ndarray, k: int = 10) -> float:
    """Mean over the users with a target, one user after the other."""
    values = []
    for user in np.unique(targets // TRACKS):
        own, wanted = key // TRACKS == user, targets[targets // TRACKS == user]
        best = key[own][np.argsort(-score[own], kind="stable")][:k]
        discount = 1 / np.log2(np.arange(k) + 2)
        values.append(discount[: len(best)][np.isin(best, wanted)].sum() / discount[: len(wanted)].sum())
    return float(np.mean(values))


def test_later_draws_change_nothing(block):
    catalog, listeners, plays, outcomes = block
    late = outcomes.played_at >= CUTOFF
    rng = np.random.default_rng(2)

    def shuffled(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.where(late, rng.permutation(column), column) for name, column in columns.items()}

    by_play = {name: column for name, column in vars(plays).items() if name not in ("user", "traces")}
    other = replace(plays, **shuffled(by_play), traces=replace(plays.traces, **shuffled(vars(plays.traces))))
    assert (other.track != plays.track).any()
    states = stand(block), stand((catalog, listeners, other, outcomes))
    lists = [draw_oracle_lists(np.random.default_rng(3), state) for state in states]
    assert lists[0].equals(lists[1])


def test_lists_have_ranks_and_scores_of_new_and_played_tracks(block):
    table = draw_oracle_lists(np.random.default_rng(3), stand(block))
    assert table.schema.equals(ORACLE_LISTS.arrow)
    lists = pl.from_arrow(table)
    assert lists["score"].is_between(0, 1, closed="right").all()
    assert not lists.select("user_id", "track_id").is_duplicated().any()
    assert lists.select((pl.int_range(pl.len()) == pl.col("rank")).over("user_id")).to_series().all()
    assert lists.select((pl.col("score").diff() <= 0).over("user_id")).to_series().drop_nulls().all()
    assert (lists["cutoff_at"].dt.epoch("ms") == CUTOFF).all()
    key, _ = scored(block, table)
    *_, plays, outcomes = block
    past = outcomes.played_at < CUTOFF
    known = np.isin(key, pairs(plays.user[past], plays.track[past]))
    for part in (key[known], key[~known]):
        assert 50 < np.bincount(part // TRACKS).max() <= ORACLE_LENGTH


def test_scores_are_probabilities():
    """Means over worlds of active users, plays, listened pairs (new and played before) and listens of a week."""
    totals = np.zeros((2, 6))
    for seed in range(10, 16):
        block = make_block(seed, 400)
        _, listeners, plays, outcomes = block
        state = stand(block)
        copies = 10
        future_of = np.repeat(np.arange(400), copies)
        futures = state.take(future_of)
        weeks = draw_weeks(np.random.default_rng(seed), futures)
        listens = draw_listens(np.random.default_rng(seed), futures, weeks)
        possible = np.bincount(future_of, weeks.is_possible, minlength=400)
        week = (outcomes.played_at >= CUTOFF) & (outcomes.played_at < CUTOFF + WEEK_DAYS * DAY_MS)
        real_listens = outcomes.ms_played >= 30_000
        weight = 1 / np.maximum(possible[future_of], 1)
        pair = np.unique(plays.user[week & real_listens] * TRACKS + plays.track[week & real_listens])
        drawn = np.unique(weeks.plays.user[listens] * TRACKS + weeks.plays.track[listens])
        is_known = state.past.has_played(pair // TRACKS, pair % TRACKS)
        drawn_known = futures.past.has_played(drawn // TRACKS, drawn % TRACKS)
        due, is_due = state.is_due(), futures.is_due()
        totals[0] += (
            *(len(np.unique(plays.user[week & ~due[plays.user]])), len(np.unique(plays.user[week & due[plays.user]]))),
            *(week.sum(), is_known.sum(), (~is_known).sum(), real_listens[week].sum()),
        )
        active = np.unique(weeks.plays.user)
        per_play, per_pair = weight[weeks.plays.user], weight[drawn // TRACKS]
        totals[1] += (
            *(weight[active][~is_due[active]].sum(), weight[active][is_due[active]].sum()),
            *(per_play.sum(), per_pair[drawn_known].sum(), per_pair[~drawn_known].sum(), per_play[listens].sum()),
        )
    assert totals[1] == pytest.approx(totals[0], rel=0.08)


def test_the_oracle_ranks_better_than_scores_from_the_log_alone(block):
    _, _, plays, outcomes = block
    targets = listened_in_week(block)
    key, score = scored(block, draw_oracle_lists(np.random.default_rng(3), stand(block)))
    past = (outcomes.played_at < CUTOFF) & (outcomes.ms_played >= 30_000)
    own, of_play = np.unique(plays.user[past] * TRACKS + plays.track[past], return_inverse=True)
    days = (CUTOFF - outcomes.played_at[past]) / DAY_MS
    activation = np.bincount(of_play, np.maximum(days, 0.01) ** -0.5)
    everyone = np.arange(USERS * TRACKS)
    popular = np.bincount(plays.track[past], 0.5 ** (days / 14), minlength=TRACKS)[everyone % TRACKS]
    assert ndcg(key, score, targets) > 1.4 * ndcg(own, np.bincount(of_play), targets)
    assert ndcg(key, score, targets) > 1.25 * ndcg(own, activation, targets)
    assert ndcg(key, score, targets) > 1.4 * ndcg(everyone, popular, targets)
    known = stand(block).past.has_played
    new, is_new = (~known(keys // TRACKS, keys % TRACKS) for keys in (targets, key))
    assert ndcg(key[is_new], score[is_new], targets[new]) > 1.4 * ndcg(everyone, popular, targets[new])


def test_a_run_of_repeats_continues(block):
    """A week that begins with a repeat after a repeat most often plays what comes next in the run."""
    state = stand(block)
    traces, first = state.past.traces, state.past.first
    last = first[1:] - 1
    runs = np.flatnonzero((np.diff(first) > 10) & (traces.kind[last] == REPEAT) & (traces.distance[last] > 5))
    futures = state.take(np.repeat(runs, 200))
    plays = draw_weeks(np.random.default_rng(1), futures).plays
    opening = np.flatnonzero(np.diff(plays.user, prepend=-1) > 0)
    opening = opening[plays.traces.kind[opening] == REPEAT]
    user = np.repeat(runs, 200)[plays.user[opening]]
    expected = traces.track[last[user] + 1 - traces.distance[last[user]]]
    assert 0.8 < (plays.track[opening] == expected).mean() < 0.95


def test_a_future_without_a_past_is_the_world_itself(block):
    """With nothing played, the same random numbers make the same plays, whatever others have played."""
    catalog, listeners, *_ = block
    sessions = draw_sessions(np.random.default_rng(1), listeners, ~listeners.is_newcomer, *SPAN)
    past = stand(block).past
    none = replace(past, first=np.append(past.first, past.first[-1]), whose=np.full(USERS, USERS))
    draws = [
        draw_plays(np.random.default_rng(2), catalog, listeners, sessions, past, *SPAN)
        for past in (no_past(USERS), none)
    ]
    assert np.array_equal(draws[0].track, draws[1].track)


def test_an_empty_week_gives_no_lists(block):
    catalog, listeners, plays, outcomes = block
    idle = replace(listeners, active_share=np.zeros(USERS), is_newcomer=np.ones(USERS, dtype=bool))
    assert draw_oracle_lists(np.random.default_rng(1), stand((catalog, idle, plays, outcomes))).num_rows == 0


def write(folder: Path, users: int, cutoffs: list[datetime]) -> dict[str, int]:
    spec = WorldSpec(num_users=users, num_tracks=100, num_days=20, seed=1, ends_at=ENDS_AT, oracle_at=cutoffs)
    return write_sample_world(folder, spec)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_oracle_lists_change_neither_the_world_nor_each_other(tmp_path):
    early, late = ENDS_AT - timedelta(days=15), ENDS_AT - timedelta(days=4, minutes=7)
    asked = {"none": [], "late": [late], "again": [late], "both": [early, late]}
    rows = {name: write(tmp_path / name, 12, states) for name, states in asked.items()}
    worlds = {name: contents(tmp_path / name) for name in asked}
    assert worlds["late"] == worlds["again"]
    assert worlds["none"] == {path: content for path, content in worlds["both"].items() if "oracle_lists" not in path}
    assert "oracle_lists" not in rows["none"] and rows["both"]["oracle_lists"] > rows["late"]["oracle_lists"] > 0
    lists = {name: pl.read_parquet(tmp_path / name / "oracle_lists") for name in ("late", "both")}
    assert lists["both"].filter(cutoff_at=late).equals(lists["late"])


def test_a_user_does_not_depend_on_later_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.sample_world.world.PLAYS_PER_BLOCK", 400)
    for name, users in (("few", 12), ("more", 18)):
        write(tmp_path / name, users, [ENDS_AT - timedelta(days=5)])
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    assert len(few) > len(list((tmp_path / "few" / "oracle_lists").iterdir())) > 1
    assert all(more[path] == content for path, content in few.items())


@pytest.mark.parametrize("users, tracks, days", [(1, 1, 1), (3, 2, 2), (7, 9, 400), (40, 2, 10)])
def test_tiny_worlds(tmp_path, users, tracks, days):
    cutoffs = [ENDS_AT - timedelta(days=days) * share for share in (0.999, 0.5, 0.001)]
    spec = WorldSpec(num_users=users, num_tracks=tracks, num_days=days, seed=1, ends_at=ENDS_AT, oracle_at=cutoffs)
    rows = write_sample_world(tmp_path, spec)
    assert rows["oracle_lists"] == len(pl.read_parquet(tmp_path / "oracle_lists"))


def test_the_command_writes_oracle_lists(tmp_path, capsys):
    argv = [
        "sample",
        f"--output={tmp_path}",
        "--num_users=20",
        "--num_tracks=50",
        "--num_days=10",
        "--oracle_at=2025-12-28,2025-12-30",
    ]
    assert main(argv) == 0
    assert "oracle_lists" in capsys.readouterr().out
    (path,) = (tmp_path / "oracle_lists").iterdir()
    assert pq.read_schema(path).equals(ORACLE_LISTS.arrow)
    cutoffs = pl.read_parquet(path)["cutoff_at"].unique().sort().to_list()
    assert cutoffs == [datetime(2025, 12, day, tzinfo=timezone.utc) for day in (28, 30)]


def test_cutoffs_outside_the_world_are_refused(tmp_path, capsys):
    assert main(["sample", f"--output={tmp_path}", "--num_days=10", "--oracle_at=2025-12-28,2026-02-01"]) == 2
    assert "--oracle_at" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
