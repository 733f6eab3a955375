"""One feature of the ranker as an entry."""

from dataclasses import dataclass, replace

import polars as pl

# Freshness: the data that a feature depends on, and up to when.
OF_USER, OF_ALL = "as_of: the user's events", "as_of: everyone's events"
OF_TABLE = "the run: its track table"
OF_TOWERS = "as_of: two towers trained on everyone's events, and the user's events"
OF_SOURCES = "as_of: everyone's events and the two towers"
OF_BLEND = "as_of: all sources; weights fitted to the last label window of training examples"
# "Never" in days: ten years, so that a logarithm keeps it apart from any real gap.
NEVER_DAYS = 3650.0


@dataclass(frozen=True)
class Feature:
    """One number per candidate.

    expression: over a candidate joined with its user, its track's catalog row (CATALOG), and the user's history with
        the track, its artist and its genre (see History).
    missing: the value where the expression is null or not finite.
    group: features of a group are explained together.
    freshness: the data that the value depends on, and up to when.
    grows_with_log: the value rises by the time between two runs for most candidates while a log is young: that it
        shifts is no reason to stop a run.
    """

    name: str
    expression: pl.Expr
    sentence: str
    missing: float = 0.0
    group: str = ""
    freshness: str = ""
    grows_with_log: bool = False


def column_feature(name: str, sentence: str, missing: float = 0.0) -> Feature:
    """Return a feature that is a column of the joined candidate, unchanged."""
    return Feature(name, pl.col(name), sentence, missing)


def feature_group(name: str, freshness: str, *features: Feature) -> tuple[Feature, ...]:
    """Return the features with their group, and with its freshness where they have none of their own."""
    return tuple(replace(feature, group=name, freshness=feature.freshness or freshness) for feature in features)


def log_rank(name: str) -> pl.Expr:
    """Return ln(1 + rank) of a candidate among the user's by a column, descending; ties share the first rank."""
    return pl.col(name).rank("min", descending=True).over("user_id").log()
