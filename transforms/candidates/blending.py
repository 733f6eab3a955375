"""The union of all sources' proposals, and the blend: a logistic regression that ranks the union."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from transforms.candidates.context import CandidateContext, top_per_user
from transforms.candidates.source import Source
from transforms.candidates.sources import SOURCES
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.tables.artifacts import local_copy
from transforms.tables.groups import rank_in_group

_BLEND_FILE = "blend.json"
_NAMES = [source.name for source in SOURCES]
SOURCE_NAMES = pl.Series("source", _NAMES, dtype=pl.Enum(_NAMES))
# Carried over tracks rank behind the proposals of all sources.
_LAST_RANK = 2**31 - 1
_GUARANTEED = sum(2**number for number, source in enumerate(SOURCES) if source.is_guaranteed)
# Inputs of the blend. Of each source ln((1 + quota) / (1 + rank)), 0 where it does not propose the track. Of repeats
# the activation of the track and how much the user repeats; of discoveries similarity and popularity, which the ranks
# at single sources do not tell.
_RANK_SCORES = tuple(f"rank_score_{name}" for name in _NAMES)
_REPEATS = [source.name for source in SOURCES if source.is_repeat]
_IS_REPEAT = pl.any_horizontal(pl.col(f"rank_score_{name}") > 0 for name in _REPEATS)
_REPEAT_INPUTS = {
    "is_repeat": pl.lit(1.0),
    "repeat_activation": pl.max_horizontal(f"score_{name}" for name in _REPEATS),
    "repeat_user_plays": pl.col("user_plays").log1p(),
    "repeat_distinct_track_ratio": pl.col("user_distinct_track_ratio"),
    "repeat_days_since_active": pl.col("days_since_active").log1p(),
}
_DISCOVERY_INPUTS = {
    "discovery_similarity": pl.col("two_tower_similarity"),
    "discovery_popularity": pl.col("popularity").log1p(),
}
BLEND_INPUTS = (*_RANK_SCORES, *_REPEAT_INPUTS, *_DISCOVERY_INPUTS)


@dataclass(frozen=True)
class Blend:
    """A logistic regression over BLEND_INPUTS: weights by input, the intercept, and the decay of the activations."""

    weights: dict[str, float]
    intercept: float
    decay: float

    def blend_score(self) -> pl.Expr:
        """Return the probability that the user listens to the track of a row of union_candidates()."""
        logit = pl.lit(self.intercept)
        # always in the same order: it changes the last bits of a sum
        for name in BLEND_INPUTS:
            logit += self.weights[name] * pl.col(name)
        return 1 / (1 + (-logit).exp())

    def save(self, directory: Path) -> None:
        """Write one file of JSON."""
        (directory / _BLEND_FILE).write_text(json.dumps(vars(self), indent=1))


# Weights of a service without any listens in the label window.
PRIOR_BLEND = Blend(
    {
        **dict.fromkeys(_RANK_SCORES, 0.25),
        **dict.fromkeys((*_REPEAT_INPUTS, *_DISCOVERY_INPUTS), 0.0),
        "is_repeat": 1.0,
        "repeat_activation": 0.2,
    },
    -5.0,
    DEFAULT_DECAY,
)


@functools.lru_cache(maxsize=4)
def open_blend(path: str) -> Blend:
    """Open what Blend.save() wrote into an artifact.

    Raises:
        FileNotFoundError: there is no blend at the path.
        ValueError: it was fitted to other inputs; the message names them.
    """
    file = local_copy(path) / _BLEND_FILE
    if not file.is_file():
        raise FileNotFoundError(f"no {_BLEND_FILE} at {path}")
    blend = Blend(**json.loads(file.read_text()))
    if differing := sorted(set(blend.weights) ^ set(BLEND_INPUTS)):
        raise ValueError(f"{_BLEND_FILE} was fitted to other inputs: {', '.join(differing)}")
    return blend


def union_candidates(context: CandidateContext) -> pl.DataFrame:
    """Return all proposals of all sources and all carried over tracks, one row per user and track.

    Tracks that the user dislikes and withheld ones are dropped. Columns: user_id, track; source, seed_track
    (of the source that ranks the track highest; of a carried over track that no source proposes, those of the earlier
    run); sources (bit mask); carried_over_position (null: not carried over); score_* of every source (null: not
    proposed by it); two_tower_similarity; BLEND_INPUTS.
    """
    proposals = [_ranked(number, source, context) for number, source in enumerate(SOURCES)]
    proposed = pl.concat([*proposals, _carried_over(context.carry_over)], how="diagonal")
    ordered = context.drop_withheld(proposed).sort("rank", "source")
    union = ordered.group_by("user_id", "track", maintain_order=True).agg(
        pl.col("source", "seed_track").first(),
        pl.col(*(f"score_{name}" for name in _NAMES)).max(),
        pl.col(*_RANK_SCORES).max().fill_null(0.0),
        pl.col("carried_over_position").max(),
        sources=pl.lit(2).pow(pl.col("source")).filter(pl.col("carried_over_position").is_null()).sum().cast(pl.Int32),
    )
    allowed = union.join(context.history.disliked, on=["user_id", "track"], how="anti").sort("user_id", "track")
    return _with_blend_inputs(allowed, context)


def _with_blend_inputs(union: pl.DataFrame, context: CandidateContext) -> pl.DataFrame:
    """Add two_tower_similarity and BLEND_INPUTS to rows that have the rank scores."""
    users = context.history.users.select("user_id", "user_plays", "user_distinct_track_ratio", "days_since_active")
    similarity = context.two_tower_similarity(union["user_id"], union["track"])
    facts = union.select("user_id", two_tower_similarity=similarity)
    facts = facts.join(users, on="user_id", how="left", maintain_order="left").drop("user_id")
    facts = facts.hstack(context.catalog.tracks.select("popularity")[union["track"]])
    repeats = [pl.when(_IS_REPEAT).then(value).fill_null(0.0).alias(name) for name, value in _REPEAT_INPUTS.items()]
    discoveries = [
        pl.when(_IS_REPEAT).then(0.0).otherwise(value).fill_null(0.0).alias(name)
        for name, value in _DISCOVERY_INPUTS.items()
    ]
    return union.hstack(facts).with_columns(*repeats, *discoveries).drop(set(facts.columns) - {"two_tower_similarity"})


def blend_candidates(union: pl.DataFrame, blend: Blend, max_candidates: int) -> pl.DataFrame:
    """Rank the rows of union_candidates() by `blend_score`; keep each user's best and all that are guaranteed.

    Guaranteed are the proposals of guaranteed sources and the carried over tracks.
    """
    scored = union.with_columns(SOURCE_NAMES.gather(union["source"]), blend_score=blend.blend_score()).drop(
        name for name in BLEND_INPUTS if name not in _RANK_SCORES
    )
    is_guaranteed = ((pl.col("sources") & _GUARANTEED) > 0) | pl.col("carried_over_position").is_not_null()
    kept = pl.concat([top_per_user(scored, "blend_score", max_candidates), scored.filter(is_guaranteed)])
    return kept.unique(["user_id", "track"], keep="first").sort("user_id", "track")


def _ranked(number: int, source: Source, context: CandidateContext) -> pl.DataFrame:
    """Return the proposals of one source with their rank, from 0; no row where the source is disabled."""
    if source.missing_facts(context.catalog):
        proposed = context.history.users.select(
            "user_id", track=pl.lit(0, pl.Int32), score=0.0, seed_track=pl.lit(None, pl.Int32)
        ).clear()
    else:
        proposed = source.propose(context, source.quota)
    rank = rank_in_group("user_id")
    return proposed.select(
        "user_id",
        "track",
        "seed_track",
        rank.alias("rank"),
        pl.lit(number, dtype=pl.UInt32).alias("source"),
        ((1.0 + source.quota) / (1.0 + rank)).log().alias(_RANK_SCORES[number]),
        pl.col("score").cast(pl.Float64).alias(f"score_{source.name}"),
    )


def _carried_over(carry_over: pl.DataFrame) -> pl.DataFrame:
    """CARRY_OVER as proposals behind those of all sources, without rows of sources that no longer exist."""
    known = carry_over.with_columns(pl.col("source").cast(SOURCE_NAMES.dtype, strict=False)).drop_nulls("source")
    return known.select(
        "user_id",
        "track",
        "seed_track",
        pl.lit(_LAST_RANK, pl.Int32).alias("rank"),
        pl.col("source").to_physical().cast(pl.UInt32),
        pl.col("position").alias("carried_over_position"),
    )
