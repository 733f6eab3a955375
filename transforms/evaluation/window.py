"""The times of an evaluation at one cutoff."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class EvaluationWindow:
    """Systems see what is known before cutoff_at; targets are the plays from starts_at to ends_at (exclusive)."""

    cutoff_at: datetime
    starts_at: datetime
    ends_at: datetime
