"""Pages of a run's candidates, composed in several ways and compared with the plays of the week after."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

import numpy as np
import polars as pl

from pipelines.inputs.input_rows import read_input
from pipelines.inputs.published import PublishedRun
from transforms.evaluation.bootstrap import replicate_weights
from transforms.evaluation.list_pages import list_pages
from transforms.evaluation.matched_lists import HISTORY_SEGMENTS, MatchedLists, match_lists, rows_of
from transforms.evaluation.metrics.beyond_accuracy import KL_SMOOTHING
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.metrics.system import PAGE
from transforms.evaluation.schemas import EVALUATION_ROWS, PLAYED_BEFORE, TARGET
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.candidate_context import (
    candidates_with_codes,
    candidates_with_context,
    order_candidates,
    select_page_columns,
)
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder
from transforms.pages.page_table import nest_pages
from transforms.pages.shelves.shelves import SHELVES, available_shelves
from transforms.tables.columns import fill_columns, to_frame, to_table
from transforms.tables.hashing import mix
from transforms.tables.schemas import EVENTS
from transforms.tables.surfaces import HOME

# As homeshelf evaluate has them by default.
GAP, HORIZON = timedelta(minutes=30), timedelta(days=7)
LISTENED_MS = 30_000
NUM_REPLICATES, SEED = 400, 1
TWO_DIMENSIONAL = next(metric for metric in METRICS if metric.name == "ndcg_2d")
# measure -> [sums over users, number of users], each plain and in every replicate
Measures = dict[str, list[list[float]]]


@dataclass(frozen=True)
class Stage:
    """A run as of a cutoff; `scored` and `evaluation_rows` are of the users who played something in the week after."""

    run: PublishedRun

    @cached_property
    def policy(self) -> Policy:
        """Return the policy of the run without re-ranking."""
        return replace(self.run.policy, surfaces=(HOME,), diversity=0.0, calibration=0.0, exploration=0.0)

    @cached_property
    def evaluation_rows(self) -> pl.DataFrame:
        """Return EVALUATION_ROWS without lists: plays before the cutoff, and targets after it."""
        as_of, options = self.policy.as_of, self.run.manifest.options
        codes = self.run.catalog.coded.select("track_id", "track")
        is_played = pl.col("action").is_null() | (pl.col("action") == "play")
        plays = read_input("events", options["events"], options["events_columns"], EVENTS).filter(is_played)
        known = pl.col("arrived_at").fill_null(pl.col("played_at")) < as_of
        coming = pl.col("played_at").is_between(as_of + GAP, as_of + GAP + HORIZON, closed="left")
        is_listened = pl.col("ms_played").is_null() | (pl.col("ms_played") >= LISTENED_MS)
        marks = {PLAYED_BEFORE: known & (pl.col("played_at") < as_of), TARGET: coming & is_listened}
        rows = [
            plays.filter(is_it)
            .join(codes, on="track_id")
            .group_by("user_id", "track")
            .agg(n_plays=pl.len(), system=pl.lit(name))
            for name, is_it in marks.items()
        ]
        matched = pl.concat(rows).join(rows[1].select("user_id").unique(), on="user_id", how="semi")
        return _evaluation_rows(matched)

    @cached_property
    def scored(self) -> pl.DataFrame:
        """Return candidates of the evaluated users, in order."""
        users = self.evaluation_rows["user_id"].unique().cast(pl.String)
        rows = self.run.table("candidates").filter(pl.col("user_id").is_in(users.implode())).collect()
        named = candidates_with_codes(rows.with_columns(pl.col("user_id").cast(pl.Categorical)), self.run.catalog)
        return order_candidates(select_page_columns(named, SHELVES), self.run.catalog, self.run.policy.as_of.date())

    @cached_property
    def vectors(self) -> np.ndarray:
        """Return the vectors of all tracks."""
        return self.run.embeddings.tracks

    def pages(self, diversity: float, calibration: float) -> pl.DataFrame:
        """Return PAGES as the product composes them."""
        policy = replace(self.policy, diversity=diversity, calibration=calibration)
        run = self.run
        return assemble_pages(self.scored, catalog=run.catalog, embeddings=run.embeddings, policy=policy, rules=())

    def rows_by_mean(self) -> pl.DataFrame:
        """Return PAGES of rows filled independently, in order of their mean score."""
        candidates = candidates_with_context(self.scored, catalog=self.run.catalog, day=self.policy.day)
        alone = []
        for shelf in available_shelves(self.run.catalog, HOME):
            surface = PageBuilder(HOME, (shelf,), self.policy, (), self.run.catalog, self.vectors)
            alone.append(nest_pages(candidates, *surface.compose(candidates), surface))
        rows = pl.concat(alone).select("user_id", "surface", "shelves").explode("shelves", empty_as_null=False)
        score = pl.col("shelves").struct.field("tracks").list.eval(pl.element().struct.field("score")).list.mean()
        ranked = rows.with_columns(score=score).sort("user_id", "score", descending=[False, True], maintain_order=True)
        position = pl.int_range(pl.len(), dtype=pl.Int32).over("user_id")
        top = ranked.with_columns(shelf_position=position).filter(pl.col("shelf_position") < self.policy.max_shelves)
        shelves = pl.col("shelves").struct.with_fields(position="shelf_position")
        return top.group_by("user_id", "surface", maintain_order=True).agg(shelves)


def _evaluation_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return to_frame(
        to_table(
            fill_columns(rows.cast({"user_id": pl.Categorical, "system": pl.Categorical}), EVALUATION_ROWS),
            EVALUATION_ROWS,
        )
    )


def measure(stage: Stage, pages: pl.DataFrame) -> Measures:
    """Measure pages; a track that stands on a page twice counts at its first position."""
    lists = list_pages(pages, track_codes=stage.run.catalog.coded.select("track_id", "track"))
    lists = lists.unique(["user_id", "track"], keep="first", maintain_order=True)
    both = [
        frame.cast({"user_id": pl.String, "system": pl.String})
        for frame in (stage.evaluation_rows, lists.drop("shelf_id"))
    ]
    evaluation_rows = _evaluation_rows(pl.concat(both, how="diagonal_relaxed").drop("shelf_id"))
    matched = match_lists(evaluation_rows, catalog=stage.run.catalog, sources=())
    weights = replicate_weights(mix(matched.users["key"].to_numpy() + np.uint64(SEED)), NUM_REPLICATES)
    # as in an evaluation: who has no history is a segment apart
    is_known = (matched.users["n_played"] >= HISTORY_SEGMENTS[0][0]).to_numpy()
    found = {f"ndcg_2d, {kind}": _ndcg(matched, kind, is_known) for kind in ("all", "repeats", "discoveries")}
    found["genre_kl"] = _genre_kl(matched, stage, is_known)
    found["novelty_kl"] = _novelty_kl(matched, is_known)
    found["artists"] = _artist_diversity(matched, stage, is_known)
    return {
        name: [(np.nan_to_num(value) @ weights).tolist(), (~np.isnan(value) @ weights).tolist()]
        for name, value in found.items()
    }


def _ndcg(matched: MatchedLists, kind: str, is_known: np.ndarray) -> np.ndarray:
    """Return the evaluation's metric of each user [U]; NaN: without a target of the kind, or without a history."""
    of_kind = pl.col("targets").cast(pl.String) == kind
    value = np.full(len(is_known), np.nan)
    value[matched.totals.filter(of_kind)["user"].to_numpy()] = 0.0
    hits = rows_of(matched.hits, PAGE).filter(of_kind).group_by("user").agg(value=TWO_DIMENSIONAL.value)
    value[hits["user"].to_numpy()] = hits["value"].to_numpy()
    return np.where(is_known, value, np.nan)


def _genre_kl(matched: MatchedLists, stage: Stage, is_known: np.ndarray) -> np.ndarray:
    """Return the divergence of the first genres of each page from those of the plays, nats [U] (Steck, RecSys 2018)."""
    cards = rows_of(matched.lists, PAGE)
    genres = stage.run.catalog.tracks["genre"].gather(cards["track"])
    return _divergence(cards.with_columns(genres).drop_nulls("genre"), matched.shares, "genre", is_known)


def _novelty_kl(matched: MatchedLists, is_known: np.ndarray) -> np.ndarray:
    """Return the divergence of the share of tracks not played before, from the share of first plays, nats [U]."""
    cards = rows_of(matched.lists, PAGE).select("user", "track")
    known = matched.played.with_columns(kind=pl.lit(0))
    cards = cards.join(known, on=["user", "track"], how="left").with_columns(pl.col("kind").fill_null(1))
    new = matched.played.group_by("user").len("new").join(matched.users, on="user")
    share = pl.col("new") / pl.col("n_played")
    both = [new.select("user", kind=pl.lit(kind), p_kind=p) for kind, p in ((0, 1 - share), (1, share))]
    return _divergence(cards, pl.concat(both).filter(pl.col("p_kind") > 0), "kind", is_known)


def _divergence(cards: pl.DataFrame, shares: pl.DataFrame, kind: str, is_known: np.ndarray) -> np.ndarray:
    """Return the divergence of the kinds of cards from the shares (p_*) of a user's plays [U]; NaN: one is absent."""
    shown = cards.group_by("user", kind).agg(n=pl.len())
    shown = shown.select("user", kind, q=pl.col("n") / pl.col("n").sum().over("user"))
    both = shares.join(shown.select("user").unique(), on="user", how="semi").join(shown, on=["user", kind], how="left")
    p, q = pl.col(f"p_{kind}"), pl.col("q").fill_null(0.0)
    by_user = both.group_by("user").agg(kl=(p * (p / ((1 - KL_SMOOTHING) * q + KL_SMOOTHING * p)).log()).sum())
    value = np.full(len(is_known), np.nan)
    value[by_user["user"].to_numpy()] = by_user["kl"].to_numpy()
    return np.where(is_known, value, np.nan)


def _artist_diversity(matched: MatchedLists, stage: Stage, is_known: np.ndarray) -> np.ndarray:
    """Return the share of the pairs of tracks on a shelf by different artists [U]; unknown artists are left out."""
    cards = rows_of(matched.lists, PAGE)
    named = cards.with_columns(stage.run.catalog.tracks["artist"].gather(cards["track"])).drop_nulls("artist")
    same = named.group_by("user", "shelf_position", "artist").agg(n=pl.len())
    n, pairs = pl.col("n"), pl.col("n").sum() * (pl.col("n").sum() - 1)
    by_shelf = same.group_by("user", "shelf_position").agg(pairs=pairs, alike=(n * (n - 1)).sum())
    by_user = by_shelf.group_by("user").agg(value=1 - pl.col("alike").sum() / pl.col("pairs").sum())
    value = np.full(len(is_known), np.nan)
    value[by_user["user"].to_numpy()] = by_user["value"].to_numpy()
    return np.where(is_known, value, np.nan)
