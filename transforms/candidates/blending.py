"""The union of all sources' proposals, and the blend: a logistic regression that ranks the union."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from transforms.candidates.context import CandidateContext
from transforms.candidates.source import Source
from transforms.candidates.sources import SOURCES
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.tables.artifacts import local_copy
from transforms.tables.columns import categories
from transforms.tables.groups import rank_in_group, rank_in_run, sorted_distinct

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
    proposals = [context.drop_withheld(one) for one in (*proposals, _carried_over(context.carry_over))]
    num_tracks = len(context.catalog.tracks)
    pairs = sorted_distinct(np.concatenate([_pairs(one, num_tracks) for one in proposals]))
    places = [np.searchsorted(pairs, _pairs(one, num_tracks)) for one in proposals]
    users = context.history.users["user_id"]
    union = pl.DataFrame(
        {
            "user_id": categories(users).cast(users.dtype).gather(pairs // num_tracks),
            "track": pl.Series(pairs % num_tracks, dtype=pl.Int32),
            **_best_source(proposals, places, len(pairs)),
            **_by_source(proposals[:-1], places, len(pairs)),
            "carried_over_position": _scattered(proposals[-1]["carried_over_position"], places[-1], len(pairs)),
        }
    )
    disliked = np.isin(pairs, _pairs(context.history.disliked, num_tracks))
    return _with_blend_inputs(union.filter(~disliked) if disliked.any() else union, context)


def _pairs(rows: pl.DataFrame, num_tracks: int) -> np.ndarray:
    """Return a number for the user and the track of each row, int64 [n], in order of both."""
    return rows["user_id"].to_physical().to_numpy().astype(np.int64) * num_tracks + rows["track"].to_numpy()


def _best_source(proposals: Sequence[pl.DataFrame], places: Sequence[np.ndarray], size: int) -> dict[str, pl.Series]:
    """Return source and seed_track of the proposal that ranks each pair highest; of equal ranks the first source's.

    places: of each table of proposals, the pairs that its rows are about.
    """
    best = np.full(size, np.iinfo(np.int64).max)
    source, seed_track = np.zeros(size, np.uint32), np.full(size, -1, np.int32)
    for rows, place in zip(proposals, places, strict=True):
        rank = rows["rank"].to_numpy()
        is_better = rank < best[place]
        better = place[is_better]
        best[better] = rank[is_better]
        source[better] = rows["source"].to_numpy()[is_better]
        seed_track[better] = rows["seed_track"].fill_null(-1).to_numpy()[is_better]
    seeds = pl.Series(seed_track)
    return {"source": pl.Series(source), "seed_track": seeds.set(seeds < 0, None)}


def _by_source(proposals: Sequence[pl.DataFrame], places: Sequence[np.ndarray], size: int) -> dict[str, pl.Series]:
    """Return score_* and rank_score_* of every source, and the bit mask of sources."""
    columns, sources = {}, np.zeros(size, np.int32)
    for number, (name, rows, place) in enumerate(zip(_NAMES, proposals, places, strict=False)):
        columns[f"score_{name}"] = _scattered(rows[f"score_{name}"], place, size)
        columns[_RANK_SCORES[number]] = _scattered(rows[_RANK_SCORES[number]], place, size).fill_null(0.0)
        sources[place] |= 1 << number
    return {**columns, "sources": pl.Series(sources)}


def _scattered(values: pl.Series, place: np.ndarray, size: int) -> pl.Series:
    """Return a series of `size` with the values in their places, and null elsewhere."""
    row = np.full(size, len(values), np.uint32)
    row[place] = np.arange(len(values), dtype=np.uint32)
    return values.extend_constant(None, 1).gather(row)


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

    union: in order of user and track, as they are returned. Guaranteed are the proposals of guaranteed sources and the
    carried over tracks.
    """
    scored = union.with_columns(SOURCE_NAMES.gather(union["source"]), blend_score=blend.blend_score()).drop(
        name for name in BLEND_INPUTS if name not in _RANK_SCORES
    )
    is_guaranteed = ((pl.col("sources") & _GUARANTEED) > 0) | pl.col("carried_over_position").is_not_null()
    user = scored["user_id"].rle_id().to_numpy()
    best_first = np.lexsort((-scored["blend_score"].to_numpy(), user))
    is_kept = np.zeros(len(scored), dtype=bool)
    is_kept[best_first[rank_in_run(user) < max_candidates]] = True
    return scored.filter(is_guaranteed | pl.lit(pl.Series(is_kept)))


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
