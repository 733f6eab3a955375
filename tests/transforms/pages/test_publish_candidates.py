"""Published candidates: ids for codes, rounded probabilities, and the columns that pages are made of."""

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from transforms.features.feature_tables import SCORED
from transforms.features.features import FEATURES
from transforms.features.rewards import PROBABILITIES
from transforms.pages.candidate_context import select_page_columns
from transforms.pages.publish_candidates import PublishCandidates, publish_candidates
from transforms.pages.published_candidates import RANKED
from transforms.pages.shelves.shelves import SHELVES
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import TRACK_CODES

CODES = pl.DataFrame({"track_id": list("abc"), "track": pl.Series([0, 1, 2], dtype=pl.Int32)})
ROWS = [
    {"user_id": "ann", "track": 2, "seed_track": 0, "score": 0.123456, "p_listened": 0.123456, "activation": 1.25},
    {"user_id": "ann", "track": 1, "seed_track": None, "score": 0.25, "p_listened": 0.000987654},
    {"user_id": "bob", "track": 2, "seed_track": 2, "score": 0.75, "p_listened": 1.0},
]


def test_ids_stand_for_codes_and_scores_are_exact() -> None:
    ranked = publish_candidates(SCORED.frame(ROWS), track_codes=CODES)
    assert to_table(ranked, RANKED).num_rows == 3 and "track" not in ranked.columns
    assert ranked["track_id"].to_list() == ["c", "b", "c"] and ranked["seed_track_id"].to_list() == ["a", None, "c"]
    assert ranked["score"].equals(SCORED.frame(ROWS)["score"])


def test_probabilities_keep_three_significant_digits_and_what_is_unknown() -> None:
    ranked = publish_candidates(SCORED.frame(ROWS), track_codes=CODES)
    assert ranked["p_listened"].to_list() == pytest.approx([0.123, 0.000988, 1.0], rel=1e-6)
    assert all(ranked[name].null_count() == 3 for name in PROBABILITIES if name != "p_listened")


def test_everything_that_pages_are_composed_of_is_published_and_no_other_feature() -> None:
    used = set(select_page_columns(SCORED.frame(), SHELVES).columns)
    coded = {"track", "seed_track", "artist", "genre"}  # the catalog of the run has them
    assert used - coded <= set(RANKED.names)
    features = {one.name for one in FEATURES}
    assert features & set(RANKED.names) == features & used and features - used


def test_the_stage_ranks_every_bucket() -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        scored = tables_of(root, "scored", SCORED, [SCORED.frame(ROWS[:2]), SCORED.frame(ROWS[2:])])
        return scored | PublishCandidates(codes)

    ranked = joined(run_graph(build))
    assert ranked.columns == RANKED.names and ranked["track_id"].to_list() == ["c", "b", "c"]
