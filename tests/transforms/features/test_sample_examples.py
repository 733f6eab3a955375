from pathlib import Path

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import element_of, joined, run_graph, snapshot_of, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.blending import PRIOR_BLEND
from transforms.events.user_samples import USER_COUNT, count_users, sampling_share, sum_users
from transforms.features.feature_tables import CANDIDATES, EXAMPLES
from transforms.features.hydrate import hydrate_candidates
from transforms.features.sample_examples import SampleExamples, sample_examples
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS, TRACK_CODES

CUTOFF = AS_OF - 14 * DAY
WINDOW = {"ends_at": CUTOFF + 7 * DAY, "known_until": AS_OF}
BOUNDS = {"starts_at": CUTOFF, "ends_at": CUTOFF + 7 * DAY}


def test_labels_are_the_listens_in_the_window(tmp_path: Path) -> None:
    plays = random_plays(21)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), tmp_path, as_of=CUTOFF), tmp_path, as_of=CUTOFF)
    examples = sample_examples(plays, share=1.0, impressions=None, seed=1, **WINDOW, **moment)
    to_table(examples, EXAMPLES)
    positives = {
        (row["user_id"], row["track"])
        for row in plays.iter_rows(named=True)
        if row["action"] == 0
        and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        and CUTOFF <= row["played_at"] < CUTOFF + 7 * DAY
    }
    found = {
        (user, track): label for user, track, label in examples.select("user_id", "track", "label_listened").iter_rows()
    }
    assert {pair for pair, label in found.items() if label == 1.0} == positives & set(found)
    assert {user for user, _ in found} == {user for user, _ in positives}
    assert 0 < sum(found.values()) < len(found) and examples["cutoff_at"].unique().to_list() == [CUTOFF]


def test_features_are_those_of_serving_at_the_cutoff(tmp_path: Path) -> None:
    plays = random_plays(22)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), tmp_path, as_of=CUTOFF), tmp_path, as_of=CUTOFF)
    examples = sample_examples(plays, share=1.0, impressions=None, seed=1, **WINDOW, **moment)
    served = hydrate_candidates(plays, **moment)
    same = served.join(examples.select("user_id").unique(), on="user_id", how="semi", maintain_order="left")
    assert to_table(examples.select(CANDIDATES.names), CANDIDATES).equals(to_table(same, CANDIDATES))


@pytest.mark.parametrize(("days", "label"), [(14, 1.0), (7.0001, 1.0), (7, 0.0), (14.0001, 0.0)])
def test_the_window_includes_the_cutoff_and_excludes_its_end(days: float, label: float, tmp_path: Path) -> None:
    rows = [{"user_id": "a", "track": 0, "days": 20}, {"user_id": "a", "track": 1, "days": 10}]
    plays = plays_of([*rows, {"user_id": "b", "track": 1, "days": 20}, {"user_id": "a", "track": 0, "days": days}])
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(6), tmp_path, as_of=CUTOFF), tmp_path, as_of=CUTOFF)
    examples = sample_examples(plays, share=1.0, impressions=None, seed=1, **WINDOW, **moment)
    assert examples.filter(pl.col("track") == 0)["label_listened"].to_list() == [label]


def test_a_share_of_the_users_is_sampled_whatever_their_buckets(tmp_path: Path) -> None:
    plays = random_plays(23, num_users=300, num_plays=6000)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), tmp_path, as_of=CUTOFF), tmp_path, as_of=CUTOFF)
    arguments = {**moment, "share": 0.3, "impressions": None, **WINDOW}
    chosen = sample_examples(plays, seed=1, **arguments)["user_id"].cast(pl.String).unique().sort()
    parts = [sample_examples(part, seed=1, **arguments) for part in by_bucket(plays, 7)]
    assert chosen.equals(pl.concat(part["user_id"].cast(pl.String) for part in parts).unique().sort())
    active = sum_users(pl.concat(count_users(part, **BOUNDS) for part in by_bucket(plays, 7)))
    assert active["n_users"].to_list() == count_users(plays, **BOUNDS)["n_users"].to_list()
    assert 0.15 < len(chosen) / active["n_users"].item() < 0.45
    assert not chosen.equals(sample_examples(plays, seed=2, **arguments)["user_id"].cast(pl.String).unique().sort())


@pytest.mark.parametrize(("n_users", "share"), [(0, 1.0), (50, 1.0), (200, 0.5)])
def test_the_share_follows_from_the_number_of_users(n_users: int, share: float) -> None:
    counted = (0, to_table(pl.DataFrame({"n_users": [n_users]}), USER_COUNT))
    assert sampling_share(counted, 100).opener(counted) == share


def test_the_stage_samples_the_examples_of_every_bucket(tmp_path: Path) -> None:
    plays = random_plays(24, num_users=12, num_plays=600)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), tmp_path, as_of=CUTOFF), tmp_path, as_of=CUTOFF)
    moment |= {"max_candidates": 20}
    PRIOR_BLEND.save(tmp_path)

    def build(root: beam.Pipeline) -> beam.PCollection:
        inputs = snapshot_of(root, tmp_path, moment["new_tracks"], CUTOFF)
        stage = SampleExamples(
            inputs,
            element_of(root, "blend", str(tmp_path)),
            None,
            Opened(tables_of(root, "codes", TRACK_CODES, [TRACK_CODES.frame()]), open_frame),
            max_candidates=20,
            label_days=7.0,
            known_until=AS_OF,
            max_users=1_000,
            seed=1,
        )
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | stage

    expected = sample_examples(plays, share=1.0, impressions=None, seed=1, **WINDOW, **moment)
    found = joined(run_graph(build)).sort("user_id", "track")
    assert found.equals(joined([(0, to_table(expected, EXAMPLES))]).sort("user_id", "track")) and len(found) > 0
