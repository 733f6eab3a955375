"""The stage that generates candidates, as a graph applies it."""

from pathlib import Path

import apache_beam as beam

from tests.stages import element_of, joined, run_graph, snapshot_of, tables_of
from tests.worlds import AS_OF, by_bucket, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.blending import PRIOR_BLEND
from transforms.features.feature_tables import CANDIDATES
from transforms.features.generate_candidates import GenerateCandidates, generate_candidates
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS


def test_the_stage_generates_the_candidates_of_every_bucket(tmp_path: Path) -> None:
    plays = random_plays(12, num_users=12, num_plays=400)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), tmp_path), tmp_path) | {"max_candidates": 20}
    PRIOR_BLEND.save(tmp_path)

    def build(root: beam.Pipeline) -> beam.PCollection:
        inputs = snapshot_of(root, tmp_path, moment["new_tracks"], AS_OF)
        stage = GenerateCandidates(inputs, element_of(root, "blend", str(tmp_path)), max_candidates=20)
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | stage

    expected = joined([(0, to_table(generate_candidates(plays, **moment), CANDIDATES))])
    assert joined(run_graph(build)).sort("user_id", "track").equals(expected)
    assert expected["user_id"].n_unique() == 12 and expected.group_by("user_id").len()["len"].max() >= 20
