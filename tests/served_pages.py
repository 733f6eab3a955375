"""Pages of a published run as they are served under a policy: impressions with propensities, and planted outcomes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.inputs.published import PublishedRun, card_rows
from transforms.pages.candidate_context import candidates_with_codes, candidates_with_context, order_candidates
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder
from transforms.pages.page_table import nest_pages
from transforms.pages.published_candidates import RANKED
from transforms.pages.shelves.shelves import available_shelves
from transforms.tables.hashing import stable_hash, uniform
from transforms.tables.surfaces import HOME


def serve_pages(run: PublishedRun, policy: Policy, num_draws: int) -> pl.DataFrame:
    """Draw `num_draws` pages of every user of a run; a row for each card, with its page's request_id."""
    rows = RANKED.conform(run.table("candidates").collect())
    named = candidates_with_codes(rows.with_columns(pl.col("user_id").cast(pl.String)), run.catalog)
    ordered = order_candidates(named, run.catalog, policy.as_of.date())
    context = candidates_with_context(ordered, catalog=run.catalog, day=policy.day)
    shelves = available_shelves(run.catalog, HOME)
    drawn = []
    for seed in range(num_draws):
        builder = PageBuilder(HOME, shelves, replace(policy, seed=seed), run.rules, run.catalog, run.embeddings.tracks)
        pages = nest_pages(context, *builder.compose(context), builder)
        drawn.append(card_rows(pages).with_columns(request_id=pl.format("{}-{}", "user_id", pl.lit(seed))))
    return pl.concat(drawn)


def clicks_on(cards: pl.DataFrame) -> pl.DataFrame:
    """The probability of an outcome of each card, `p`: of its track alone, less far down and to the right."""
    liked = uniform(stable_hash(cards["track_id"], seed=11))
    place = cards["shelf_position"].to_numpy() + cards["position"].to_numpy()
    return cards.with_columns(p=pl.Series(0.6 * liked**2 * 0.8**place))


def write_log(folder: Path, run: PublishedRun, policy: Policy, num_draws: int) -> None:
    """Write impressions and the plays that followed, some of which name their request."""
    rng = np.random.default_rng(1)
    cards = clicks_on(serve_pages(run, policy, num_draws))
    request = cards["request_id"].rle_id().cast(pl.Int64)
    shown_at = pl.lit(run.as_of + timedelta(hours=1)) + pl.duration(seconds=request % 80_000)
    named = cards.with_columns(shown_at=shown_at)
    named.select(
        "request_id", "user_id", "shown_at", "surface", "shelf_id", "shelf_position", "track_id", "position",
        "propensity", "shelf_propensity", policy=pl.lit("logging"),
    ).write_parquet(folder / "impressions.parquet")  # fmt: skip
    played = named.filter(pl.Series(rng.random(len(cards))) < pl.col("p"))
    played.select(
        "user_id", "track_id", "request_id", played_at=pl.col("shown_at") + timedelta(minutes=1),
        ms_played=pl.lit(200_000),
    ).write_parquet(folder / "events.parquet")  # fmt: skip


def value_of(run: PublishedRun, policy: Policy, num_draws: int) -> float:
    """The mean outcome of a page under a policy: of drawn pages, without drawing outcomes."""
    cards = clicks_on(serve_pages(run, policy, num_draws))
    return float(cards["p"].sum() / cards["request_id"].n_unique())
