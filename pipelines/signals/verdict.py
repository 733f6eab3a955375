"""The verdict on a new column: ship, no evidence or leaks, with the sentences that justify it."""

import numpy as np

from pipelines.signals.findings import ColumnFindings
from pipelines.signals.gains import Gain

SHIP, NO_EVIDENCE, LEAKS = "ship", "no evidence", "leaks"
# Planted leaks lie above, honest columns below (tests/benchmarks/evaluation/signal.py prints by how much).
MAX_DISCONTINUITY = 0.06
# In units of the likelihood that the run explains: an honest column never explains twice as much again.
_MAX_GAIN = 2.0
# Of the stability index; a larger one is usually called a shift.
_MAX_DRIFT = 0.25
_MAX_COVERAGE_DIFFERENCE = 0.1


def decide_verdict(found: ColumnFindings) -> str:
    """Return SHIP, NO_EVIDENCE or LEAKS."""
    if _leak_reasons(found):
        return LEAKS
    return NO_EVIDENCE if _missing_evidence(found) else SHIP


def explain_verdict(found: ColumnFindings) -> list[str]:
    """Return the sentences that justify the verdict."""
    if decide_verdict(found) != SHIP:
        return _leak_reasons(found) or _missing_evidence(found)
    gain, beyond = _as_percent(found.total.without), _as_percent(found.total.placebo)
    return [f"likelihood of all rewards: {gain} of what the run explains; over its placebo {beyond}"]


def _leak_reasons(found: ColumnFindings) -> list[str]:
    """Return the reasons to believe that a column was made of what came after the cutoff."""
    reasons = []
    moment, jump = max(found.discontinuities.items(), key=lambda one: one[1].low)
    if jump.low > MAX_DISCONTINUITY:
        reasons.append(
            f"it changes at the cutoff: its correlation with the days after is {jump.future_correlation:+.2f}, with the"
            f" days before {jump.past_correlation:+.2f} (difference at least {jump.low:+.2f}, at most"
            f" {MAX_DISCONTINUITY:+.2f} allowed; {moment})"
        )
    if found.total.without.low > _MAX_GAIN:
        reasons.append(
            f"its gain is implausible: it explains {found.total.without.value:.1f} times as much again as the run's"
            " ranker and all its features together"
        )
    return reasons


def _missing_evidence(found: ColumnFindings) -> list[str]:
    """Return the reasons why there is no evidence that a column helps."""
    if not any(found.coverage.values()):
        return ["no candidate has a value"]
    reasons = [
        f"likelihood gained over {against}: {_as_percent(gain)}, an interval that is not above 0"
        for against, gain in (("doing without it", found.total.without), ("its placebo", found.total.placebo))
        if not gain.low > 0
    ]
    if found.ndcg and found.ndcg.without.high < 0:
        reasons.append(f"it makes the order worse: NDCG@10 {found.ndcg.without.value:+.4f}")
    return reasons


def list_cautions(found: ColumnFindings) -> list[str]:
    """Return warnings that do not change the verdict."""
    cautions = []
    if not found.is_timed:
        cautions.append(
            "without --known_at nothing shows that a value was known at its moment: only the leak test protects"
        )
    if found.drift is not None and found.drift > _MAX_DRIFT:
        cautions.append(
            f"it shifts between training and scoring: stability index {found.drift:.2f}, {_MAX_DRIFT:g} is much"
        )
    shares = [share for share in found.coverage.values() if not np.isnan(share)]
    if len(shares) > 1 and max(shares) - min(shares) > _MAX_COVERAGE_DIFFERENCE:
        cautions.append("its coverage differs between training and scoring by more than a tenth of the candidates")
    if found.ndcg and not found.ndcg.without.low > 0 and decide_verdict(found) == SHIP:
        cautions.append(
            "it improves probabilities, not the order of a user's candidates: of use where scores are compared"
        )
    return cautions


def _as_percent(gain: Gain) -> str:
    return f"{gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})"
