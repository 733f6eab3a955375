"""Score logged pages under a target policy: the probability with which it would have made each of their choices."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.experiments.off_policy.logged_pages import FOUND, NOTHING, LoggedChooser, LogSupport, PageLog
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES, SHOWN
from transforms.features.feature_tables import SCORED
from transforms.pages.candidate_context import (
    candidates_with_codes,
    candidates_with_context,
    order_candidates,
    select_page_columns,
)
from transforms.pages.composition.inputs import MakeChooser
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder
from transforms.pages.published_candidates import RANKED
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import SHELVES, available_shelves
from transforms.tables.buckets import CombineBuckets, MapBuckets, Opened, SameBucket, open_frame
from transforms.tables.columns import Schema

# Memory does not grow with the bucket: a request holds the candidates of its user.
_REQUESTS_PER_BLOCK = 1024
_PAGE = ["user_id", "request"]


@dataclass(frozen=True)
class TargetPolicy:
    """Composition of the target's pages of one surface, shown since one moment and before another."""

    policy: Policy
    rules: tuple[Rule, ...]
    surface: str
    since: datetime
    until: datetime


@dataclass(eq=False)
class ScoreLoggedPages(beam.PTransform):
    """score_logged_pages() on every bucket, with the target's candidates of the same users, and what the log shows."""

    candidates: beam.PCollection
    catalog_path: beam.PCollection
    embeddings_path: beam.PCollection
    shown: beam.PCollection
    target: TargetPolicy

    def expand(self, choices: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        return choices | MapBuckets(
            score_logged_pages,
            out=LOGGED_CHOICES,
            candidates=SameBucket(self.candidates),
            shown=Opened(self.shown, open_frame),
            catalog=Opened(self.catalog_path, open_catalog),
            embeddings=Opened(self.embeddings_path, open_embeddings),
            target=self.target,
        )


class ListShown(beam.PTransform):
    """list_shown() on every bucket, as one table."""

    def expand(self, choices: beam.PCollection) -> beam.PCollection:
        """Reduce to one table."""
        return choices | CombineBuckets(list_shown, union_shown, out=SHOWN)


def target_candidates() -> Schema:
    """Return the columns of published candidates (RANKED) that pages are composed of."""
    used = select_page_columns(SCORED.frame(), SHELVES).columns
    names = {"user_id", "track_id", "seed_track_id", *used}
    return Schema("target_candidates", tuple(one for one in RANKED.columns if one.name in names))


def list_shown(choices: pl.DataFrame) -> pl.DataFrame:
    """LOGGED_CHOICES -> SHOWN: every shelf and every track that the log shows."""
    return choices.select(pl.col("shelf_id", "track_id").cast(pl.String)).unique()


def union_shown(shown: pl.DataFrame) -> pl.DataFrame:
    """SHOWN of several tables -> SHOWN of all."""
    return shown.unique()


def score_logged_pages(
    choices: pl.DataFrame,
    *,
    candidates: pl.DataFrame | None,
    shown: pl.DataFrame,
    catalog: Catalog,
    embeddings: Embeddings,
    target: TargetPolicy,
) -> pl.DataFrame:
    """LOGGED_CHOICES of whole users -> the same of the target's time, with what the target would choose.

    The target composes each page anew from its own candidates, choice by choice, and is made to choose what was logged:
    so every probability is the exact softmax over what was feasible then. Users for whom it has no candidates are left
    out.
    """
    within = choices.filter(pl.col("shown_at").is_between(target.since, target.until, closed="left"))
    if candidates is None or candidates.is_empty() or within.is_empty():
        return within.clear()
    users = within["user_id"].cast(pl.String).unique()
    of_users = candidates.with_columns(pl.col("user_id").cast(pl.String)).filter(
        pl.col("user_id").is_in(users.implode())
    )
    named = candidates_with_codes(of_users, catalog)
    ordered = order_candidates(select_page_columns(named, SHELVES), catalog, target.policy.as_of.date())
    known = within.filter(pl.col("user_id").cast(pl.String).is_in(ordered["user_id"].unique().implode()))
    if known.is_empty():
        return within.clear()
    builder = PageBuilder(
        target.surface,
        available_shelves(catalog, target.surface),
        target.policy,
        target.rules,
        catalog,
        embeddings.tracks,
    )
    scorer = _PageScorer(builder, candidates_with_context(ordered, catalog=catalog, day=target.policy.day), shown)
    return pl.concat([scorer.score(block) for block in _blocks_of_requests(known)])


def _blocks_of_requests(choices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the choices of at most _REQUESTS_PER_BLOCK whole requests at a time; rows are in order of request."""
    block = choices.select(pl.struct(_PAGE).rle_id()).to_series() // _REQUESTS_PER_BLOCK
    for number in range(int(block[-1]) + 1):
        yield choices.filter(block == number)


class _PageScorer:
    """Scores blocks of requests; context: candidates with context of all users, in order of user."""

    def __init__(self, builder: PageBuilder, context: pl.DataFrame, shown: pl.DataFrame) -> None:
        self.builder, self.context = builder, context
        catalog = builder.catalog
        self.recording = catalog.recording
        self.recordings = catalog.coded.select("track_id", recording=pl.Series(self.recording))
        self.shelf_index = {shelf.id: index for index, shelf in enumerate(builder.shelves)}
        shelf, recording = self._codes(shown)
        self.support = LogSupport(
            np.isin(np.arange(len(builder.shelves)), shelf), np.isin(np.arange(len(self.recording)), recording)
        )

    def score(self, block: pl.DataFrame) -> pl.DataFrame:
        """Return the choices of some requests with what the target would choose."""
        page = block.select(pl.struct(_PAGE).rle_id()).to_series().to_numpy()
        shelf_position, place = block["shelf_position"].to_numpy(), block["position"].to_numpy() + 1
        log = self._log_of(block, page, shelf_position, place)
        users = block["user_id"].cast(pl.String).filter(pl.Series(np.diff(page, prepend=-1) > 0))
        pages = pl.DataFrame({"page": np.arange(len(users)), "user_id": users})
        candidates = pages.join(self.context, on="user_id", maintain_order="left_right").drop("user_id")

        def chooser(numbers: pl.Series) -> MakeChooser:
            temperature = self.builder.policy.exploration
            return LoggedChooser(log, numbers.to_numpy(), temperature, self.support, self.recording).start

        replace(self.builder, chooser=chooser).compose(candidates.rename({"page": "user_id"}))
        found = log.found[:, page, shelf_position, place]
        return block.with_columns(
            pl.Series(name, values).fill_nan(None) for name, values in zip(FOUND, found, strict=True)
        )

    def _log_of(self, block: pl.DataFrame, page: np.ndarray, shelf_position: np.ndarray, place: np.ndarray) -> PageLog:
        shelf_code, track_code = self._codes(block)
        shelf = np.full((int(page[-1]) + 1, int(shelf_position.max()) + 1), NOTHING)
        track = np.full((*shelf.shape, int(place.max())), NOTHING)
        is_card = place > 0
        shelf[page, shelf_position] = shelf_code
        track[page[is_card], shelf_position[is_card], place[is_card] - 1] = track_code[is_card]
        return PageLog.of(shelf, track)

    def _codes(self, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return index of the shelf and code of the recording of each row, int [n]; NOTHING: the target has none."""
        ids = rows.select(pl.col("shelf_id", "track_id").cast(pl.String))
        shelf = ids["shelf_id"].replace_strict(self.shelf_index, default=NOTHING, return_dtype=pl.Int64)
        found = ids.join(self.recordings, on="track_id", how="left", maintain_order="left")["recording"]
        return shelf.to_numpy(), found.fill_null(NOTHING).cast(pl.Int64).to_numpy()
