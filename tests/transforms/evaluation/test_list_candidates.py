"""Ranked lists of scored candidates, against plain loops."""

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.transforms.evaluation.ranked_lists import lists_of, scored_candidates
from tests.worlds import by_bucket
from transforms.candidates.sources import SOURCES
from transforms.evaluation.list_candidates import ListCandidates, list_candidates
from transforms.evaluation.metrics.system import FIRST_STAGE, RANKER
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.features.feature_tables import SCORED
from transforms.tables.columns import to_table


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return scored_candidates(tmp_path_factory.mktemp("catalog"))[0]


def test_every_source_has_the_list_that_it_proposed(scored: pl.DataFrame) -> None:
    lists = lists_of(list_candidates(scored))
    users = scored["user_id"].unique().to_list()
    for number, source in enumerate(SOURCES):
        for user in users:
            mine = [
                r for r in scored.filter(pl.col("user_id") == user).iter_rows(named=True) if r["sources"] >> number & 1
            ]
            expected = [r["track"] for r in sorted(mine, key=lambda r: (-r[f"score_{source.name}"], r["track"]))]
            assert lists.get((source.name, user), []) == expected
            assert len(expected) <= source.quota


def test_the_first_stage_is_ranked_by_the_blend_and_the_ranker_by_its_score(scored: pl.DataFrame) -> None:
    lists = lists_of(list_candidates(scored))
    for user in scored["user_id"].unique().to_list():
        mine = scored.filter(pl.col("user_id") == user)
        for system, column in ((FIRST_STAGE, "blend_score"), (RANKER, "score")):
            assert lists[system, user] == mine.sort(column, "track", descending=[True, False])["track"].to_list()


def test_the_ranker_is_evaluated_by_its_probability_of_a_listen(scored: pl.DataFrame) -> None:
    ranked = list_candidates(scored).filter(pl.col("system") == RANKER).select("user_id", "track", "score")
    both = ranked.join(scored.select("user_id", "track", "p_listened"), on=["user_id", "track"])
    assert len(both) == len(scored) and both["score"].equals(both["p_listened"])


def test_the_stage_lists_the_candidates_of_every_bucket(scored: pl.DataFrame) -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        return tables_of(root, "scored", SCORED, by_bucket(scored, 3)) | ListCandidates()

    expected = joined([(0, to_table(list_candidates(scored), EVALUATION_ROWS))])
    keys = ("system", "user_id", "rank")
    assert joined(run_graph(build)).sort(keys).equals(expected.sort(keys))
