"""One reward as an entry: an outcome that the ranker predicts, and its weight in the score of a candidate."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Reward:
    """An outcome of showing a candidate to a user.

    label: aggregates the events of one user with one track since the candidate's moment, oldest first, to one boolean;
        events have the columns of label_outcomes.events_since(). Without an event it is false.
    weight: of the outcome in the expected reward, which is the sum of probabilities times weights.
    sentence: completes "1 if ...".
    delay_days: time after the label window until which the label is not settled.
    needs: columns of the catalog without any of which the log does not tell the outcome (see Catalog.has()).
    """

    name: str
    label: pl.Expr
    weight: float
    sentence: str
    delay_days: float = 0.0
    needs: tuple[str, ...] = ()


def label_column(name: str) -> str:
    """Return the column of EXAMPLES that holds the label of a reward."""
    return f"label_{name}"


def probability_column(name: str) -> str:
    """Return the column of SCORED that holds the predicted probability of a reward."""
    return f"p_{name}"
