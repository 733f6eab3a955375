"""Compose the pages of one surface under rules, of which those that cannot all hold are relaxed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.pages.candidate_context import keep_rows, user_keys
from transforms.pages.composition.compose import ComposedPages, compose_pages
from transforms.pages.composition.inputs import MakeChooser, TrackFacts
from transforms.pages.composition.policy import Policy
from transforms.pages.composition.progress import PageObserver
from transforms.pages.composition.sampling import ChoiceSampler
from transforms.pages.rules.constraints import PageConstraints, audience_mask, excluded_mask
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelf import Shelf
from transforms.tables.hashing import mix

# The ids of the users of some candidates, in their order -> what makes the chooser of their pages.
ChooserOfUsers = Callable[[pl.Series], MakeChooser]


@dataclass(frozen=True)
class PageBuilder:
    """One surface and everything that its pages are composed with.

    vectors: float32 [tracks, D]. chooser: what makes the choices; None: they are drawn, at the policy's temperature.
    """

    surface: str
    shelves: Sequence[Shelf]
    policy: Policy
    rules: tuple[Rule, ...]
    catalog: Catalog
    vectors: np.ndarray
    observer: PageObserver | None = None
    chooser: ChooserOfUsers | None = None

    def compose(self, candidates: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
        """Return the pages of candidates with context, in order of user and score; and what they could not hold.

        That is bool [U, R + 1]: the rules that were relaxed and, last, the cap by artist of the first screen.

        The pages have one row per track, see ComposedPages; `row` is that of the candidates. Rules are relaxed on the
        greedy page, without exploration, and pages are drawn afterwards: so the probability of each draw is exact.
        """
        users = candidates.select("user_id", "user_plays", "market").unique(
            "user_id", keep="first", maintain_order=True
        )
        is_meant = audience_mask(self.rules, users, self.surface, self.policy.day)
        is_active = self._relax(candidates, is_meant) if self.rules else is_meant
        composed = self._compose_under(candidates, is_active, self.chooser or self._drawing(self.policy.exploration))
        is_relaxed = is_meant & (~is_active | composed.violated)
        return composed.shown, np.column_stack([is_relaxed, composed.is_crowded])

    def _drawing(self, temperature: float) -> ChooserOfUsers:
        """Return what draws the choices of users by their ids, the same for the whole day; 0 takes the best."""
        today = mix(np.full(1, self.policy.day.toordinal(), dtype=np.uint64))

        def choosing(user_ids: pl.Series) -> MakeChooser:
            keys = mix(user_keys(user_ids, seed=self.policy.seed) ^ today)
            return lambda rows, instances: ChoiceSampler(keys, temperature)

        return choosing

    def _relax(self, candidates: pl.DataFrame, is_meant: np.ndarray) -> np.ndarray:
        """Return which of the rules that apply to each user can hold together, bool [U, R].

        Where not all can, they are tried in order of importance: one that cannot hold with those before it is relaxed.
        """
        is_stuck = ~self._can_hold(candidates, is_meant, np.ones(len(is_meant), dtype=bool))
        is_active = np.where(is_stuck[:, None], False, is_meant)
        for number in range(len(self.rules)):
            is_tried = is_stuck & is_meant[:, number]
            trial = is_active.copy()
            trial[is_tried, number] = True
            is_active[:, number] |= is_tried & self._can_hold(candidates, trial, is_tried)
        return is_active

    def _can_hold(self, candidates: pl.DataFrame, is_active: np.ndarray, is_asked: np.ndarray) -> np.ndarray:
        """Return which of the asked users (bool [U]) get a page that breaks none of the active rules, bool [U]."""
        can_hold = np.zeros(len(is_asked), dtype=bool)
        if is_asked.any():
            of_asked = keep_rows(candidates, is_asked[candidates["user_id"].rle_id().to_numpy()])
            composed = self._compose_under(of_asked, is_active[is_asked], self._drawing(0.0))
            has_page = np.bincount(composed.shown["user"].to_numpy(), minlength=int(is_asked.sum())) > 0
            can_hold[is_asked] = has_page & ~composed.violated.any(axis=1)
        return can_hold

    def _compose_under(self, candidates: pl.DataFrame, is_active: np.ndarray, chooser: ChooserOfUsers) -> ComposedPages:
        """Compose pages of the candidates that the active rules (bool [U, R]) leave."""
        user = candidates["user_id"].rle_id().to_numpy()
        is_left = np.ones(len(candidates), dtype=bool)
        for number, rule in enumerate(self.rules):
            is_left &= ~(is_active[user, number] & excluded_mask(rule, candidates, self.catalog))
        left = keep_rows(candidates, is_left)
        users_left = np.unique(user[is_left])
        user_ids = left["user_id"].filter(left["user_id"].is_first_distinct())
        composed = compose_pages(
            left,
            self.shelves,
            self.policy,
            choosing=chooser(user_ids),
            tracks=TrackFacts(self.vectors, self.catalog.tracks),
            constraints=PageConstraints(self.rules, is_active[users_left]),
            observer=self.observer,
        )
        violated = np.zeros(is_active.shape, dtype=bool)
        is_crowded = np.zeros(len(is_active), dtype=bool)
        violated[users_left], is_crowded[users_left] = composed.violated, composed.is_crowded
        shown = _renumber(composed.shown, users_left, np.flatnonzero(is_left))
        return ComposedPages(shown, violated, is_crowded)


def _renumber(shown: pl.DataFrame, users: np.ndarray, rows: np.ndarray) -> pl.DataFrame:
    """Replace numbers of some users and rows by their numbers among all."""
    return shown.with_columns(
        user=pl.Series(users, dtype=pl.Int32).gather(shown["user"]),
        row=pl.Series(rows, dtype=pl.Int32).gather(shown["row"]),
    )
