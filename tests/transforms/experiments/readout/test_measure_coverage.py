"""Coverage of groups of users, in arms of any size."""

from pathlib import Path

import numpy as np
import polars as pl

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, random_plays
from transforms.experiments.readout.measure_coverage import (
    NUM_GROUPS,
    MeasureCoverage,
    count_groups,
    listened_tracks,
    merge_groups,
)
from transforms.experiments.readout.schemas import ENROLLED
from transforms.tables.hashing import stable_hash, uniform
from transforms.tables.schemas import PLAYS

START = AS_OF - 30 * DAY


def enrolled_of(plays: pl.DataFrame) -> pl.DataFrame:
    users = plays["user_id"].unique().sort()
    rows = {"user_id": users, "arm": np.arange(len(users)) % 2, "exposed_at": [START] * len(users)}
    return ENROLLED.conform(pl.DataFrame(rows)).with_columns(pl.col("user_id").cast(plays["user_id"].dtype))


def test_groups_are_those_of_a_slow_loop_in_any_buckets(tmp_path: Path) -> None:
    plays = random_plays(1, num_users=200, num_plays=4_000)
    enrolled = enrolled_of(plays)
    arm = dict(zip(enrolled["user_id"], enrolled["arm"], strict=True))
    group = dict(zip(enrolled["user_id"], uniform(stable_hash(enrolled["user_id"], seed=NUM_GROUPS)), strict=True))
    tracks: dict[tuple[int, int], set[int]] = {}
    for row in plays.iter_rows(named=True):
        is_listened = row["action"] == 0 and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        if is_listened and row["played_at"] >= START:
            key = (arm[row["user_id"]], int(group[row["user_id"]] * NUM_GROUPS))
            tracks.setdefault(key, set()).add(row["track"])
    found = run_graph(
        lambda root: (
            tables_of(root, "Enrolled", ENROLLED, by_bucket(enrolled, 3))
            | MeasureCoverage(plays=tables_of(root, "Plays", PLAYS, by_bucket(plays, 3)), shares=(1.0, 1.0))
        )
    )
    assert {(a, g): n for a, g, n in joined(found).rows() if n} == {key: len(one) for key, one in tracks.items()}


def test_a_larger_arm_does_not_cover_more() -> None:
    plays = random_plays(2, num_users=3_000, num_tracks=300, num_plays=30_000)
    users = plays["user_id"].unique().sort()
    arms = (np.random.default_rng(1).random(len(users)) < 0.2).astype(np.int8)
    enrolled = ENROLLED.conform(pl.DataFrame({"user_id": users, "arm": arms, "exposed_at": [START] * len(users)}))
    means = {}
    for shares in ((0.8, 0.2), (1.0, 1.0)):
        found = count_groups(merge_groups(listened_tracks(enrolled, plays=plays, shares=shares)))
        means[shares] = dict(found.group_by("arm").agg(pl.col("n_tracks").mean()).rows())
    assert means[0.8, 0.2][0] / means[0.8, 0.2][1] < 1.15 < means[1.0, 1.0][0] / means[1.0, 1.0][1]
