"""How what all sources propose becomes one ranking: by how likely it is listened to, fitted at an earlier moment."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from transforms.candidates.context import Knowledge, top_of
from transforms.candidates.sources import SOURCES, Source
from transforms.candidates.user_history import DECAY
from transforms.tables.artifacts import local_copy

MERGE = "merge.json"
_NAMES = [source.name for source in SOURCES]
NAMES = pl.Series("source", _NAMES, dtype=pl.Enum(_NAMES))
LAST_RANK = 2**31
_CERTAIN = sum(2**number for number, source in enumerate(SOURCES) if source.is_certain)
# What the merge goes by: of each source ln((1 + quota) / (1 + rank)), 0 where it does not propose the track; of own
# tracks how active they are, and how given to repeating the user is; of others how near and how popular they are, which
# their places among what one source proposes do not say.
PLACES = tuple(f"place_{name}" for name in _NAMES)
_IS_OWN = pl.col("place_repeats") > 0
OWN = {
    "is_own": pl.lit(1.0),
    "own_activation": pl.col("score_repeats"),
    "own_plays": pl.col("user_plays").log1p(),
    "own_discovery": pl.col("user_distinct_track_ratio"),
    "own_absence": pl.col("days_since_active").log1p(),
}
OTHERS = {"other_affinity": pl.col("affinity"), "other_popularity": pl.col("popularity").log1p()}
MERGED = (*PLACES, *OWN, *OTHERS)


@dataclass(frozen=True)
class Merge:
    """A logistic regression: weights by name of MERGED, the intercept, and the decay of the activations it goes by."""

    weights: dict[str, float]
    intercept: float
    decay: float

    def fusion(self) -> pl.Expr:
        """How likely a row of pool_proposals() is listened to."""
        logit = pl.lit(self.intercept)
        # in one order, for sums of floats depend on it
        for name in MERGED:
            logit += self.weights[name] * pl.col(name)
        return 1 / (1 + (-logit).exp())

    def save(self, directory: Path) -> None:
        """Write one file of JSON."""
        (directory / MERGE).write_text(json.dumps(vars(self), indent=1))


# Of a service that has nothing to learn from yet.
PRIOR = Merge(
    {**dict.fromkeys(PLACES, 0.25), **dict.fromkeys((*OWN, *OTHERS), 0.0), "is_own": 1.0, "own_activation": 0.2},
    -5.0,
    DECAY,
)


@functools.lru_cache(maxsize=4)
def open_merge(path: str) -> Merge:
    """Open what Merge.save() wrote into an artifact.

    Raises:
        FileNotFoundError: there is none at the path.
        ValueError: it was fitted to other inputs; the message names them.
    """
    file = local_copy(path) / MERGE
    if not file.is_file():
        raise FileNotFoundError(f"no {MERGE} at {path}")
    merge = Merge(**json.loads(file.read_text()))
    if differing := sorted(set(merge.weights) ^ set(MERGED)):
        raise ValueError(f"{MERGE} was fitted to other inputs: {', '.join(differing)}")
    return merge


def pool_proposals(known: Knowledge) -> pl.DataFrame:
    """All that the sources propose, within their quotas, but not what the user disliked: one row per user and track.

    And what stands on weekly shelves, with the source that had proposed it where none does any more.

    user_id, track, source (the one that ranks it best) and its because_track, sources (a bit mask), weekly_place (null:
    not on the shelf), score_* of every source (null: it does not propose the track), affinity, and MERGED.
    """
    proposals = [_best_of(number, source, known) for number, source in enumerate(SOURCES)]
    proposals.append(_on_shelves(known.weekly))
    ordered = pl.concat(proposals, how="diagonal").sort("rank", "source")
    pooled = ordered.group_by("user_id", "track", maintain_order=True).agg(
        pl.col("source", "because_track").first(),
        pl.col(*(f"score_{name}" for name in _NAMES)).max(),
        pl.col(*PLACES).max().fill_null(0.0),
        pl.col("weekly_place").max(),
        sources=pl.lit(2).pow(pl.col("source")).filter(pl.col("weekly_place").is_null()).sum().cast(pl.Int32),
    )
    allowed = pooled.join(known.history.disliked, on=["user_id", "track"], how="anti").sort("user_id", "track")
    users = known.history.users.select("user_id", "user_plays", "user_distinct_track_ratio", "days_since_active")
    facts = allowed.select("user_id", affinity=known.affinity(allowed["user_id"], allowed["track"]))
    facts = facts.join(users, on="user_id", how="left", maintain_order="left").drop("user_id")
    facts = facts.hstack(known.catalog.tracks.select("popularity")[allowed["track"]])
    own = [pl.when(_IS_OWN).then(value).fill_null(0.0).alias(name) for name, value in OWN.items()]
    others = [pl.when(_IS_OWN).then(0.0).otherwise(value).fill_null(0.0).alias(name) for name, value in OTHERS.items()]
    return allowed.hstack(facts).with_columns(*own, *others).drop(set(facts.columns) - {"affinity"})


def merge_proposals(pooled: pl.DataFrame, merge: Merge, max_candidates: int) -> pl.DataFrame:
    """Keep each user's `max_candidates` likeliest of pool_proposals(), and what is certain: `fusion`.

    Certain is what a certain source proposes, and what stands on a weekly shelf.
    """
    ranked = pooled.with_columns(NAMES.gather(pooled["source"]), fusion=merge.fusion()).drop(
        name for name in MERGED if name not in PLACES
    )
    is_certain = ((pl.col("sources") & _CERTAIN) > 0) | pl.col("weekly_place").is_not_null()
    kept = pl.concat([top_of(ranked, "fusion", max_candidates), ranked.filter(is_certain)])
    return kept.unique(["user_id", "track"], keep="first").sort("user_id", "track")


def _best_of(number: int, source: Source, known: Knowledge) -> pl.DataFrame:
    """The quota of one source, ranked from 0; nothing where the catalog lacks what it needs."""
    if all(known.catalog.has(column) for column in source.needs):
        proposed = top_of(source.propose(known, source.quota), "score", source.quota)
    else:
        proposed = known.history.users.select(
            "user_id", track=pl.lit(0, pl.Int32), score=0.0, because_track=pl.lit(None, pl.Int32)
        ).clear()
    rank = pl.int_range(pl.len()).over("user_id")
    return proposed.select(
        "user_id",
        "track",
        "because_track",
        rank.alias("rank"),
        pl.lit(number, dtype=pl.UInt32).alias("source"),
        ((1.0 + source.quota) / (1.0 + rank)).log().alias(PLACES[number]),
        pl.col("score").cast(pl.Float64).alias(f"score_{source.name}"),
    )


def _on_shelves(weekly: pl.DataFrame) -> pl.DataFrame:
    """WEEKLY as proposals behind those of all sources; one by a source that an earlier version had is none."""
    known = weekly.with_columns(pl.col("source").cast(NAMES.dtype, strict=False)).drop_nulls("source")
    return known.select(
        "user_id",
        "track",
        "because_track",
        pl.lit(LAST_RANK).alias("rank"),
        pl.col("source").to_physical().cast(pl.UInt32),
        pl.col("place").alias("weekly_place"),
    )
