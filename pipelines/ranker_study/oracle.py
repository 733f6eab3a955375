"""How much of what the planted truth of the sample world allows stands in the first places of an order."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from rich.table import Table

from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.ranker_study.boosting import NDCG_K
from pipelines.rendering.console import table_of_numbers
from pipelines.sample_world.oracle_lists import ORACLE_LISTS

# what the best lists do not hold is taken to be worth nothing
CHANCE = "score"


def oracle_shares(
    published: PublishedRun, path: str, is_judging: np.ndarray, orders: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Planted chances of a listen in the first K places, as shares of the most of all candidates, and of all tracks.

    orders: scores of the judging rows among those of the table of held-out examples.

    Raises:
        UsageError: no list is of the moment of the examples.
    """
    held = published.table("holdout").select("user_id", "track_id", "cutoff_at").collect()
    cutoff_at = held["cutoff_at"][0]
    files = sorted({row_group.path for row_group in inspect_input("best", path, None, schema=ORACLE_LISTS).row_groups})
    best = (
        pl.scan_parquet(files).filter(pl.col("cutoff_at") == cutoff_at).select("user_id", "track_id", CHANCE).collect()
    )
    if best.is_empty():
        raise UsageError(
            f"--oracle={path}: no list is of {cutoff_at:%Y-%m-%d %H:%M}, the moment of the held-out examples"
        )
    keys = held.select(pl.col("user_id", "track_id").cast(pl.String)).filter(pl.Series(is_judging))
    rows = keys.join(best, on=["user_id", "track_id"], how="left", maintain_order="left").with_columns(
        pl.col(CHANCE).fill_null(0.0)
    )
    judged = best.join(rows.select("user_id").unique(), on="user_id", how="semi")
    of_candidates, of_all = first(rows, rows[CHANCE]), first(judged, judged[CHANCE])
    found = {name: first(rows, pl.Series(score)) for name, score in orders.items()}
    return {
        name: (value / of_candidates, value / of_all)
        for name, value in {**found, "the planted truth": of_candidates}.items()
    }


def first(rows: pl.DataFrame, order: pl.Series) -> float:
    """Sum of the chances in the first K places of every user."""
    placed = rows.with_columns(order=order).sort("order", descending=True, maintain_order=True)
    return float(placed.group_by("user_id", maintain_order=True).head(NDCG_K)[CHANCE].sum())


def oracle_table(found: Mapping[str, tuple[float, float]]) -> Table:
    """A row an order."""
    title = f"planted chance in the first {NDCG_K}, of the most that is possible"
    table = table_of_numbers(title, ("by", "with these candidates", "with all tracks"))
    for name, shares in found.items():
        table.add_row(name, *(f"{share:.3f}" for share in shares))
    return table
