"""Explain what happened to one track while its user's page was composed."""

from dataclasses import dataclass, field

import numpy as np

from transforms.pages.composition.inputs import CompositionInputs
from transforms.pages.composition.progress import Placement
from transforms.pages.shelves.value import shelf_value


@dataclass(frozen=True)
class WaitingShelf:
    """A shelf with the track that did not take a position.

    shelf_index, code: of the instance. value, num_before, divisor: see ShelfOptions. size, minimum: tracks that it
    could have shown, and needed.
    """

    shelf_index: int
    code: int
    value: float
    num_before: int
    divisor: float
    size: int
    minimum: int


@dataclass(frozen=True)
class TraceStep:
    """Fate of the track at one position.

    shelf_index: the shelf that took the position. value, num_before, divisor: see ShelfOptions; with them it won.
    score: value of the tracks that it shows, as published: re-ranking and chance may show others than the best.
    verdict: why the track stands there or does not. winner: code of the track that it lost to most narrowly, -1: none.
    waiting: the other shelves that could have shown it.
    """

    position: int
    shelf_index: int
    value: float
    num_before: int
    divisor: float
    score: float
    verdict: str
    winner: int
    waiting: tuple[WaitingShelf, ...]


@dataclass
class TrackTracer:
    """A PageObserver of the page of one user: `steps` says what happened to a track (code) at each position."""

    track: int
    steps: list[TraceStep] = field(default_factory=list)
    inputs: CompositionInputs | None = None

    def on_start(self, inputs: CompositionInputs) -> None:
        """Forget what was composed before, under other rules."""
        self.steps.clear()
        self.inputs = inputs

    def on_placement(self, placement: Placement) -> None:
        """Note what the shelf that took a position means for the track."""
        if self.inputs is None:
            raise RuntimeError("on_start() comes first")
        view = _TrackView(self.inputs, self.track, placement)
        verdict, winner = view.verdict()
        self.steps.append(
            TraceStep(
                placement.position,
                int(placement.options.shelf_index[view.instance]),
                float(placement.options.value[view.instance]),
                int(placement.options.num_before[view.instance]),
                float(placement.options.divisor[view.instance]),
                view.score(),
                verdict,
                int(self.inputs.rows.track[winner]) if winner >= 0 else -1,
                view.waiting(),
            )
        )


@dataclass(frozen=True)
class _TrackView:
    """One track, and what one placement on its user's page means for it."""

    inputs: CompositionInputs
    track: int
    placement: Placement

    @property
    def instance(self) -> int:
        """The shelf instance that was chosen."""
        (chosen,) = self.placement.chosen
        return int(chosen)

    @property
    def rows(self) -> np.ndarray:
        """The candidates that are the track: one or none."""
        return np.flatnonzero(self.inputs.rows.track == self.track)

    def score(self) -> float:
        """Return the value of the tracks that the chosen shelf shows."""
        row, rank = (self.placement.shown[name].to_numpy() for name in ("row", "rank"))
        score, shelf = self.inputs.rows.score[row], np.zeros(len(row), dtype=np.int32)
        return float(shelf_value(score, rank, shelf, num_shelves=1, discount=self.inputs.discount)[0])

    def verdict(self) -> tuple[str, int]:
        """Return why the track is on the chosen shelf or is not, and the candidate in its way or -1."""
        if not len(self.rows):
            return "excluded before: by a rule, or by the user's market", -1
        instances, placement = self.inputs.instances, self.placement
        is_track = np.isin(instances.row, self.rows) & (instances.instance == self.instance)
        if not is_track.any():
            return "not for this shelf", -1
        (member,) = np.flatnonzero(is_track)
        shown = placement.shown["row"].to_numpy()
        if np.isin(shown, self.rows).any():
            return f"shown at {int(np.flatnonzero(np.isin(shown, self.rows))[0])}", -1
        if not placement.was_left[member]:
            return "on the page already, or kept for another shelf", -1
        for maker, groups in (("album", instances.albums), ("artist", instances.artists)):
            better = groups.better_member(int(member), placement.was_left)
            if better is not None:
                return f"capped: better tracks of its {maker} stand before it", int(instances.row[better])
        if not placement.is_free[member]:
            return "capped: the page has enough by its artist", -1
        return "outranked", int(shown[-1])

    def waiting(self) -> tuple[WaitingShelf, ...]:
        """Return the other shelves that could have shown the track."""
        instances, options = self.inputs.instances, self.placement.options
        members = np.flatnonzero(np.isin(instances.row, self.rows) & self.placement.was_left)
        return tuple(
            WaitingShelf(
                int(instances.shelf_index[one]),
                int(instances.code[one]),
                float(options.value[one]),
                int(options.num_before[one]),
                float(options.divisor[one]),
                int(options.size[one]),
                int(self.inputs.traits.minimum[one]),
            )
            for one in instances.instance[members]
            if one != self.instance and options.size[one]
        )
