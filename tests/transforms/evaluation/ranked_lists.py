"""Scored candidates of a random world, and ranked lists as plain lists."""

from pathlib import Path

import polars as pl

from tests.worlds import catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.features.feature_tables import SCORED
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import PROBABILITIES
from transforms.tables.columns import to_frame, to_table


def scored_candidates(folder: Path) -> tuple[pl.DataFrame, Catalog]:
    """Make SCORED whose scores have ties, and the catalog, which is written to `folder`."""
    plays = random_plays(41)
    catalog = catalog_of(plays, tracks_of(40), folder)
    candidates = hydrate_candidates(plays, **snapshot_inputs(plays, catalog, folder))
    score = (pl.col("track") * 7 % 11 / 11).cast(pl.Float32)
    unknown = [pl.lit(None, pl.Float32).alias(name) for name in PROBABILITIES if name != "p_listened"]
    scored = candidates.with_columns(score=score, p_listened=score.sqrt()).with_columns(unknown)
    return to_frame(to_table(scored, SCORED)), catalog


def lists_of(evaluation_rows: pl.DataFrame) -> dict[tuple[str, str], list[int]]:
    """Return the tracks of each system's list for each user, in order; ranks count from 0 without gaps."""
    assert to_table(evaluation_rows, EVALUATION_ROWS).num_rows == len(evaluation_rows)
    ordered = evaluation_rows.sort("rank")
    for (_, _), rows in ordered.group_by("system", "user_id"):
        assert rows["rank"].to_list() == list(range(len(rows)))
    parts = ordered.group_by("system", "user_id", maintain_order=True).agg("track")
    return {(system, user): tracks for system, user, tracks in parts.iter_rows()}
