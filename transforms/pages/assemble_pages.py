"""Assemble each user's pages: which shelves, in which order, with which tracks, under which rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.pages.candidate_context import candidates_with_context, order_candidates, select_page_columns
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder
from transforms.pages.page_table import nest_pages
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import SHELVES, available_shelves
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.schemas import PAGES


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
    candidates = candidates_with_context(ordered, catalog=catalog, day=policy.day)
    for surface in policy.surfaces:
        shelves = available_shelves(catalog, surface)
        builder = PageBuilder(surface, shelves, policy, tuple(rules), catalog, embeddings.tracks)
        pages.append(nest_pages(candidates, *builder.compose(candidates), builder))
    return pl.concat(pages).sort("user_id", "surface")
