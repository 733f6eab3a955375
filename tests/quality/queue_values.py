"""Queues on the sample world, judged by what is planted there: python -m tests.quality.queue_values --num_users=500.

It writes a world, runs `homeshelf run --surfaces=now_playing` as of a week before its end, and prints: the
value of queues (expected listens among 30 plays by the planted chances) and the distance of neighbours, against other
orders; the next plays of sessions to come; the overlap of queues of other days; and how many relaxed a rule of order.
"""

import argparse
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from pipelines.sample_world import outcomes
from pipelines.sample_world.catalog import SampleCatalog, make_catalog, numbered_ids
from pipelines.sample_world.outcomes import order_log_odds, own_log_odds, usual_affinity
from pipelines.sample_world.sessions import DAY_MS
from pipelines.sample_world.world import Block, WorldSpec, draw_block, write_sample_world

ENDS_AT = datetime(2026, 9, 1, tzinfo=timezone.utc)
WEEK = timedelta(days=7)
LENGTH = 30


class Planted(NamedTuple):
    """A world as it was drawn: its catalog, its users and plays, and the row of each id."""

    catalog: SampleCatalog
    block: Block
    track_rows: dict[str, int]
    user_rows: dict[str, int]


def draw(spec: WorldSpec) -> Planted:
    """Draw the world of write_sample_world() again, of one block of users."""
    start, end = spec.span
    catalog = make_catalog(np.random.default_rng([spec.seed, 0]), spec.num_tracks, start // DAY_MS, end // DAY_MS)
    ids = numbered_ids("user", np.arange(spec.num_users))
    block = draw_block(np.random.default_rng([spec.seed, 1, 0]), catalog, ids, (start, end), end)
    rows = ({one: row for row, one in enumerate(names.to_pylist())} for names in (catalog.track_id, ids))
    return Planted(catalog, block, *rows)


def expected_listens(planted: Planted, user: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Return the expected listens among tracks [Q, 1 + L] of queues: [Q]; the first is the start, listened to."""
    catalog, listeners = planted.catalog, planted.block.listeners
    queues, width = tracks.shape
    row = np.repeat(user, width)
    usual = usual_affinity(planted.block.plays)
    affinity = listeners.affinity(row, listeners.drift[row], catalog.vector[tracks.ravel()][:, None])[:, 0]
    own = own_log_odds(listeners.skip_tendency[row], np.zeros(len(row)), affinity - usual[row])
    order = order_log_odds(catalog, tracks.ravel(), np.tile(np.arange(width), queues))
    log_odds = (own + order).reshape(queues, width)
    after_skip, after_listen = (1 / (1 + np.exp(-(log_odds + sign * outcomes._STREAK))) for sign in (1, -1))
    skipped, listens = np.zeros(queues), np.zeros(queues)
    for place in range(1, width):
        skipped = skipped * after_skip[:, place] + (1 - skipped) * after_listen[:, place]
        listens += 1 - skipped
    return listens


def print_values(run: PublishedRun, planted: Planted) -> None:
    """Print the value of queues, and of other orders from the same starts."""
    neighbours, ids = run.catalog.neighbours, run.catalog.tracks["track_id"].to_list()
    code = {one: row for row, one in enumerate(ids)}
    following = {
        one["track_id"]: [other["track_id"] for other in one["successors"]]
        for one in run.table("successors").collect().to_dicts()
    }
    rng = np.random.default_rng(0)
    lists: dict[str, list[list[str]]] = {}
    users = []
    for queue in run.table("queues").collect().filter(pl.col("context") == "track").to_dicts():
        start = queue["context_id"]
        near = [ids[other] for other in neighbours[code[start]] if other >= 0][:LENGTH]
        tracks = [one["track_id"] for one in queue["tracks"]]
        if min(len(near), len(tracks), len(following.get(start, []))) < LENGTH:
            continue
        by_score = sorted(queue["tracks"], key=lambda one: -one["p_completed"])
        orders = {
            "queue": tracks,
            "its tracks by score": [one["track_id"] for one in by_score],
            "its tracks, shuffled": list(rng.permutation(tracks)),
            "successors of the start": following[start][:LENGTH],
            "item-item neighbours of the start": near,
        }
        for name, order in orders.items():
            lists.setdefault(name, []).append([start, *order])
        users.append(planted.user_rows[queue["user_id"]])
    values = {}
    for name, rows in lists.items():
        tracks = np.array([[planted.track_rows[one] for one in row] for row in rows])
        vector = planted.catalog.vector[tracks]
        step = 1 - np.einsum("qlv,qlv->ql", vector[:, 1:], vector[:, :-1])
        values[name] = expected_listens(planted, np.array(users), tracks).mean()
        ratio = values["queue"] / values[name]
        print(f"{name:36} listens of {LENGTH} {values[name]:6.2f}  queue / it {ratio:.3f}  mean step {step.mean():.3f}")
    print(f"of {len(users):,} queues from {len(set(users)):,} users")


def print_next_plays(run: PublishedRun, events: pl.DataFrame, as_of: datetime) -> None:
    """Print how many of the next ten plays of sessions to come are among the first ten successors of their start."""
    plays = events.filter(pl.col("action") == "play", pl.col("played_at") >= as_of).sort("user_id", "played_at")
    gap = pl.col("played_at").diff().over("user_id") > timedelta(minutes=60)
    sessions = plays.with_columns(session=gap.fill_null(True).cum_sum()).group_by("session", maintain_order=True)
    starts = sessions.agg(start=pl.col("track_id").first(), later=pl.col("track_id").slice(1, 10))
    lists = run.table("successors").collect().select(start="track_id", shown=_ids("successors"))
    found = starts.filter(pl.col("later").list.len() >= 3).join(lists, on="start")
    for most in (10, 50):
        hits = pl.col("shown").list.head(most).list.set_intersection("later").list.len()
        precision, recall = found.select(
            precision=(hits / most).mean(), recall=(hits / pl.col("later").list.len()).mean()
        ).row(0)
        print(
            f"next plays of {len(found):,} sessions in {most} successors: precision {precision:.4f} recall {recall:.4f}"
        )


def _ids(column: str) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().struct.field("track_id"))


def run_all(spec: WorldSpec, folder: Path) -> None:
    """Write the world, run, and print all figures."""
    write_sample_world(folder, spec)
    as_of = spec.ends_at - WEEK
    tables = [f"--events={folder}/events", f"--tracks={folder}/tracks", f"--users_table={folder}/users"]
    for day in range(3):
        at = (as_of + timedelta(days=day)).strftime("%Y-%m-%d")
        assert main(["run", *tables, f"--output={folder}/out{day}", "--surfaces=now_playing", f"--as_of={at}"]) == 0
    run = PublishedRun(str(folder / "out0"), needs_pages=False)
    planted = draw(replace(spec, oracle_at=()))
    print_values(run, planted)
    print_next_plays(run, pl.read_parquet(folder / "events/*.parquet"), as_of)
    first, *others = (_sets(PublishedRun(str(folder / f"out{day}"), needs_pages=False)) for day in range(3))
    for day, other in enumerate(others, start=1):
        both = [len(first[key] & other[key]) / len(first[key]) for key in first.keys() & other.keys()]
        print(f"overlap with the queues of {day} days later: {np.mean(both):.3f} of {len(both):,} contexts in both")
    queues = run.table("queues").collect()
    print(f"{len(queues):,} queues, of {(queues['relaxed'].list.len() > 0).sum():,} a rule of order was relaxed")


def _sets(run: PublishedRun) -> dict[tuple[str, ...], set[str]]:
    rows = run.table("queues").collect().to_dicts()
    return {
        (one["user_id"], one["context"], one["context_id"]): {
            card["track_id"] for card in one["tracks"] if card["source"] != "context"
        }
        for one in rows
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, number in (("--num_users", 500), ("--num_tracks", 5000), ("--num_days", 60), ("--seed", 1)):
        parser.add_argument(flag, type=int, default=number)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run_all(WorldSpec(**vars(given), ends_at=ENDS_AT), Path(scratch))
