"""How what all sources propose becomes one ranking: by how likely it is listened to, fitted at an earlier moment."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from transforms.candidates.context import CandidateContext, top_per_user
from transforms.candidates.sources import SOURCES, Source
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.tables.artifacts import local_copy
from transforms.tables.groups import rank_in_group

_BLEND_FILE = "blend.json"
_NAMES = [source.name for source in SOURCES]
SOURCE_NAMES = pl.Series("source", _NAMES, dtype=pl.Enum(_NAMES))
_LAST_RANK = 2**31 - 1
_GUARANTEED = sum(2**number for number, source in enumerate(SOURCES) if source.is_guaranteed)
# What the merge goes by: of each source ln((1 + quota) / (1 + rank)), 0 where it does not propose the track; of own
# tracks how active they are, and how given to repeating the user is; of others how near and how popular they are, which
# their places among what one source proposes do not say.
_RANK_SCORES = tuple(f"rank_score_{name}" for name in _NAMES)
_IS_REPEAT = pl.col("rank_score_repeats") > 0
_REPEAT_INPUTS = {
    "is_repeat": pl.lit(1.0),
    "repeat_activation": pl.col("score_repeats"),
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
    """A logistic regression: weights by name of MERGED, the intercept, and the decay of the activations it goes by."""

    weights: dict[str, float]
    intercept: float
    decay: float

    def blend_score(self) -> pl.Expr:
        """How likely a row of union_candidates() is listened to."""
        logit = pl.lit(self.intercept)
        # in one order, for sums of floats depend on it
        for name in BLEND_INPUTS:
            logit += self.weights[name] * pl.col(name)
        return 1 / (1 + (-logit).exp())

    def save(self, directory: Path) -> None:
        """Write one file of JSON."""
        (directory / _BLEND_FILE).write_text(json.dumps(vars(self), indent=1))


# Of a service that has nothing to learn from yet.
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
    """Open what Merge.save() wrote into an artifact.

    Raises:
        FileNotFoundError: there is none at the path.
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
    """All that the sources propose, within their quotas, but not what the user disliked: one row per user and track.

    And what stands on weekly shelves, with the source that had proposed it where none does any more.

    user_id, track, source (the one that ranks it best) and its seed_track, sources (a bit mask), weekly_place (null:
    not on the shelf), score_* of every source (null: it does not propose the track), affinity, and MERGED.
    """
    proposals = [_best_of(number, source, context) for number, source in enumerate(SOURCES)]
    proposals.append(_carried_over(context.carry_over))
    ordered = pl.concat(proposals, how="diagonal").sort("rank", "source")
    union = ordered.group_by("user_id", "track", maintain_order=True).agg(
        pl.col("source", "seed_track").first(),
        pl.col(*(f"score_{name}" for name in _NAMES)).max(),
        pl.col(*_RANK_SCORES).max().fill_null(0.0),
        pl.col("carried_over_position").max(),
        sources=pl.lit(2).pow(pl.col("source")).filter(pl.col("carried_over_position").is_null()).sum().cast(pl.Int32),
    )
    allowed = union.join(context.history.disliked, on=["user_id", "track"], how="anti").sort("user_id", "track")
    users = context.history.users.select("user_id", "user_plays", "user_distinct_track_ratio", "days_since_active")
    facts = allowed.select(
        "user_id", two_tower_similarity=context.two_tower_similarity(allowed["user_id"], allowed["track"])
    )
    facts = facts.join(users, on="user_id", how="left", maintain_order="left").drop("user_id")
    facts = facts.hstack(context.catalog.tracks.select("popularity")[allowed["track"]])
    own = [pl.when(_IS_REPEAT).then(value).fill_null(0.0).alias(name) for name, value in _REPEAT_INPUTS.items()]
    others = [
        pl.when(_IS_REPEAT).then(0.0).otherwise(value).fill_null(0.0).alias(name)
        for name, value in _DISCOVERY_INPUTS.items()
    ]
    return allowed.hstack(facts).with_columns(*own, *others).drop(set(facts.columns) - {"two_tower_similarity"})


def blend_candidates(union: pl.DataFrame, blend: Blend, max_candidates: int) -> pl.DataFrame:
    """Keep each user's `max_candidates` likeliest of union_candidates(), and what is certain: `fusion`.

    Certain is what a certain source proposes, and what stands on a weekly shelf.
    """
    ranked = union.with_columns(SOURCE_NAMES.gather(union["source"]), blend_score=blend.blend_score()).drop(
        name for name in BLEND_INPUTS if name not in _RANK_SCORES
    )
    is_guaranteed = ((pl.col("sources") & _GUARANTEED) > 0) | pl.col("carried_over_position").is_not_null()
    kept = pl.concat([top_per_user(ranked, "blend_score", max_candidates), ranked.filter(is_guaranteed)])
    return kept.unique(["user_id", "track"], keep="first").sort("user_id", "track")


def _best_of(number: int, source: Source, context: CandidateContext) -> pl.DataFrame:
    """The quota of one source, ranked from 0; nothing where the catalog lacks what it needs."""
    if all(context.catalog.has(column) for column in source.needs):
        proposed = top_per_user(source.propose(context, source.quota), "score", source.quota)
    else:
        proposed = context.history.users.select(
            "user_id", track=pl.lit(0, pl.Int32), score=0.0, seed_track=pl.lit(None, pl.Int32)
        ).clear()
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
    """CARRY_OVER as proposals behind those of all sources; one by a source that an earlier version had is none."""
    context = carry_over.with_columns(pl.col("source").cast(SOURCE_NAMES.dtype, strict=False)).drop_nulls("source")
    return context.select(
        "user_id",
        "track",
        "seed_track",
        pl.lit(_LAST_RANK, pl.Int32).alias("rank"),
        pl.col("source").to_physical().cast(pl.UInt32),
        pl.col("place").alias("carried_over_position"),
    )
