"""The blend, fitted to what users listened to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import run_graph, snapshot_of, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.blending import PRIOR_BLEND, Blend, blend_candidates, open_blend, union_candidates
from transforms.candidates.fit_decay import DECAY_FIT, likeliest_decay
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.features.fit_blend import BLEND_EXAMPLES, FitBlend, fit_blend, sample_union
from transforms.features.hydrate import build_context
from transforms.tables.buckets import Opened
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS

CUTOFF = AS_OF - 14 * DAY
WINDOW = {"as_of": CUTOFF, "ends_at": CUTOFF + 7 * DAY}


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(31, num_users=60, num_tracks=40, num_plays=3000)


@pytest.fixture(scope="module")
def folder(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog lies in it, and the embeddings in a folder below."""
    return tmp_path_factory.mktemp("moment")


@pytest.fixture(scope="module")
def moment(plays: pl.DataFrame, folder: Path) -> dict[str, Any]:
    made = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), folder, as_of=CUTOFF), folder, as_of=CUTOFF)
    return {name: made[name] for name in ("catalog", "embeddings", "new_tracks", "carry_over")}


def test_proposals_are_labelled_with_the_listens_in_the_window(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    listened = {
        (row["user_id"], row["track"])
        for row in plays.iter_rows(named=True)
        if row["action"] == 0
        and (row["ms_played"] is None or row["ms_played"] >= 30_000)
        and WINDOW["as_of"] <= row["played_at"] < WINDOW["ends_at"]
    }
    union = union_candidates(build_context(plays, **moment, as_of=CUTOFF, decay=DEFAULT_DECAY))
    active = {user for user, _ in listened}
    expected = [float(pair in listened) for pair in union.select("user_id", "track").rows() if pair[0] in active]
    found = sample_union(plays, **WINDOW, share=1.0, seed=1, decay=DEFAULT_DECAY, **moment)
    assert to_table(found, BLEND_EXAMPLES).column("label").to_pylist() == expected and 0 < sum(expected) < len(expected)
    assert found["user_key"].n_unique() == len(active)
    half = sample_union(plays, **WINDOW, share=0.5, seed=1, decay=DEFAULT_DECAY, **moment)
    assert 0 < half["user_key"].n_unique() < len(active)
    assert set(half["user_key"]) < set(found["user_key"])


def test_listens_move_the_weights(plays: pl.DataFrame, moment: dict[str, Any], tmp_path: Path) -> None:
    union = sample_union(plays, **WINDOW, share=1.0, seed=1, decay=DEFAULT_DECAY, **moment)
    # from now on users repeat nothing, and everyone follows the popular tracks
    labelled = union.with_columns(label=(pl.col("rank_score_popular") > 2).cast(pl.Float32))
    fit_blend(tmp_path, union=[(0, to_table(labelled, BLEND_EXAMPLES))], decay=0.7)
    blend = open_blend(str(tmp_path))
    assert blend.decay == 0.7 and blend.weights["rank_score_popular"] > 1 > blend.weights["rank_score_repeats"]
    context = build_context(plays, **moment, as_of=CUTOFF, decay=DEFAULT_DECAY)
    blended = blend_candidates(union_candidates(context), blend, 10_000)
    top = (
        blended.sort("user_id", "blend_score", descending=[False, True])
        .group_by("user_id", maintain_order=True)
        .head(3)
    )
    assert (top["score_popular"].is_not_null()).mean() > 0.95


def test_the_fit_does_not_depend_on_buckets(plays: pl.DataFrame, moment: dict[str, Any], tmp_path: Path) -> None:
    def fitted(parts: list[pl.DataFrame], name: str) -> Blend:
        folder = tmp_path / name
        folder.mkdir()
        arguments = {**WINDOW, "share": 0.7, "seed": 1, "decay": DEFAULT_DECAY, **moment}
        union = [(n, to_table(sample_union(part, **arguments), BLEND_EXAMPLES)) for n, part in enumerate(parts)]
        fit_blend(folder, union=union, decay=DEFAULT_DECAY)
        return open_blend(str(folder))

    assert fitted(by_bucket(plays, 7)[::-1], "seven") == fitted([plays], "one") != PRIOR_BLEND


def test_without_examples_the_blend_is_the_prior_and_other_inputs_are_refused(tmp_path: Path) -> None:
    fit_blend(tmp_path, union=[], decay=DEFAULT_DECAY)
    blend = open_blend(str(tmp_path))
    assert blend.weights == pytest.approx(PRIOR_BLEND.weights) and blend.intercept == pytest.approx(
        PRIOR_BLEND.intercept
    )
    other = tmp_path / "other"
    other.mkdir()
    replace(PRIOR_BLEND, weights={**PRIOR_BLEND.weights, "rank_score_radio": 1.0}).save(other)
    with pytest.raises(ValueError, match="fitted to other inputs: rank_score_radio"):
        open_blend(str(other))
    with pytest.raises(FileNotFoundError, match=r"no blend.json at"):
        open_blend(str(tmp_path / "other" / ".." / ".."))


def test_the_stage_fits_to_the_sampled_proposals_of_all_buckets(
    plays: pl.DataFrame, moment: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    fit = DECAY_FIT.frame([{"decay": 0.7, "log_likelihood": -5}, {"decay": 0.9, "log_likelihood": -9}])

    def build(root: beam.Pipeline) -> beam.PCollection:
        inputs = snapshot_of(root, folder, moment["new_tracks"], CUTOFF)
        decay = Opened(tables_of(root, "decay", DECAY_FIT, [fit]), likeliest_decay)
        stage = FitBlend(inputs, decay, label_days=7.0, folder=str(tmp_path / "blends"), seed=1)
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 2)) | stage

    (path,) = run_graph(build)
    union = sample_union(plays, **WINDOW, share=1.0, seed=1, decay=0.7, **moment)
    fit_blend(tmp_path, union=[(0, to_table(union, BLEND_EXAMPLES))], decay=0.7)
    assert open_blend(path) == open_blend(str(tmp_path))
    assert Path(path).parent == tmp_path / "blends"
