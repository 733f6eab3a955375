"""Compose pages as they were logged, and note with which probability the target policy would have made each choice."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.sampling import MASKED, Choice, choice_weights
from transforms.pages.composition.shelf_instances import ShelfInstances
from transforms.pages.composition.show_tracks import STEPS_PER_POSITION

# No shelf, no track: the place is empty, or the target does not know what stands there.
NOTHING = -1


class LogSupport(NamedTuple):
    """Everything that the log ever shows: by index of shelf, bool [shelves], and by recording, bool [tracks]."""

    shelf: np.ndarray
    recording: np.ndarray


@dataclass(frozen=True)
class PageLog:
    """Q logged pages of at most S shelves with K tracks: what stands on them, and what was found of the choices.

    shelf: int [Q, S], index of the shelf; track: int [Q, S, K], code of the recording; NOTHING: none, or unknown.
    found: float64 [4, Q, S, 1 + K], see FOUND; the choice of a shelf comes before those of its tracks. NaN: the target
    chooses nothing there.
    """

    shelf: np.ndarray
    track: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, shelf: np.ndarray, track: np.ndarray) -> "PageLog":
        """Return pages of which nothing was found yet."""
        num_pages, num_shelves, num_tracks = track.shape
        return cls(shelf, track, np.full((len(FOUND), num_pages, num_shelves, 1 + num_tracks), np.nan))


# Of each choice: its probability, what the ranker predicts of it, the mean of that over the target's choices, and the
# probability that the target chooses what the log never shows.
FOUND = ("target_propensity", "score", "target_score", "target_unlogged")


class LoggedChooser:
    """A Chooser that follows the log where the target can, and takes the target's best where it cannot."""

    def __init__(
        self, log: PageLog, pages: np.ndarray, temperature: float, support: LogSupport, recording: np.ndarray
    ) -> None:
        """Set the log, the number of the page of each user [U], the target's temperature, and the recordings' codes."""
        self.log, self.pages, self.temperature, self.support = log, pages, temperature, support
        self.recording = recording

    def start(self, rows: CandidateRows, instances: ShelfInstances) -> "LoggedChooser":
        """Take candidates and instances of the users, and find which instance each logged shelf is."""
        self.rows, self.instances = rows, instances
        self.recording_of_row = self.recording[rows.track]
        self.instance = self._find_instances()
        return self

    def choose(self, utility: np.ndarray, users: np.ndarray, step: int, options: np.ndarray) -> Choice:
        """Return the logged option of each user, and its probability under the target."""
        position, place = divmod(step, STEPS_PER_POSITION)
        share = choice_weights(utility, self.temperature)
        share /= share.sum(axis=1, keepdims=True)
        if position >= self.log.shelf.shape[1] or place > self.log.track.shape[2]:
            return Choice(utility.argmax(axis=1), np.ones(len(utility)))
        if place == 0:
            names, wanted, value = options, self.instance[users, position], np.exp(utility)
            is_logged = self.support.shelf[self.instances.shelf_index[options]]
        else:
            names = np.where(options >= 0, self.recording_of_row[options], NOTHING)
            wanted = self.log.track[self.pages[users], position, place - 1]
            value = np.where(options >= 0, self.rows.score[options], 0.0)
            is_logged = self.support.recording[names]
        is_wanted = (names == wanted[:, None]) & (wanted >= 0)[:, None] & (utility > MASKED)
        can_follow = is_wanted.any(axis=1)
        option = np.where(can_follow, is_wanted.argmax(axis=1), utility.argmax(axis=1))
        chosen = np.arange(len(users)), option
        propensity = np.where(can_follow, share[chosen], 0.0)
        score = np.where(can_follow, value[chosen], np.nan)
        self.log.found[:, self.pages[users], position, place] = (
            propensity,
            score,
            (share * value).sum(axis=1),
            (share * ~is_logged).sum(axis=1),
        )
        return Choice(option, propensity)

    def _find_instances(self) -> np.ndarray:
        """Return the instance that each logged shelf is, int [U, S]: of its shelf, the one with most of its tracks."""
        instance = np.full((len(self.pages), self.log.shelf.shape[1]), NOTHING)
        track = self.log.track[self.pages]
        user, shelf, rank = np.nonzero(track >= 0)
        logged = pl.DataFrame(
            {
                "user": user,
                "shelf": shelf,
                "kind": self.log.shelf[self.pages][user, shelf],
                "recording": track[user, shelf, rank],
            }
        ).with_columns(pl.all().cast(pl.Int64))
        of = self.instances.instance
        members = pl.DataFrame(
            {
                "instance": of,
                "user": self.rows.user[self.instances.row],
                "kind": self.instances.shelf_index[of],
                "recording": self.recording_of_row[self.instances.row],
            }
        ).with_columns(pl.all().cast(pl.Int64))
        matched = members.join(logged, on=["user", "kind", "recording"])
        counted = matched.group_by("user", "shelf", "instance").len()
        best = counted.sort("user", "shelf", "len", "instance", descending=[False, False, True, False])
        first = best.unique(["user", "shelf"], keep="first", maintain_order=True)
        instance[first["user"].to_numpy(), first["shelf"].to_numpy()] = first["instance"].to_numpy()
        return instance
