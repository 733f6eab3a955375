"""Assemble each user's page: which shelves, in which order, with which tracks, under which rules."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.pages.candidate_rows import candidates_with_context, playable_mask, select_page_columns, user_keys
from transforms.pages.composition import ComposedPages, Composer, compose_pages
from transforms.pages.constraints import audience_mask, build_constraints, excluded_mask
from transforms.pages.policy import Policy
from transforms.pages.reasons import render_reasons
from transforms.pages.rules import Rule
from transforms.pages.shelves import SHELVES, Shelf, available_shelves, render_shelves
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.hashing import mix
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
        """One map."""
        catalog = Opened(self.catalog_path, open_catalog)
        embeddings = Opened(self.embeddings_path, open_embeddings)
        return scored | MapBuckets(
            assemble_pages, out=PAGES, catalog=catalog, embeddings=embeddings, policy=self.policy, rules=self.rules
        )


def assemble_pages(
    scored: pl.DataFrame, *, catalog: Catalog, embeddings: Embeddings, policy: Policy, rules: Sequence[Rule]
) -> pl.DataFrame:
    """SCORED of whole users -> PAGES: one row per user and surface, no track twice on a page."""
    pages = [PAGES.frame()]
    for block in blocks_of_users(order_candidates(select_page_columns(scored, SHELVES), catalog)):
        told = candidates_with_context(block, catalog=catalog, day=policy.day)
        for surface in policy.surfaces:
            shelves = available_shelves(catalog, surface)
            stage = PageBuilder(surface, shelves, policy, tuple(rules), catalog, embeddings.tracks)
            pages.append(nest_pages(told, *stage.compose(told), stage))
    return pl.concat(pages).sort("user_id", "surface")


def order_candidates(scored: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """What may be played where the user is, by user; among equals the better score comes first, then the lower code."""
    allowed = keep_rows(scored, playable_mask(scored, catalog))
    ordered = pl.arg_sort_by("user_id", "score", "track", descending=[False, True, False])
    return allowed[allowed.select(ordered).to_series()]


def blocks_of_users(candidates: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield whole users, so many at a time; rows are in order of user."""
    starts = np.flatnonzero(candidates["user_id"].is_first_distinct().to_numpy())[::_USERS_PER_BLOCK]
    bounds = [*starts.tolist(), len(candidates)]
    for start, end in pairwise(bounds):
        yield candidates[start:end]


def keep_rows(candidates: pl.DataFrame, is_kept: np.ndarray) -> pl.DataFrame:
    """The rows that are kept; the frame itself where that is all of them, for it is wide."""
    return candidates if is_kept.all() else candidates.filter(is_kept)


@dataclass(frozen=True)
class PageBuilder:
    """One surface and all that its pages are composed with; candidates are in order of user and score."""

    name: str
    shelves: Sequence[Shelf]
    policy: Policy
    rules: tuple[Rule, ...]
    catalog: Catalog
    vectors: np.ndarray
    composer: Callable[..., Composer] = Composer

    def compose(self, candidates: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
        """The pages, rows being those of the candidates; and which rules were relaxed, bool [U, R].

        Rules are relaxed on the page without chance, then pages are drawn: so each draw's probability is what it says.
        """
        users = candidates.select("user_id", "user_plays", "market").unique(
            "user_id", keep="first", maintain_order=True
        )
        is_meant = audience_mask(self.rules, users, self.name, self.policy.day)
        calm = replace(self.policy, exploration=0.0)
        is_active = self._settle(candidates, is_meant, calm) if self.rules else is_meant
        composed, row = self._composed(candidates, is_active, self.policy)
        shown = composed.shown.with_columns(row=pl.Series(row, dtype=pl.Int32).gather(composed.shown["row"]))
        return shown, is_meant & (~is_active | composed.broken)

    def _settle(self, candidates: pl.DataFrame, is_meant: np.ndarray, policy: Policy) -> np.ndarray:
        """Which of the rules that are meant for each user can hold together, bool [U, R].

        Where not all can, they are taken in order of importance: one that cannot hold with those before it is relaxed.
        """
        is_stuck = ~self._hold(candidates, is_meant, np.ones(len(is_meant), dtype=bool), policy)
        is_active = np.where(is_stuck[:, None], False, is_meant)
        for place in range(len(self.rules)):
            is_tried = is_stuck & is_meant[:, place]
            trial = is_active.copy()
            trial[is_tried, place] = True
            is_active[:, place] |= is_tried & self._hold(candidates, trial, is_tried, policy)
        return is_active

    def _hold(
        self, candidates: pl.DataFrame, is_active: np.ndarray, is_asked: np.ndarray, policy: Policy
    ) -> np.ndarray:
        """Whether the active rules leave the users asked for (bool [U]) a page of which they all hold, bool [U]."""
        holds = np.zeros(len(is_asked), dtype=bool)
        if is_asked.any():
            of = keep_rows(candidates, is_asked[candidates["user_id"].rle_id().to_numpy()])
            composed, _ = self._composed(of, is_active[is_asked], policy)
            has_page = np.bincount(composed.shown["user"].to_numpy(), minlength=int(is_asked.sum())) > 0
            holds[is_asked] = has_page & ~composed.broken.any(axis=1)
        return holds

    def _composed(
        self, candidates: pl.DataFrame, is_active: np.ndarray, policy: Policy
    ) -> tuple[ComposedPages, np.ndarray]:
        """Pages of what the active rules leave, and which rows of the candidates that is."""
        user = candidates["user_id"].rle_id().to_numpy()
        is_out = np.zeros(len(candidates), dtype=bool)
        for place, rule in enumerate(self.rules):
            if rule.exclude:
                is_out |= is_active[user, place] & excluded_mask(rule, candidates, self.catalog)
        left = keep_rows(candidates, ~is_out)
        there = np.unique(user[~is_out])
        users = left["user_id"].filter(left["user_id"].is_first_distinct())
        today = mix(np.full(1, policy.day.toordinal(), dtype=np.uint64))
        composed = compose_pages(
            left,
            self.shelves,
            policy,
            keys=mix(user_keys(users, seed=policy.seed) ^ today),
            vectors=self.vectors,
            demands=build_constraints(self.rules, is_active[there], self.shelves),
            composer=self.composer,
        )
        broken = np.zeros(is_active.shape, dtype=bool)
        broken[there] = composed.broken
        named = pl.Series(there, dtype=pl.Int32).gather(composed.shown["user"])
        return ComposedPages(composed.shown.with_columns(user=named), broken), np.flatnonzero(~is_out)


def nest_pages(
    candidates: pl.DataFrame, shown: pl.DataFrame, is_relaxed: np.ndarray, surface: PageBuilder
) -> pl.DataFrame:
    """Turn the result of Surface.compose() into PAGES."""
    catalog, ids = surface.catalog, surface.catalog.tracks["track_id"]
    facts = ("user_id", "track", "seed_track", "score", "source", "plays_of_track", "days_since_played")
    tracks = shown.hstack(candidates.select(facts)[shown["row"]])
    track = pl.struct(
        track_id=ids.gather(tracks["track"]),
        position="rank",
        score="score",
        propensity="p_track",
        source=pl.col("source").cast(pl.String),
        seed_track_id=ids.gather(tracks["seed_track"]),
        reason=render_reasons(tracks, catalog),
    )
    worth = pl.col("score").cast(pl.Float64) / (pl.col("rank") + 2).log(2)
    by_shelf = (
        tracks.with_columns(tracks=track, value=worth)
        .group_by("user", "position", maintain_order=True)
        .agg(
            pl.col("user_id", "entry", "code", "p_shelf", "track", "seed_track").first(),
            pl.col("value").sum(),
            "tracks",
            p_all=pl.col("p_shelf").first() * pl.col("p_track").product(),
        )
    )
    is_led = pl.Series([shelf.instance == "seed_track" for shelf in surface.shelves]).gather(by_shelf["entry"])
    subject = by_shelf.select(pl.when(is_led).then("seed_track").otherwise("track")).to_series()
    texts = render_shelves(by_shelf["entry"], by_shelf["code"], subject, shelves=surface.shelves, catalog=catalog)
    score = pl.col("value").cast(pl.Float32)
    shelf = pl.struct("shelf_id", "title", "reason", "position", score=score, propensity="p_shelf", tracks="tracks")
    pages = (
        by_shelf.hstack(texts)
        .group_by("user", maintain_order=True)
        .agg(pl.col("user_id").first().cast(pl.String), propensity=pl.col("p_all").product(), shelves=shelf)
    )
    return pages.join(_relaxed(is_relaxed, surface.rules), on="user", how="left", maintain_order="left").select(
        "user_id",
        pl.lit(surface.name).alias("surface"),
        pl.lit("any").alias("context"),
        "propensity",
        pl.col("relaxed").fill_null([]),
        "shelves",
    )


def _relaxed(is_relaxed: np.ndarray, rules: Sequence[Rule]) -> pl.DataFrame:
    """The names of each user's rules that were relaxed: user, relaxed; users with none are not there."""
    user, place = np.nonzero(is_relaxed)
    names = pl.Series([rule.name for rule in rules], dtype=pl.String)
    rows = pl.DataFrame({"user": pl.Series(user, dtype=pl.Int32), "relaxed": names.gather(place)})
    return rows.group_by("user", maintain_order=True).agg("relaxed")
