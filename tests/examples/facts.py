"""A program that looks at the examples where the project uses them, and writes what it sees: facts.json and tables.

python -m tests.examples.facts FOLDER, with the examples as plugins.
"""

import json
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.ranker.entry import RankerModel
from models.ranker.training_run import train_and_evaluate
from pipelines.docs.render_docs import DOCUMENTS, render_sections
from pipelines.evaluation.baselines import choose_baselines
from pipelines.evaluation.estimates import Estimates
from pipelines.evaluation.report import describe_metrics, report_values
from pipelines.evaluation.report_tables import tables_of
from pipelines.evaluation.tuning import first_grid_points
from pipelines.learning import chosen_ranker
from pipelines.options.options import RunOptions
from tests.models.ranker.planted import OPTIONS, SPEC, batch_of, in_chunks, planted_examples, training_data
from tests.pipelines.evaluation.reports import sample_report
from tests.transforms.evaluation.random_lists import NUM_TRACKS, random_evaluation_rows
from tests.worlds import AS_OF, DAY, catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.evaluation.list_baselines import fit_baselines, list_baselines, open_fitted
from transforms.evaluation.list_candidates import list_candidates
from transforms.evaluation.measure_lists import measure_lists
from transforms.evaluation.metrics.system import System
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.features.feature_tables import CANDIDATES, EXAMPLES, SCORED
from transforms.features.hydrate import hydrate_candidates
from transforms.features.label_outcomes import label_outcomes
from transforms.features.rewards import MAX_REWARD, PROBABILITIES, REWARD_WEIGHTS, describe_rewards, expected_reward
from transforms.pages.published_candidates import CANDIDATE_FEATURES
from transforms.ranking.ranker_files import encode_batch, learn_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.tables.columns import fill_columns, to_frame, to_table
from transforms.tables.schemas import PLAYS

Facts = dict[str, Any]
# the tests of all sources and baselines, of ours
CONTRACTS = ("tests/transforms/candidates/test_sources.py", "tests/models/baselines/test_baselines.py")
OURS = "(rising or rp3beta) and not 64"


def dated_catalog(plays: pl.DataFrame, folder: Path) -> Catalog:
    """Build a catalog of four decades and twenty genres, in which every ninth track has neither."""
    is_unknown = [code % 9 == 8 for code in range(NUM_TRACKS)]
    dates = [None if is_unknown[code] else date(1990 + 10 * (code % 4), 5, 1) for code in range(NUM_TRACKS)]
    genres = [None if is_unknown[code] else [f"genre {code % 20}"] for code in range(NUM_TRACKS)]
    tracks = tracks_of(NUM_TRACKS).with_columns(release_date=pl.Series(dates), genres=pl.Series(genres))
    return catalog_of(plays, tracks, folder)


def look_at_features(candidates: pl.DataFrame, catalog: Catalog) -> Facts:
    vocabulary = learn_vocabulary(catalog, min_plays=5)
    encoded = encode_batch(candidates, vocabulary.rows_of(catalog))["dense"][:, -1]
    return {
        "rows": [to_table(candidates, CANDIDATES).num_rows, len(candidates)],
        "in_schemas": ["share_of_decade" in schema.names for schema in (EXAMPLES, SCORED, CANDIDATE_FEATURES)],
        "last_input": vocabulary.spec(("listened",)).dense[-1],
        "is_encoded": bool((encoded == candidates["share_of_decade"].to_numpy()).all()),
    }


def look_at_reward(folder: Path) -> Facts:
    """Label listens of 15 days ago, in a window that ended 13 days ago: 7 days later it is settled."""
    cases: list[list[tuple[float, int, int]]] = [
        [(15, 0, 60_000), (9, 1, 0)],
        [(15, 0, 60_000), (7.5, 1, 0)],
        [(15.5, 1, 0), (15, 0, 60_000)],
        [(15, 0, 10_000), (14, 2, 0)],
        [(15, 0, 60_000), (14, 3, 0)],
        [(12, 0, 60_000), (11, 4, 0)],
        [(14, 0, 60_000), (8, 4, 0)],
    ]
    rows = [
        {"user_id": "a", "track": track, "days": days, "action": action, "ms_played": ms}
        for track, case in enumerate(cases)
        for days, action, ms in case
    ]
    plays = plays_of(rows)
    catalog = catalog_of(plays, tracks_of(len(cases)), folder)
    pairs = plays.select("user_id", "track").unique().sort("track")
    window: dict[str, Any] = {"catalog": catalog, "as_of": AS_OF - 20 * DAY, "ends_at": AS_OF - 13 * DAY}
    settled = label_outcomes(pairs, plays, known_until=AS_OF - 6 * DAY, **window)["label_saved_after_listen"]
    early = label_outcomes(pairs, plays, known_until=AS_OF - 6 * DAY - timedelta(seconds=1), **window)
    return {
        "labels": settled.to_list(),
        "early": early["label_saved_after_listen"].to_list(),
        "in_schemas": ["label_saved_after_listen" in EXAMPLES.names, "p_saved_after_listen" in SCORED.names],
        "score": expected_reward({"saved_after_listen": np.array([0.5])}).tolist(),
        "max_reward": [MAX_REWARD, sum(weight for weight in REWARD_WEIGHTS.values() if weight > 0)],
        "last_described": describe_rewards()["rewards"][-1]["name"],
    }


def look_at_ranker(folder: Path) -> Facts:
    model: RankerModel = chosen_ranker(RunOptions(events="", output="", ranker_model="logistic"))
    training, held_out = planted_examples(4000, 1), planted_examples(2000, 2)
    given = training_data(in_chunks(training, 700), in_chunks(held_out, 700))
    report = train_and_evaluate(model, given, OPTIONS, (), str(folder))
    ranker = load_ranker(str(folder))
    whole = ranker.score(held_out.features)
    alone = [ranker.score(batch_of(held_out.features, slice(row, row + 1)))[0] for row in range(50)]
    return {
        "type": type(ranker).__name__,
        "is_same_spec": ranker.spec == SPEC,
        "holdout": report["holdout"],
        "heads": report["heads"],
        "is_row_by_row": bool((whole[:50] == np.stack(alone)).all()),
        "has_tensorflow": "tensorflow" in sys.modules,
    }


def evaluation_rows(plays: pl.DataFrame, candidates: pl.DataFrame, catalog: Catalog, folder: Path) -> pl.DataFrame:
    """Return lists of sources and baselines together with made-up pages and targets of the same users."""
    baselines = first_grid_points(choose_baselines("rp3beta,most_popular"))
    shared: dict[str, Any] = {"catalog": catalog, "baselines": baselines, "cutoff_at": AS_OF}
    fit_baselines(folder, plays=[(0, to_table(plays, PLAYS))], **shared)
    listed = list_baselines(plays, learned=open_fitted(str(folder)), depth=50, **shared)
    nothing = [pl.lit(0.5, pl.Float32).alias(name) for name in PROBABILITIES]
    scored = to_frame(to_table(candidates.with_columns(nothing, score=pl.lit(0.5, pl.Float32)), SCORED))
    made_up = random_evaluation_rows(1).filter(pl.col("system").cast(pl.String).is_in(["near", "far", "ranker"]).not_())
    parts = [made_up, listed, list_candidates(scored)]
    names = [part.with_columns(pl.col("user_id", "system", "shelf_id").cast(pl.String)) for part in parts]
    return to_frame(to_table(fill_columns(pl.concat(names, how="diagonal"), EVALUATION_ROWS), EVALUATION_ROWS))


def look_at_evaluation(rows: pl.DataFrame, catalog: Catalog) -> Facts:
    sums = measure_lists(rows, catalog=catalog, cutoff_at=AS_OF, sources=("rising",), num_replicates=4, seed=1)
    systems = [System(name, "ours") for name in ("page", "rising", "rp3beta", "most_popular")]
    values = list(report_values(Estimates(sums, 0.95), systems, ""))
    report = replace(sample_report(), values=values, metrics=describe_metrics())
    return {
        "values": {one.system: one.value for one in values if one.metric == "unfamiliar_genre_share"},
        "hits": sorted({one.system for one in values if one.metric == "recall@100"}),
        "heads": [head for table in tables_of(report) for _, head in table.heads],
    }


def main(folder: Path) -> None:
    for name in ("models", "ranker", "labels", "snapshot"):
        (folder / name).mkdir()
    ranker = look_at_ranker(folder / "ranker")  # first: it tells whether TensorFlow is loaded
    plays = random_plays(1, num_tracks=NUM_TRACKS)
    catalog = dated_catalog(plays, folder / "catalog")
    candidates = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, folder / "snapshot"))
    rows = evaluation_rows(plays, candidates, catalog, folder / "models")
    catalog.tracks.write_parquet(folder / "tracks.parquet")
    candidates.write_parquet(folder / "candidates.parquet")
    rows.write_parquet(folder / "rows.parquet")
    facts = {
        "feature": look_at_features(candidates, catalog),
        "reward": look_at_reward(folder / "labels"),
        "ranker": ranker,
        "evaluation": look_at_evaluation(rows, catalog),
        "documents": "".join(render_sections(path.read_text()) for path in DOCUMENTS),
        "contracts": int(pytest.main([*CONTRACTS, "-q", "-p", "no:cacheprovider", "-k", OURS])),
    }
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
