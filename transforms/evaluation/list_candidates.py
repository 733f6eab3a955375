"""Turn scored candidates into ranked lists: of each source, of all sources together, and in the ranker's order."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.candidates.sources import SOURCES
from transforms.evaluation.metrics.system import FIRST_STAGE, RANKER
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.features.reward import probability_column
from transforms.features.rewards import LISTENED
from transforms.tables.buckets import MapBuckets
from transforms.tables.columns import fill_columns
from transforms.tables.groups import rank_in_group

_SYSTEMS = pl.Enum([source.name for source in SOURCES] + [FIRST_STAGE, RANKER])


@dataclass(eq=False)
class ListCandidates(beam.PTransform):
    """Apply list_candidates() to every bucket."""

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """Apply one map."""
        return scored | MapBuckets(list_candidates, out=EVALUATION_ROWS)


def list_candidates(scored: pl.DataFrame) -> pl.DataFrame:
    """SCORED of whole users -> EVALUATION_ROWS: a list of each source, of the first stage and of the ranker.

    The first stage is ordered by `blend_score`, sources by their own scores.
    """
    parts = [_list_source(scored, number, source.name) for number, source in enumerate(SOURCES)]
    blended = scored.sort("user_id", "blend_score", "track", descending=[False, True, False])
    first_stage = blended.select("user_id", "track", _rank(), system=pl.lit(FIRST_STAGE, dtype=_SYSTEMS))
    ordered = scored.sort("user_id", "score", "track", descending=[False, True, False])
    # targets are listens, so the score that is compared with them is the probability of a listen
    p_listened = probability_column(LISTENED)
    ranker = ordered.select("user_id", "track", _rank(), score=p_listened, system=pl.lit(RANKER, dtype=_SYSTEMS))
    return fill_columns(pl.concat([*parts, first_stage, ranker], how="diagonal"), EVALUATION_ROWS)


def _list_source(scored: pl.DataFrame, number: int, name: str) -> pl.DataFrame:
    """List the candidates of one source by its score; number: its bit in `sources`."""
    proposed = scored.filter(pl.col("sources") // 2**number % 2 == 1)
    ordered = proposed.sort("user_id", f"score_{name}", "track", descending=[False, True, False])
    return ordered.select("user_id", "track", _rank(), system=pl.lit(name, dtype=_SYSTEMS))


def _rank() -> pl.Expr:
    return rank_in_group("user_id").alias("rank")
