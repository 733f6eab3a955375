"""What happened to one track while a page was composed: the assembler itself, watched."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from transforms.pages.composition import Composer, Offer
from transforms.pages.shelf_instances import CapGroups


@dataclass(frozen=True)
class TraceStep:
    """What happened at one position.

    entry, worth: of the shelf that took it. verdict: what became of the track there. winner: the code of the track that
    had the place which it came nearest to, -1: none. waiting: the other shelves that could have shown it.
    """

    position: int
    entry: int
    worth: float
    verdict: str
    winner: int
    waiting: tuple["WaitingShelf", ...]


@dataclass(frozen=True)
class WaitingShelf:
    """A shelf with the track that did not take a position: what it was worth, tracks it had and would have needed."""

    entry: int
    code: int
    worth: float
    size: int
    least: int


class Traced(Composer):
    """The page of one user in the making; `steps` says what became of a track (code) at each position."""

    def __init__(self, track: int, steps: list[TraceStep], *arguments: Any) -> None:
        """Watch one track; steps of an earlier attempt under other rules are forgotten."""
        super().__init__(*arguments)
        steps.clear()
        self.track, self.steps = track, steps

    def _show(self, position: int, offer: Offer, chosen: np.ndarray, p_shelf: np.ndarray) -> None:
        before = self.heads.is_there.copy()
        super()._show(position, offer, chosen, p_shelf)
        (instance,) = chosen
        shown = self.placed[-1]["row"].to_numpy()
        verdict, winner = self._verdict(int(instance), offer, before, shown)
        self.steps.append(
            TraceStep(
                position,
                int(self.entry[instance]),
                float(offer.worth[instance]),
                verdict,
                int(self.rows.track[winner]) if winner >= 0 else -1,
                self._waiting(offer, before, int(instance)),
            )
        )

    def _verdict(self, instance: int, offer: Offer, before: np.ndarray, shown: np.ndarray) -> tuple[str, int]:
        """What became of the track on the shelf that was chosen, and the row that stands where it might."""
        rows = np.flatnonzero(self.rows.track == self.track)
        if not len(rows):
            return "excluded before: by a rule, or by the user's market", -1
        is_it = np.isin(self.found.row, rows) & (self.found.instance == instance)
        if not is_it.any():
            return "not for this shelf", -1
        (member,) = np.flatnonzero(is_it)
        if np.isin(shown, rows).any():
            return f"shown at {int(np.flatnonzero(np.isin(shown, rows))[0])}", -1
        if not before[member]:
            return "on the page already, or kept for another shelf", -1
        for what, rivals in (("album", self.found.albums), ("artist", self.found.artists)):
            better = self._better(int(member), rivals, before)
            if better is not None:
                return f"capped: better tracks of its {what} stand before it", better
        if not offer.is_there[member]:
            return "capped: the page has enough by its artist", -1
        return "outranked", int(shown[-1])

    def _better(self, member: int, rivals: CapGroups, is_there: np.ndarray) -> int | None:
        """The row that fills the cap of the track's group, if it is filled before the track."""
        of = np.flatnonzero(rivals.member == member)
        if not len(of):
            return None
        group = rivals.member[(rivals.group == rivals.group[of[0]]) & is_there[rivals.member]]
        place = int(np.flatnonzero(group == member)[0])
        most = int(rivals.most[of[0]])
        return int(self.found.row[group[most - 1]]) if place >= most else None

    def _waiting(self, offer: Offer, before: np.ndarray, chosen: int) -> tuple[WaitingShelf, ...]:
        """The other shelves on which the track still was."""
        rows = np.flatnonzero(self.rows.track == self.track)
        members = np.flatnonzero(np.isin(self.found.row, rows) & before)
        return tuple(
            WaitingShelf(
                int(self.entry[one]),
                int(self.found.code[one]),
                float(offer.worth[one]),
                int(offer.size[one]),
                int(self.minimum[one]),
            )
            for one in self.found.instance[members]
            if one != chosen and offer.size[one]
        )
