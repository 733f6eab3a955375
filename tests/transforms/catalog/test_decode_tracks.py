"""Track ids for track codes."""

import apache_beam as beam
import polars as pl

from tests.stages import joined, run_graph, tables_of
from transforms.catalog.decode_tracks import DecodeTracks, decode_tracks
from transforms.features.feature_tables import EXAMPLES, FEATURE_ROWS
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import TRACK_CODES

CODES = pl.DataFrame({"track_id": list("abc"), "track": pl.Series([0, 1, 2], dtype=pl.Int32)})
ROWS = [
    {"user_id": "ann", "track": 2, "seed_track": 0, "blend_score": 0.5},
    {"user_id": "ann", "track": 1, "seed_track": None, "blend_score": 0.25},
    {"user_id": "bob", "track": 2, "seed_track": 2, "blend_score": 0.75},
]
NAMED = [("ann", "c", 0.5), ("ann", "b", 0.25), ("bob", "c", 0.75)]
COLUMNS = ("user_id", "track_id", "blend_score")


def test_ids_stand_for_codes() -> None:
    examples = decode_tracks(EXAMPLES.frame(ROWS), track_codes=CODES, columns=FEATURE_ROWS.names)
    assert to_table(examples, FEATURE_ROWS).num_rows == 3
    assert examples.select(COLUMNS).rows() == NAMED


def test_the_stage_names_the_tracks_of_every_bucket() -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        codes = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        coded = tables_of(root, "coded", EXAMPLES, [EXAMPLES.frame(ROWS[:2]), EXAMPLES.frame(ROWS[2:])])
        return coded | DecodeTracks(codes, FEATURE_ROWS)

    examples = joined(run_graph(build))
    assert examples.columns == FEATURE_ROWS.names and examples.select(COLUMNS).rows() == NAMED
