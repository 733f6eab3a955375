"""One metric of a readout as an entry: a ratio of two counts by user and day."""

from dataclasses import dataclass

# Denominator of metrics per user and day: the days since the user's exposure.
DAYS = "days"


@dataclass(frozen=True)
class ReadoutMetric:
    """A metric of an arm: the sum of `value` over the sum of `per`.

    value: a column of USER_DAYS. per: DAYS, or another column of USER_DAYS. sentence: what is measured. unit: of the
    metric; scale: `value` is in 1 / scale of it. is_higher_better: whether a rise is an improvement. delay_days: time
    after a day until which its counts are not settled. needs_impressions: whether it is of the discovery ledger's part
    that tells shown from not shown. merit: None, or two more columns: the metric is then `value` over `per`, divided by
    the one over the other.
    """

    name: str
    value: str
    per: str
    sentence: str
    unit: str = ""
    scale: float = 1.0
    is_higher_better: bool = True
    delay_days: int = 0
    needs_impressions: bool = False
    merit: tuple[str, str] | None = None
