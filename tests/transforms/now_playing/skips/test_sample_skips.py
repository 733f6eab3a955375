"""Examples of skips: features against a plain loop; nothing later shows; buckets do not show."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, random_plays, tracks_of
from transforms.catalog.build_catalog import count_tracks, sum_track_counts
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks, write_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.now_playing.skips.sample_skips import SampleSkips, SkipWindow, sample_skips
from transforms.now_playing.skips.skip_examples import SKIP_EXAMPLES
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS, TRACK_COUNTS

STARTS_AT = AS_OF - 30 * DAY
NUM_TRACKS = 40
WINDOW = SkipWindow(STARTS_AT, AS_OF, seed=1)


def tracks() -> pl.DataFrame:
    vectors = np.random.default_rng(2).standard_normal((NUM_TRACKS, 5)).astype(np.float32)
    return tracks_of(NUM_TRACKS).with_columns(vector=pl.Series(vectors.tolist(), dtype=pl.List(pl.Float32)))


def examples_of(plays: pl.DataFrame) -> pl.DataFrame:
    distinct = distinct_tracks(tracks())
    known = collect_tracks(distinct, match_names=True)
    counts = sum_track_counts(count_tracks(plays, as_of=STARTS_AT, half_life_days=14.0))
    keys = content_keys(distinct, known)
    return sample_skips(plays, tracks=known, keys=keys, counts=counts, share=1.0, window=WINDOW).sort(
        "user_key", "number"
    )


def slow_rows(plays: pl.DataFrame) -> list[dict[str, Any]]:
    """Compute some features of every timed play since STARTS_AT by loops."""
    artist = collect_tracks(tracks(), match_names=True)["artist"].to_list()
    vector = np.array(tracks()["vector"].to_list())
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    found = []
    known = plays.filter(pl.col("known_at") < AS_OF, pl.col("action") == 0)
    for _, of_user in known.group_by("user_id", maintain_order=True):
        rows = of_user.to_dicts()
        for number, row in enumerate(rows):
            before = rows[:number]
            session = session_before(before, row)
            skips = [(one["ms_played"] if one["ms_played"] is not None else 30_000) < 30_000 for one in session]
            if row["played_at"] < STARTS_AT or row["ms_played"] is None:
                continue
            last = session[-1]["track"] if session else None
            own = artist[row["track"]]
            found.append(
                {
                    "number": number,
                    "is_skip": float(row["ms_played"] < 30_000),
                    "position": np.log1p(len(session)),
                    "skips_last_1": float(sum(skips[-1:])),
                    "skips_last_3": float(sum(skips[-3:])),
                    "skips_last_5": float(sum(skips[-5:])),
                    "plays_of_track": np.log1p(sum(one["track"] == row["track"] for one in before)),
                    "artist_recent": float(
                        sum(own is not None and artist[one["track"]] == own for one in session[-4:])
                    ),
                    "step": None if last is None else 1 - float(vector[last] @ vector[row["track"]]),
                }
            )
    return found


def session_before(before: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plays of the session that a play goes on with."""
    session: list[dict[str, Any]] = []
    later = row
    for one in reversed(before):
        pause = (later["played_at"] - one["played_at"]).total_seconds() - (one["ms_played"] or 0) / 1000
        if pause > 1800:
            break
        session.insert(0, one)
        later = one
    return session


@pytest.mark.parametrize("seed", range(2))
def test_features_are_those_of_the_slow_loop(seed: int) -> None:
    plays = random_plays(seed, num_plays=600)
    found = examples_of(plays)
    expected = slow_rows(plays)
    assert len(found) == len(expected) > 50
    names = list(expected[0])
    got = sorted(found.select(names).rows(), key=repr)
    want = sorted((tuple(row[name] for name in names) for row in expected), key=repr)
    flat = [[np.nan if value is None else value for value in sorted_row] for sorted_row in got]
    # float32 rounds, so rows are compared in the order of their numbers
    key = lambda row: (row[0], row[1], round(row[2], 3), round(row[6], 3), round(np.nan_to_num(row[8]), 3))  # noqa: E731
    wanted = [[np.nan if value is None else value for value in row] for row in want]
    assert np.array(sorted(flat, key=key)) == pytest.approx(np.array(sorted(wanted, key=key)), abs=1e-5, nan_ok=True)


def test_later_plays_change_nothing_before_them() -> None:
    plays = random_plays(3, num_plays=900)
    cut = AS_OF - 10 * DAY
    late = (pl.col("played_at") >= cut) & (pl.col("action") == 0)
    changed = plays.with_columns(ms_played=pl.when(late).then(500).otherwise("ms_played").cast(pl.Int32))
    earlier = plays.filter((pl.col("action") == 0) & (pl.col("played_at") < cut)).group_by("user_id").len()
    assert len(earlier) > 5
    before, after = examples_of(plays), examples_of(changed)
    both = before.join(after, on=["user_key", "number"], suffix="_after")
    same = both.filter((pl.col("is_skip") == pl.col("is_skip_after")) & (pl.col("is_skip") == 0))
    features = [name for name in SKIP_EXAMPLES.names[4:]]
    assert len(same) > 20
    assert same.select(features).equals(same.select(pl.col(f"{name}_after").alias(name) for name in features))


def test_the_stage_gives_the_same_in_buckets(tmp_path: Path) -> None:
    plays = random_plays(4, num_plays=600)
    (tmp_path / "tracks").mkdir()
    write_tracks(tmp_path / "tracks", tracks=(0, to_table(tracks(), READ_TRACKS)), match_names=True)

    def graph(root):  # type: ignore[no-untyped-def]
        path = element_of(root, "tracks", str(tmp_path / "tracks"))
        rows = tables_of(root, "plays", PLAYS, by_bucket(plays, 3))
        before = sum_track_counts(count_tracks(plays, as_of=STARTS_AT, half_life_days=14.0))
        counts = tables_of(root, "counts", TRACK_COUNTS, [before])
        return rows | SampleSkips(counts, path, WINDOW, max_users=1000)

    assert joined(run_graph(graph)).sort("user_key", "number").equals(examples_of(plays))
