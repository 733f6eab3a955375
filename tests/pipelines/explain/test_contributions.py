import numpy as np
import polars as pl
import pytest

from models.ranker.contract import FeatureBatch, FeatureSpec
from pipelines.explain.contributions import FEATURE_GROUPS, feature_contributions
from pipelines.explain.replay import Replay
from pipelines.inputs.published import PublishedRun
from tests.runs import Published
from transforms.features.features import FEATURES
from transforms.ranking.ranker_files import open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.tables.schemas import RECENT_LENGTH

NAMES = [feature.name for feature in FEATURES]


class ByOne:
    """A ranker that looks at one feature alone: its listens are that feature's logistic."""

    def __init__(self, name: str) -> None:
        self.spec = FeatureSpec(tuple(NAMES), 0, 0, RECENT_LENGTH, ("listened",))
        self.place = NAMES.index(name)

    def score(self, batch: FeatureBatch) -> np.ndarray:
        return (1 / (1 + np.exp(-batch["dense"][:, self.place : self.place + 1]))).astype(np.float32)


@pytest.mark.parametrize(
    "name", ["plays_of_track", "track_plays_7d", "user_plays_7d", "two_tower_similarity", "rank_score_popular"]
)
def test_only_the_group_that_counts_contributes(name: str, published: Published) -> None:
    run = PublishedRun(str(published.folder))
    user = published.table("candidates")["user_id"][0]
    candidates = Replay(run, user, "home").features
    vocabulary = open_vocabulary(run.artifact("ranker"))
    highest = candidates.sort(name, "track_id")["track_id"][-1]
    score, parts = feature_contributions(candidates, highest, ByOne(name), vocabulary, run.catalog)
    value, median = candidates[name].max(), float(np.median(candidates[name].to_numpy()))
    assert score == pytest.approx(1 / (1 + np.exp(-value)), rel=1e-5)
    group = next(feature.group for feature in FEATURES if feature.name == name)
    expected = {one: 1 / (1 + np.exp(-median)) if one == group else score for one in FEATURE_GROUPS}
    assert {part.group: part.without for part in parts} == pytest.approx(expected, rel=1e-5)


def test_the_score_of_the_real_ranker_is_near_the_published_one(published: Published) -> None:
    """It lacks the recent tracks alone; every group has a name."""
    run = PublishedRun(str(published.folder))
    path = run.artifact("ranker")
    rows = published.table("candidates").filter(pl.col("user_id") == pl.col("user_id").first()).sort("track_id")
    candidates = Replay(run, rows["user_id"][0], "home").features
    pairs = [
        (
            feature_contributions(candidates, row["track_id"], load_ranker(path), open_vocabulary(path), run.catalog)[
                0
            ],
            row["score"],
        )
        for row in rows.head(8).iter_rows(named=True)
    ]
    ours, theirs = np.array(pairs).T
    assert np.abs(ours - theirs).max() < 0.02 and all(FEATURE_GROUPS)
