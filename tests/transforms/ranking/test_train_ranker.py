"""Vocabularies, encoding, training and scoring around a ranker that is no model."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from models.ranker.contract import SPEC_FILE, FeatureBatch, FeatureSpec
from models.ranker.entry import TrainingData
from tests.worlds import catalog_of, moment_of, plays_of, random_plays, tracks_of
from transforms.candidates.blending import PRIOR_BLEND
from transforms.events.match_impressions import add_impressions
from transforms.features.features import CANDIDATES, FEATURE_ROWS, FEATURES, Feature
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import LABELS, REWARDS
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import (
    Vocabulary,
    check_ranker,
    encode_batch,
    learn_vocabulary,
    open_vocabulary,
    read_training_report,
    write_rewards,
)
from transforms.ranking.score_candidates import ScoreCandidates, encode_candidates, score_candidates
from transforms.ranking.train_ranker import RankerPlan, train_ranker
from transforms.tables.buckets import Element
from transforms.tables.columns import to_table
from transforms.tables.files import PublishedFile, parquet_bytes
from transforms.tables.schemas import RECENT_LENGTH
from transforms.tables.write_tables import sort_table


class ByTrack:
    """A ranker whose score says which rows it was given."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec

    def score(self, batch: FeatureBatch) -> np.ndarray:
        named = batch["track"] + batch["artist"] / 100 + batch["recent"][:, 0] / 10_000
        return np.column_stack([named, named / 10]).astype(np.float32)


HEADS = ("listened", "skipped")


def vocabulary_of(track_ids: list[str], artist_ids: list[str]) -> Vocabulary:
    return Vocabulary(pl.Series(track_ids, dtype=pl.String), pl.Series(artist_ids, dtype=pl.String))


@pytest.fixture
def world(tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    plays = random_plays(31)
    catalog = catalog_of(plays, tracks_of(40), tmp_path / "catalog")
    return hydrate_candidates(plays, **moment_of(plays, catalog, tmp_path)), catalog


def test_rows_follow_ids_not_codes(tmp_path: Path) -> None:
    catalog = catalog_of(plays_of([]), tracks_of(6), tmp_path)
    tracks, artists = vocabulary_of(["t0004", "t0001", "gone"], ["a1", "a9"]).rows_of(catalog)
    assert tracks.tolist() == [0, 2, 0, 0, 1, 0, 0] and tracks.dtype == np.int32
    # artists of the catalog: a0 a1 a2 a3 a5; the last row answers an unknown artist
    assert artists.tolist() == [0, 1, 0, 0, 0, 0]


def test_only_what_was_played_enough_has_an_embedding(world: tuple[pl.DataFrame, Any]) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=20)
    played = catalog.tracks.filter(pl.col("n_plays") >= 20)
    assert vocabulary.track_ids.to_list() == played["track_id"].to_list() and 0 < len(played) < 40
    assert set(vocabulary.artist_ids) == set(played["artist_id"].drop_nulls())
    spec = vocabulary.spec(HEADS)
    assert (spec.num_tracks, spec.recent_length, spec.heads) == (len(played), RECENT_LENGTH, HEADS)


def test_a_batch_holds_the_rows_of_the_candidates(world: tuple[pl.DataFrame, Any]) -> None:
    candidates, catalog = world
    rows = learn_vocabulary(catalog, min_plays=5).rows_of(catalog)
    batch = encode_batch(candidates, rows)
    for place, row in enumerate(candidates.iter_rows(named=True)):
        assert batch["dense"][place].tolist() == [row[feature.name] for feature in FEATURES]
        assert batch["track"][place] == rows[0][row["track"]]
        assert batch["artist"][place] == (0 if row["artist"] is None else rows[1][row["artist"]])
        assert batch["recent"][place].tolist() == [0 if code < 0 else rows[0][code] for code in row["recent"]]
    assert {name: array.dtype for name, array in batch.items()} == {
        "dense": np.float32,
        "track": np.int32,
        "artist": np.int32,
        "recent": np.int32,
    }


def test_scoring_in_a_graph_is_scoring_the_batch(world: tuple[pl.DataFrame, Any], tmp_path: Path) -> None:
    candidates, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    (tmp_path / "ranker").mkdir()
    vocabulary.save(tmp_path / "ranker")
    ranker = ByTrack(vocabulary.spec(HEADS))
    expected = score_candidates(encode_candidates(candidates, catalog=catalog, vocabulary=vocabulary), ranker=ranker)
    chances = ranker.score(encode_batch(candidates, vocabulary.rows_of(catalog)))
    assert expected.select("p_listened", "p_skipped").to_numpy() == pytest.approx(chances)
    assert expected["p_saved"].null_count() == len(expected)
    weights = {reward.name: reward.weight for reward in REWARDS}
    worth = chances @ [weights[name] for name in HEADS]
    assert expected["score"].to_numpy() == pytest.approx(np.maximum(worth, 0), rel=1e-5)
    total = round(float(expected["score"].cast(pl.Float64).sum()), 2)
    opened: list[str] = []

    def load(path: str) -> ByTrack:
        opened.append(path)
        return ByTrack(open_vocabulary(path).spec(HEADS))

    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
        paths = [root | name >> beam.Create([str(tmp_path / name)]) for name in ("ranker", "catalog")]
        tables = [(0, to_table(candidates, CANDIDATES)), (1, CANDIDATES.empty())]
        scored = root | beam.Create(tables, reshuffle=False).with_output_types(Element) | ScoreCandidates(*paths, load)
        sums = scored | beam.MapTuple(
            lambda bucket, rows: (bucket, round(float(np.sum(rows["score"].to_numpy(), dtype=float)), 2))
        )
        assert_that(sums, equal_to([(0, total), (1, 0.0)]))


def examples_file(path: Path, candidates: pl.DataFrame, label: int) -> PublishedFile:
    """Write examples listened to or not, saved if their code is even, never skipped, with unsettled repeats."""
    cutoff = datetime(2025, 12, 1, tzinfo=timezone.utc)
    known = {"label_listened": pl.lit(label), "label_saved": pl.col("track") % 2 == 0, "label_skipped": pl.lit(0)}
    labels = [known.get(name, pl.lit(None)).cast(pl.Float32).alias(name) for name in LABELS]
    exposed = add_impressions(candidates, None, candidates, cutoff)
    labelled = exposed.with_columns(*labels, cutoff_at=pl.lit(cutoff), track_id=pl.lit("t"))
    content = parquet_bytes(sort_table(to_table(labelled, FEATURE_ROWS), ("user_id", "track")))
    path.write_bytes(content)
    return PublishedFile("features", str(path), len(candidates), len(content), "")


def test_training_streams_whole_users_and_keeps_the_report(world: tuple[pl.DataFrame, Any], tmp_path: Path) -> None:
    candidates, catalog = world
    names = candidates["user_id"].cast(pl.String)
    parts = [candidates.filter(names < "ü015"), candidates.filter(names >= "ü015")]
    files = [examples_file(tmp_path / f"{n}.parquet", part, n) for n, part in enumerate(parts)]
    seen: dict[str, Any] = {}

    def train(given: TrainingData, path: str) -> dict[str, Any]:
        given.checkpoints.save({"a": np.zeros(1)})
        seen["spec"] = given.spec
        seen["training"], seen["again"] = list(given.training()), list(given.training())
        seen["holdout"] = list(given.validation())
        Path(path, SPEC_FILE).write_text(given.spec.to_json())
        given.on_epoch({"epoch": 0, "loss": 0.5})
        return {"holdout": {"ranker": {"auc": 0.5}}}

    out = tmp_path / "ranker"
    out.mkdir()
    plan = RankerPlan("recorder", train, min_plays=5, checkpoints=str(tmp_path / "checkpoints"))
    train_ranker(out, files=files[::-1], holdout_files=files[1:], catalog=catalog, blend=PRIOR_BLEND, plan=plan)
    assert [len(chunk) for chunk in seen["training"]] == [len(part) for part in parts]
    groups = [set(chunk.group.tolist()) for chunk in seen["training"]]
    assert [len(group) for group in groups] == [part["user_id"].n_unique() for part in parts]
    assert not groups[0] & groups[1], "a group is one user, over all files"
    assert all(
        (one.features["dense"] == two.features["dense"]).all()
        for one, two in zip(seen["training"], seen["again"], strict=True)
    )
    assert seen["spec"].heads == ("listened", "saved")
    expected = [[1.0, float(code % 2 == 0)] for code in parts[1]["track"]]
    assert [chunk.label.tolist() for chunk in seen["holdout"]] == [expected]
    report = read_training_report(out)
    assert report["holdout"] == {"ranker": {"auc": 0.5}}
    assert set(report["disabled_rewards"]) == {reward.name for reward in REWARDS} - {"listened", "saved"}
    assert report["disabled_rewards"]["skipped"] == f"0 of {len(candidates):,} examples have it"
    assert "settled 28 days after" in report["disabled_rewards"]["retained_28d"]
    check_ranker(str(out))
    assert not (tmp_path / "checkpoints").exists(), "a finished training leaves no checkpoint"


def test_a_user_whose_rows_lie_in_two_row_groups_or_files_is_one(
    world: tuple[pl.DataFrame, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates, catalog = world
    rows = learn_vocabulary(catalog, min_plays=5).rows_of(catalog)
    ordered = candidates.sort("user_id", "track")
    monkeypatch.setattr("transforms.tables.files._ROWS_PER_GROUP", 50)
    parts = [ordered[:130], ordered[130:]]
    paths = [examples_file(tmp_path / f"{n}.parquet", part, 1).path for n, part in enumerate(parts)]
    chunks = list(stream_examples(paths, rows, HEADS))
    assert [len(chunk) for chunk in chunks[:4]] == [50, 50, 30, 50]
    group = np.concatenate([chunk.group for chunk in chunks])
    np.testing.assert_array_equal(group, ordered["user_id"].rank("dense").to_numpy())
    assert sum(len(chunk) for chunk in chunks) == len(candidates)


def test_a_ranker_of_other_features_is_refused(world: tuple[pl.DataFrame, Any], tmp_path: Path) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    vocabulary.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="no ranker"):
        check_ranker(str(tmp_path))
    PRIOR_BLEND.save(tmp_path)
    write_rewards(tmp_path)
    fields = json.loads(vocabulary.spec(HEADS).to_json())
    fields["dense"][3] = "phase_of_the_moon"
    (tmp_path / SPEC_FILE).write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="phase_of_the_moon"):
        check_ranker(str(tmp_path))


def test_a_ranker_of_other_rewards_is_refused_and_one_of_other_weights_is_not(
    world: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    _, catalog = world
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    vocabulary.save(tmp_path)
    PRIOR_BLEND.save(tmp_path)
    write_rewards(tmp_path)
    (tmp_path / SPEC_FILE).write_text(vocabulary.spec(HEADS).to_json())
    said = json.loads((tmp_path / "rewards.json").read_text())

    def saying(name: str, **changes: object) -> str:
        entries = [{**one, **changes} if one["name"] == name else one for one in said["rewards"]]
        return json.dumps({**said, "rewards": entries})

    (tmp_path / "rewards.json").write_text(saying("skipped", weight=-7))
    check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(saying("saved", sentence="not one of its heads"))
    check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(saying("skipped", sentence="left after a second"))
    with pytest.raises(
        ValueError, match="the reward 'skipped' meant 'left after a second, .*' when .* now 'its first play"
    ):
        check_ranker(str(tmp_path))
    (tmp_path / "rewards.json").write_text(json.dumps({**said, "version": 0}))
    with pytest.raises(ValueError, match="of version 0, today's are of version"):
        check_ranker(str(tmp_path))


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Any]:
    """Candidates in which every feature has some values, and their catalog."""
    plays = random_plays(61)
    folder = tmp_path_factory.mktemp("spread")
    catalog = catalog_of(plays, tracks_of(40), folder / "catalog")
    candidates = hydrate_candidates(plays, **moment_of(plays, catalog, folder))
    rng = np.random.default_rng(3)
    drawn = [pl.Series(one.name, rng.lognormal(0, 2, len(candidates)) - 1, pl.Float32) for one in FEATURES]
    return candidates.with_columns(drawn), catalog


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_is_the_same_in_training_and_in_scoring(
    feature: Feature, spread: tuple[pl.DataFrame, Any], tmp_path: Path
) -> None:
    """Through the published file and the stream of examples, or through the encoding of the scoring stage."""
    candidates, catalog = spread
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    rows = vocabulary.rows_of(catalog)
    (chunk,) = stream_examples([examples_file(tmp_path / "0.parquet", candidates, 1).path], rows, HEADS)
    seen: list[FeatureBatch] = []

    class Watching(ByTrack):
        def score(self, batch: FeatureBatch) -> np.ndarray:
            seen.append(batch)
            return super().score(batch)

    ordered = candidates.sort("user_id", "track")
    encoded = encode_candidates(ordered, catalog=catalog, vocabulary=vocabulary)
    score_candidates(encoded, ranker=Watching(vocabulary.spec(HEADS)))
    place = vocabulary.spec(HEADS).dense.index(feature.name)
    np.testing.assert_array_equal(chunk.features["dense"][:, place], seen[0]["dense"][:, place])
    assert len(np.unique(seen[0]["dense"][:, place])) > 100
    for name in ("track", "artist", "recent"):
        np.testing.assert_array_equal(chunk.features[name], seen[0][name])
