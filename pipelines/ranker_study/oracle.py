"""Share of the listens possible in the sample world that an ordering puts on its first ranks, by the oracle lists."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl
from rich.table import Table

from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.ranker_study.boosting import NDCG_K
from pipelines.rendering.console import table_of_numbers
from pipelines.sample_world.oracle_lists import ORACLE_LISTS
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import to_frame

ORACLE = "the oracle"
# The probability of a listen; 0 for pairs that the oracle lists do not hold.
_PROBABILITY = "score"


def oracle_shares(
    published: PublishedRun, path: str, is_evaluated: np.ndarray, scores: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return the oracle's probability of listens on the first ranks of each ordering, as shares of the most possible.

    Args:
        published: a run over the sample world.
        path: the oracle lists.
        is_evaluated: the held-out examples to compare, bool [n].
        scores: the orderings of these examples.

    Returns:
        By ordering two shares: of the best ordering of the same candidates, and of that of all tracks.

    Raises:
        UsageError: no list is of the cutoff of the examples.
    """
    holdout = published.table("holdout").select("user_id", "track_id", "cutoff_at").collect()
    cutoff_at = holdout["cutoff_at"][0]
    keys = holdout.select(pl.col("user_id", "track_id").cast(pl.String)).filter(pl.Series(is_evaluated))
    lists = _read_lists(path, cutoff_at)
    if lists.is_empty():
        raise UsageError(
            f"--oracle={path}: no list is of {cutoff_at:%Y-%m-%d %H:%M}, the cutoff of the held-out examples"
        )
    rows = keys.join(lists, on=["user_id", "track_id"], how="left", maintain_order="left")
    rows = rows.with_columns(pl.col(_PROBABILITY).fill_null(0.0))
    lists = lists.join(rows.select("user_id").unique(), on="user_id", how="semi")
    of_candidates, of_all = _sum_of_first(rows, rows[_PROBABILITY]), _sum_of_first(lists, lists[_PROBABILITY])
    sums = {name: _sum_of_first(rows, pl.Series(score)) for name, score in scores.items()}
    return {name: (value / of_candidates, value / of_all) for name, value in {**sums, ORACLE: of_candidates}.items()}


def _read_lists(path: str, cutoff_at: datetime) -> pl.DataFrame:
    """Read user_id, track_id and probability of the oracle lists of a cutoff."""
    found = [ORACLE_LISTS.frame()]
    for row_group in inspect_input("oracle", path, None, schema=ORACLE_LISTS).row_groups:
        for rows in read_row_group(row_group, schema=ORACLE_LISTS, column_mapping={}):
            found.append(to_frame(rows).filter(pl.col("cutoff_at") == cutoff_at))
    return pl.concat(found).select("user_id", "track_id", _PROBABILITY)


def _sum_of_first(rows: pl.DataFrame, score: pl.Series) -> float:
    """Return the probabilities on the first NDCG_K ranks of every user, summed."""
    ordered = rows.with_columns(order=score).sort("order", descending=True, maintain_order=True)
    return float(ordered.group_by("user_id", maintain_order=True).head(NDCG_K)[_PROBABILITY].sum())


def oracle_table(shares: Mapping[str, tuple[float, float]]) -> Table:
    """Return a row for each ordering."""
    title = f"the oracle's probability of listens on the first {NDCG_K} ranks, as a share of the most possible"
    table = table_of_numbers(title, ("by", "with these candidates", "with all tracks"))
    for name, pair in shares.items():
        table.add_row(name, *(f"{share:.3f}" for share in pair))
    return table
