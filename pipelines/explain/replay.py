"""Compose one user's published candidates again: the page of the run, or a page with changed scores."""

from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from pipelines.explain.user_features import features_of_user
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from transforms.features.rewards import MAX_REWARD
from transforms.pages.candidate_context import candidates_with_codes, candidates_with_context, order_candidates
from transforms.pages.page_builder import PageBuilder
from transforms.pages.page_table import nest_pages
from transforms.pages.shelves.shelves import available_shelves
from transforms.pages.traces import TraceStep, TrackTracer

# The search for a score: steps over the whole range, then halvings of the interval between two of them.
_SCORE_STEPS, _HALVINGS = 24, 12
_MIN_SCORE, _MAX_SCORE = 1e-5, MAX_REWARD


@dataclass(frozen=True)
class Replay:
    """One user's candidates of a run.

    Raises:
        UsageError: the run has none for the user, or this version composes another page of them than was published.
    """

    run: PublishedRun
    user: str
    surface: str

    def __post_init__(self) -> None:
        """Confirm that the replayed page is the published one."""
        if not self.candidates.height:
            raise UsageError(f"--user={self.user}: no candidates in {self.run.folder}")
        is_mine = (pl.col("user_id") == self.user) & (pl.col("surface") == self.surface)
        published = self.run.table("pages").filter(is_mine).collect()
        if not published.equals(self.page(self.candidates)):
            raise UsageError(f"{self.run.folder}: this version of homeshelf composes other pages than the run did")

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """The scored candidates of the user, with codes as composition needs them."""
        rows = self.run.table("candidates").filter(pl.col("user_id") == self.user).collect()
        return candidates_with_codes(rows, self.run.catalog)

    @cached_property
    def features(self) -> pl.DataFrame:
        """The candidates with all their features (UsageError: see features_of_user())."""
        return features_of_user(self.run, self.candidates)

    @cached_property
    def builder(self) -> PageBuilder:
        """Everything that the pages of the surface are composed with."""
        run = self.run
        shelves = available_shelves(run.catalog, self.surface)
        return PageBuilder(self.surface, shelves, run.policy, run.rules, run.catalog, run.embeddings.tracks)

    def with_context(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """Return candidates as composition needs them."""
        ordered = order_candidates(candidates, self.run.catalog, self.run.policy.as_of.date())
        return candidates_with_context(ordered, catalog=self.run.catalog, day=self.run.policy.day)

    def page(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """Return PAGES of the user, composed of these candidates."""
        prepared = self.with_context(candidates)
        return nest_pages(prepared, *self.builder.compose(prepared), self.builder)

    def traced(self, track_id: str) -> list[TraceStep]:
        """Return what happened to a track at each position, in the order in which positions were filled."""
        tracer = TrackTracer(int(self.candidates.filter(pl.col("track_id") == track_id)["track"].item()))
        replace(self.builder, observer=tracer).compose(self.with_context(self.candidates))
        return tracer.steps

    def is_shown(self, track_id: str, score: float) -> bool:
        """Return whether the track would be on the page with this score, everything else unchanged."""
        score_of = pl.when(pl.col("track_id") == track_id).then(score).otherwise("score").cast(pl.Float32)
        prepared = self.with_context(self.candidates.with_columns(score=score_of))
        shown, _ = self.builder.compose(prepared)
        return bool((prepared["track_id"].gather(shown["row"]) == track_id).any())

    def min_score_to_show(self, track_id: str, score: float) -> float | None:
        """Return the smallest score, above its own, with which a track that is not shown would be; None: no score does.

        The search takes steps and then halves the interval between two of them: with the returned score the track is
        shown, and with a ten-thousandth less it is not.
        """
        ratio = (_MAX_SCORE / max(score, _MIN_SCORE)) ** (1 / _SCORE_STEPS)
        steps = [max(score, _MIN_SCORE) * ratio**step for step in range(_SCORE_STEPS)] + [_MAX_SCORE]
        above = next((step for step, one in enumerate(steps) if self.is_shown(track_id, one)), None)
        if above is None:
            return None
        low, high = steps[above - 1] if above else score, steps[above]
        for _ in range(_HALVINGS):
            middle = (low * high) ** 0.5 if low else high / 2
            low, high = (low, middle) if self.is_shown(track_id, middle) else (middle, high)
        return high
