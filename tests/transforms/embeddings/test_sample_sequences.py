"""The sequences that the towers learn from, against plain loops."""

from datetime import timedelta

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from tests.stages import run_graph, tables_of
from tests.transforms.embeddings.plain_listens import listens
from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.embeddings.sample_sequences import SampleSequences, sample_sequences
from transforms.embeddings.sequences import SEQUENCES, SEQUENCES_PER_USER, concat_sequences
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(3, num_users=40, num_plays=2500)


def test_a_moment_before_everything_gives_no_sequence(plays: pl.DataFrame) -> None:
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


def test_the_stage_samples_about_as_many_users_as_it_may(plays: pl.DataFrame) -> None:
    tables = by_bucket(plays, 3)

    def drawn(max_users: int) -> pl.DataFrame:
        def build(root: beam.Pipeline) -> beam.PCollection:
            return tables_of(root, "plays", PLAYS, tables) | SampleSequences(AS_OF, max_users, seed=1)

        elements = run_graph(build)
        return pl.concat([pl.DataFrame(pl.from_arrow(table)) for _, table in elements]).sort("user_key", "number")

    users = len({user for user in plays["user_id"] if listens(plays, user)})
    for max_users, share in ((1_000, 1.0), (users // 2, users // 2 / users)):
        expected = sample_sequences(plays, as_of=AS_OF, share=share, seed=1)
        assert drawn(max_users).equals(expected.sort("user_key", "number"))
