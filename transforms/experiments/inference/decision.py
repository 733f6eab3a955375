"""The decision on a treatment: ship, do not ship, or continue, by a rule that was fixed before the first look.

Ship if at least one success metric is significantly better and all guardrails are significantly not inferior
(Schultzberg, Ankargren and Frånberg, Risk-aware product decisions in A/B tests with multiple metrics, 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

DO_SHIP, DO_NOT_SHIP, CONTINUE, BLOCKED = "ship", "do not ship", "continue", "blocked"
SUCCESS, GUARDRAIL, OTHER = "success", "guardrail", "other"


@dataclass(frozen=True)
class Interval:
    """The interval of a treatment's improvement in one metric, positive is better; role: SUCCESS or GUARDRAIL.

    margin: the loss of a guardrail, 0 or more, that would still be accepted.
    """

    metric: str
    role: str
    low: float
    high: float
    margin: float = 0.0

    @property
    def is_better(self) -> bool:
        """Return whether the improvement is significant."""
        return self.low > 0

    @property
    def is_worse(self) -> bool:
        """Return whether it is significantly worse than the margin allows (of a success metric: than no difference)."""
        return self.high < -self.margin

    @property
    def is_not_inferior(self) -> bool:
        """Return whether a loss of the margin is excluded."""
        return self.low > -self.margin


@dataclass(frozen=True)
class Decision:
    """A decision, and the sentences that explain it."""

    verdict: str
    reasons: tuple[str, ...]


def decide(intervals: Sequence[Interval], *, is_last_look: bool, blocked_by: Sequence[str] = ()) -> Decision:
    """Decide on a treatment by the intervals of its success metrics and guardrails.

    blocked_by: findings with which no figure may be trusted. is_last_look: the planned end is reached.
    """
    if blocked_by:
        return Decision(BLOCKED, tuple(blocked_by))
    success = [one for one in intervals if one.role == SUCCESS]
    guardrails = [one for one in intervals if one.role == GUARDRAIL]
    better = [one.metric for one in success if one.is_better]
    unsafe = [one.metric for one in guardrails if not one.is_not_inferior]
    harmed = [one.metric for one in guardrails if one.is_worse]
    caution = [f"{one.metric} is significantly worse" for one in success if one.is_worse]
    if better and not unsafe:
        kept = f"{_named(guardrails)} not inferior" if guardrails else "there is no guardrail"
        return Decision(DO_SHIP, (f"{', '.join(better)} significantly better", kept, *caution))
    open_questions = _open_questions(better, unsafe, harmed)
    is_lost = bool(harmed) or (bool(success) and all(one.is_worse for one in success))
    verdict = DO_NOT_SHIP if is_lost or is_last_look else CONTINUE
    return Decision(verdict, (*open_questions, *caution))


def _named(guardrails: Sequence[Interval]) -> str:
    return "the guardrail is" if len(guardrails) == 1 else f"all {len(guardrails)} guardrails are"


def _open_questions(better: Sequence[str], unsafe: Sequence[str], harmed: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each part of the rule that does not hold."""
    unclear = [name for name in unsafe if name not in harmed]
    said = [] if better else ["no success metric is significantly better"]
    said += [f"{', '.join(harmed)} lost more than its margin"] if harmed else []
    said += [f"a loss of {', '.join(unclear)} beyond its margin is not excluded"] if unclear else []
    return tuple(said)
