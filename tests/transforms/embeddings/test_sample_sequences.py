"""What users look like to the towers, against plain loops."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from models.towers.contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH
from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.embeddings.sample_sequences import sample_sequences
from transforms.embeddings.sequences import SEQUENCES, SEQUENCES_PER_USER, concat_sequences, latest_sequences
from transforms.tables.columns import to_table


def listens(plays: pl.DataFrame, user: str) -> list[dict]:
    rows = plays.filter(pl.col("user_id") == user).to_dicts()
    known = [row for row in rows if row["action"] == 0 and row["known_at"] < AS_OF]
    return [row for row in known if (row["ms_played"] is None or row["ms_played"] >= 30_000)]


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(3, num_users=40, num_plays=2500)


def test_the_latest_are_those_known_at_the_moment(plays: pl.DataFrame) -> None:
    found = latest_sequences(plays, as_of=AS_OF)
    users = plays["user_id"].unique(maintain_order=True).to_list()
    assert len(found) == len(users)
    for place, user in enumerate(users):
        rows = listens(plays, user)
        tracks = [row["track"] for row in rows]
        newest = tracks[::-1][:SEQUENCE_LENGTH]
        assert found.tracks[place].tolist() == newest + [-1] * (SEQUENCE_LENGTH - len(newest))
        often = sorted(set(tracks), key=lambda track: (-tracks.count(track), track))[:FREQUENT_LENGTH]
        assert found.frequent[place].tolist() == often + [-1] * (FREQUENT_LENGTH - len(often))
        parts = [row["played_at"].hour * DAY_PARTS // 24 for row in rows]
        shares = [parts.count(part) / max(1, len(parts)) for part in range(DAY_PARTS)]
        assert found.daypart_histogram[place].tolist() == pytest.approx(shares)
    assert (found.tracks == -1).any() and (found.tracks[:, -1] >= 0).any()


def test_a_moment_before_everything_knows_nothing(plays: pl.DataFrame) -> None:
    found = latest_sequences(plays, as_of=AS_OF - 90 * DAY)
    assert (found.tracks == -1).all() and (found.frequent == -1).all() and not found.daypart_histogram.any()
    assert sample_sequences(plays, as_of=AS_OF - 90 * DAY, share=1.0, seed=1).is_empty()


def test_stretches_are_whole_runs_of_plays(plays: pl.DataFrame) -> None:
    drawn = sample_sequences(plays, as_of=AS_OF, share=1.0, seed=1)
    assert drawn.group_by("user_key").len()["len"].max() == SEQUENCES_PER_USER
    runs = [[row["track"] for row in listens(plays, user)][::-1] for user in plays["user_id"].unique()]
    for row in drawn.iter_rows(named=True):
        stretch = [track for track in row["tracks"] if track >= 0]
        assert len(set(stretch)) > 1
        assert any(run[at : at + len(stretch)] == stretch for run in runs for at in range(len(run)))
    assert len(set(drawn["number"])) > 30, "they should be drawn from everywhere in the history"


def test_neither_buckets_nor_their_order_show(plays: pl.DataFrame) -> None:
    whole = sample_sequences(plays, as_of=AS_OF, share=0.6, seed=1)
    tables = [
        to_table(sample_sequences(part, as_of=AS_OF, share=0.6, seed=1), SEQUENCES) for part in by_bucket(plays, 4)
    ]
    one = concat_sequences([(0, to_table(whole, SEQUENCES))])
    other = concat_sequences(list(enumerate(tables))[::-1])
    for name in ("tracks", "frequent", "daypart_histogram"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    users = sample_sequences(plays, as_of=AS_OF, share=1.0, seed=1)["user_key"].n_unique()
    assert 0 < whole["user_key"].n_unique() < users
    again = sample_sequences(plays, as_of=AS_OF, share=0.6, seed=2)
    assert not again["user_key"].sort().equals(whole["user_key"].sort())


def test_one_track_over_and_over_teaches_nothing() -> None:
    rows = [{"user_id": "a", "track": 7, "days": days} for days in range(1, 9)]
    rows += [{"user_id": "b", "track": track, "days": 1} for track in (1, 2)]
    late = {"user_id": "b", "track": 3, "days": 2, "known_at": AS_OF + timedelta(hours=1)}
    drawn = sample_sequences(plays_of([*rows, late]), as_of=AS_OF, share=1.0, seed=1)
    assert {tuple(track for track in row if track >= 0) for row in drawn["tracks"].to_list()} == {(2, 1)}
