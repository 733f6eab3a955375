"""Turn scored candidates into ranked lists: of each source, of all together, and as the ranker orders them."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.candidates.sources import SOURCES
from transforms.evaluation.schemas import EVALUATION_ROWS, FIRST_STAGE, RANKER
from transforms.features.reward import probability_column
from transforms.features.rewards import LISTENED
from transforms.tables.buckets import MapBuckets
from transforms.tables.columns import fill_columns
from transforms.tables.groups import rank_in_group

_NAMES = pl.Enum([source.name for source in SOURCES] + [FIRST_STAGE, RANKER])


@dataclass(eq=False)
class ListCandidates(beam.PTransform):
    """list_candidates() on every bucket."""

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """One map."""
        return scored | MapBuckets(list_candidates, out=EVALUATION_ROWS)


def list_candidates(scored: pl.DataFrame) -> pl.DataFrame:
    """SCORED of whole users -> EVIDENCE: a list for each source, one of their union, one of the ranker.

    The union goes by `fusion`: the plain merged ranking.
    """
    parts = [_of_source(scored, number, source.name) for number, source in enumerate(SOURCES)]
    merged = scored.sort("user_id", "blend_score", "track", descending=[False, True, False])
    union = merged.select("user_id", "track", _place(), system=pl.lit(FIRST_STAGE, dtype=_NAMES))
    ordered = scored.sort("user_id", "score", "track", descending=[False, True, False])
    # lists are evaluated by listens, so their score is the probability of one, whatever other rewards there are
    ranker = ordered.select(
        "user_id", "track", _place(), score=probability_column(LISTENED), system=pl.lit(RANKER, dtype=_NAMES)
    )
    return fill_columns(pl.concat([*parts, union, ranker], how="diagonal"), EVALUATION_ROWS)


def _of_source(scored: pl.DataFrame, number: int, name: str) -> pl.DataFrame:
    """What one source proposed, by its own score."""
    proposed = scored.filter(pl.col("sources") // 2**number % 2 == 1)
    ordered = proposed.sort("user_id", f"score_{name}", "track", descending=[False, True, False])
    return ordered.select("user_id", "track", _place(), system=pl.lit(name, dtype=_NAMES))


def _place() -> pl.Expr:
    return rank_in_group("user_id").alias("rank")
