"""Scoring with a ranker that needs no training."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from models.ranker.contract import FeatureBatch
from tests.stages import element_of, joined, run_graph, tables_of
from tests.transforms.ranking.training_examples import HEADS, ByTrack, examples_file
from tests.worlds import catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.features.feature import Feature
from transforms.features.feature_tables import CANDIDATES, SCORED
from transforms.features.features import FEATURES
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import REWARDS
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import (
    encode_batch,
    learn_vocabulary,
    open_vocabulary,
)
from transforms.ranking.score_candidates import ScoreCandidates, encode_candidates, score_candidates
from transforms.tables.columns import to_table


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **snapshot_inputs(plays, catalog, tmp_path)), catalog


def test_the_score_is_the_expected_reward_of_the_rankers_probabilities(world: tuple[pl.DataFrame, Any]) -> None:
    candidates, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    ranker = ByTrack(vocabulary.spec(HEADS))
    scored = score_candidates(encode_candidates(candidates, catalog=catalog, vocabulary=vocabulary), ranker=ranker)
    assert to_table(scored, SCORED).num_rows == len(candidates)
    probabilities = ranker.score(encode_batch(candidates, vocabulary.rows_of(catalog)))
    assert scored.select("p_listened", "p_skipped").to_numpy() == pytest.approx(probabilities)
    assert scored["p_saved"].null_count() == len(scored)
    weights = {reward.name: reward.weight for reward in REWARDS}
    rewards = probabilities @ [weights[name] for name in HEADS]
    assert scored["score"].to_numpy() == pytest.approx(np.maximum(rewards, 0), rel=1e-5)


def test_the_stage_scores_the_candidates_of_every_bucket_with_the_ranker_at_the_path(
    world: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    candidates, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    (tmp_path / "ranker").mkdir()
    vocabulary.save(tmp_path / "ranker")

    def load(path: str) -> ByTrack:
        return ByTrack(open_vocabulary(path).spec(HEADS))

    def build(root: beam.Pipeline) -> beam.PCollection:
        paths = [element_of(root, name, str(tmp_path / name)) for name in ("ranker", "catalog")]
        frames = [candidates, CANDIDATES.frame()]
        return tables_of(root, "candidates", CANDIDATES, frames) | ScoreCandidates(*paths, load)

    encoded = encode_candidates(candidates, catalog=catalog, vocabulary=vocabulary)
    expected = to_table(score_candidates(encoded, ranker=ByTrack(vocabulary.spec(HEADS))), SCORED)
    scored = dict(run_graph(build))
    assert joined([(0, scored[0])]).equals(joined([(0, expected)]))
    assert scored[1].schema.equals(SCORED.arrow) and scored[1].num_rows == 0


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Any]:
    """Candidates in which every feature has many values, and their catalog."""
    plays = random_plays(61)
    folder = tmp_path_factory.mktemp("spread")
    catalog = catalog_of(plays, tracks_of(40), folder / "catalog")
    candidates = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, folder))
    rng = np.random.default_rng(3)
    drawn = [pl.Series(one.name, rng.lognormal(0, 2, len(candidates)) - 1, pl.Float32) for one in FEATURES]
    return candidates.with_columns(drawn), catalog


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_is_the_same_in_training_and_in_scoring(
    feature: Feature, spread: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    """Compare the stream of examples from a published file with the batch that the scoring stage encodes."""
    candidates, catalog = spread
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    rows = vocabulary.rows_of(catalog)
    (chunk,) = stream_examples([examples_file(tmp_path / "0.parquet", candidates, 1).path], rows, HEADS)
    seen: list[FeatureBatch] = []

    class Recorder(ByTrack):
        def score(self, batch: FeatureBatch) -> np.ndarray:
            seen.append(batch)
            return super().score(batch)

    ordered = candidates.sort("user_id", "track")
    encoded = encode_candidates(ordered, catalog=catalog, vocabulary=vocabulary)
    score_candidates(encoded, ranker=Recorder(vocabulary.spec(HEADS)))
    column = vocabulary.spec(HEADS).dense.index(feature.name)
    np.testing.assert_array_equal(chunk.features["dense"][:, column], seen[0]["dense"][:, column])
    assert len(np.unique(seen[0]["dense"][:, column])) > 100
    for name in ("track", "artist", "recent"):
        np.testing.assert_array_equal(chunk.features[name], seen[0][name])
