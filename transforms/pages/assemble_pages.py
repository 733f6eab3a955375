"""Assemble each user's pages: which shelves, in which order, with which tracks, under which rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.pages.candidate_context import (
    candidates_with_context,
    playable_mask,
    select_page_columns,
    with_playable_copies,
)
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder, keep_rows
from transforms.pages.page_table import nest_pages
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import SHELVES, available_shelves
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.schemas import PAGES

# Memory does not grow with the bucket; a page does not depend on who shares the block.
_USERS_PER_BLOCK = 1024


@dataclass(eq=False)
class AssemblePages(beam.PTransform):
    """assemble_pages() on every bucket."""

    catalog_path: beam.PCollection
    embeddings_path: beam.PCollection
    policy: Policy
    rules: tuple[Rule, ...]

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        catalog = Opened(self.catalog_path, open_catalog)
        embeddings = Opened(self.embeddings_path, open_embeddings)
        return scored | MapBuckets(
            assemble_pages, out=PAGES, catalog=catalog, embeddings=embeddings, policy=self.policy, rules=self.rules
        )


def assemble_pages(
    scored: pl.DataFrame, *, catalog: Catalog, embeddings: Embeddings, policy: Policy, rules: Sequence[Rule]
) -> pl.DataFrame:
    """Turn SCORED of whole users into PAGES: one row per user and surface, no track twice on a page."""
    pages = [PAGES.frame()]
    ordered = order_candidates(select_page_columns(scored, SHELVES), catalog, policy.as_of.date())
    for block in _blocks_of_users(ordered):
        candidates = candidates_with_context(block, catalog=catalog, day=policy.day)
        for surface in policy.surfaces:
            shelves = available_shelves(catalog, surface)
            builder = PageBuilder(surface, shelves, policy, tuple(rules), catalog, embeddings.tracks)
            pages.append(nest_pages(candidates, *builder.compose(candidates), builder))
    return pl.concat(pages).sort("user_id", "surface")


def order_candidates(scored: pl.DataFrame, catalog: Catalog, as_of: date) -> pl.DataFrame:
    """Return the candidates that may be played in their user's market, by user, score (highest first) and track."""
    playable = with_playable_copies(scored, catalog, as_of)
    allowed = keep_rows(playable, playable_mask(playable, catalog))
    ordered = pl.arg_sort_by("user_id", "score", "track", descending=[False, True, False])
    return allowed[allowed.select(ordered).to_series()]


def _blocks_of_users(candidates: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the candidates of at most _USERS_PER_BLOCK whole users at a time; rows are in order of user."""
    starts = np.flatnonzero(candidates["user_id"].is_first_distinct().to_numpy())[::_USERS_PER_BLOCK]
    bounds = [*starts.tolist(), len(candidates)]
    for start, end in pairwise(bounds):
        yield candidates[start:end]
