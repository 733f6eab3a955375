"""What the figures of a new column come to: ship, no evidence, or leaks; with the sentences that say why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.signals.gains import Gain
from pipelines.signals.leaks import Discontinuity

SHIP, NO_EVIDENCE, LEAKS = "ship", "no evidence", "leaks"
# Planted leaks and honest columns lie on both sides (tests/benchmarks/evaluation/signal.py prints where).
MAX_DISCONTINUITY = 0.06
# Of all that the run explains: what explains twice as much again is not of this world.
MAX_GAIN = 2.0
# Of the stability index; above it is usually called a shift.
MAX_DRIFT = 0.25


@dataclass(frozen=True)
class ColumnFindings:
    """All that was found of one column; see signal.py for what each is."""

    column: str
    coverage: Mapping[str, float]
    drift: float | None
    auc_alone: float
    best_alone: tuple[str, float]
    jumps: Mapping[str, Discontinuity]
    rewards: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    importance: list[tuple[str, Gain]]
    is_timed: bool

    @property
    def total(self) -> Mapping[str, Gain]:
        """Gain of all rewards by weight, over `without` and `placebo`."""
        return self.rewards[-1]

    @property
    def order(self) -> Mapping[str, Gain] | None:
        """Gain of NDCG among all candidates; None: nobody to judge it by."""
        return next((row for row in self.segments if row["segment"] == "all"), None)


def why_leaks(found: ColumnFindings) -> list[str]:
    """Why a column must be made of what came after the cutoff; empty: nothing says so."""
    reasons = []
    moment, jump = max(found.jumps.items(), key=lambda one: one[1].low)
    if jump.low > MAX_DISCONTINUITY:
        reasons.append(
            f"it jumps at the cutoff: it goes with the days after it by {jump.future_rise:+.2f}, with those before by"
            f" {jump.hindsight:+.2f} (difference at least {jump.low:+.2f}, at most {MAX_DISCONTINUITY:+.2f} allowed;"
            f" {moment})"
        )
    if found.total["without"].low > MAX_GAIN:
        reasons.append(
            f"it is out of all proportion: it explains {found.total['without'].value:.1f} times as much again as the"
            " run's ranker and all its features together"
        )
    return reasons


def why_not(found: ColumnFindings) -> list[str]:
    """Why there is no evidence that a column helps; empty: there is."""
    if not any(found.coverage.values()):
        return ["no candidate has a value"]
    reasons = [
        f"likelihood gained over {against}: {_share(gain)}, an interval that is not above 0"
        for against, gain in (("doing without it", found.total["without"]), ("its placebo", found.total["placebo"]))
        if not gain.low > 0
    ]
    if found.order and found.order["without"].high < 0:
        reasons.append(f"it makes the order worse: NDCG@10 {found.order['without'].value:+.4f}")
    return reasons


def list_cautions(found: ColumnFindings) -> list[str]:
    """What a team should know beside the verdict."""
    said = []
    if not found.is_timed:
        said.append(
            "without --known_at nothing shows that a value was known at its moment: only the leak test protects"
        )
    if found.drift is not None and found.drift > MAX_DRIFT:
        said.append(f"it shifts between training and scoring: stability index {found.drift:.2f}, {MAX_DRIFT:g} is much")
    shares = [share for name, share in found.coverage.items() if not np.isnan(share)]
    if len(shares) > 1 and max(shares) - min(shares) > 0.1:
        said.append("its coverage differs between training and scoring by more than a tenth of the candidates")
    if found.order and not found.order["without"].low > 0 and decide_verdict(found) == SHIP:
        said.append("it makes chances better, not the order of a user's candidates: of use where scores are compared")
    return said


def decide_verdict(found: ColumnFindings) -> str:
    """The one word."""
    if why_leaks(found):
        return LEAKS
    return NO_EVIDENCE if why_not(found) else SHIP


def explain_verdict(found: ColumnFindings) -> list[str]:
    """Why the verdict is what it is."""
    if decide_verdict(found) != SHIP:
        return why_leaks(found) or why_not(found)
    gain, beyond = _share(found.total["without"]), _share(found.total["placebo"])
    return [f"likelihood of all rewards: {gain} of what the run explains; over its placebo {beyond}"]


def _share(gain: Gain) -> str:
    return f"{gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})"
