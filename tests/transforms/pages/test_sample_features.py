"""All features of whole users of a sample, which do not depend on the buckets."""

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from transforms.events.user_samples import USER_COUNT
from transforms.features.feature_tables import SCORED
from transforms.pages.published_candidates import CANDIDATE_FEATURES
from transforms.pages.sample_features import SampleFeatures, sample_features
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.schemas import TRACK_CODES

CODES = pl.DataFrame({"track_id": list("abc"), "track": pl.Series([0, 1, 2], dtype=pl.Int32)})
USERS = [f"u{number:03d}" for number in range(200)]
ROWS = SCORED.frame(
    [{"user_id": user, "track": track, "activation": float(track)} for user in USERS for track in range(3)]
)


def test_a_sample_has_all_candidates_of_its_users_and_does_not_depend_on_the_bucket() -> None:
    found = sample_features(ROWS, track_codes=CODES, share=0.25, seed=3)
    assert found.columns == CANDIDATE_FEATURES.names
    assert found.group_by("user_id").len()["len"].eq(3).all() and 30 <= found["user_id"].n_unique() <= 70
    assert found.select("track_id", "activation").unique().sort("track_id").rows() == [("a", 0), ("b", 1), ("c", 2)]
    parts = [sample_features(ROWS[at : at + 60], track_codes=CODES, share=0.25, seed=3) for at in range(0, 600, 60)]
    assert pl.concat(parts).equals(found)


@pytest.mark.parametrize(("max_users", "low", "high"), [(0, 0, 0), (50, 25, 80), (1_000, 200, 200)])
def test_the_stage_samples_about_as_many_users_as_are_asked_for(max_users: int, low: int, high: int) -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        n_users = tables_of(root, "users", USER_COUNT, [USER_COUNT.frame([{"n_users": len(USERS)}])])
        scored = tables_of(root, "scored", SCORED, [ROWS[:300], ROWS[300:]])
        return scored | SampleFeatures(n_users, codes, max_users, 1)

    assert low <= joined(run_graph(build))["user_id"].n_unique() <= high
