"""Sum weights and rewards of logged choices over users: integers, which any number of buckets can add up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT, MAX_BLOCK_USERS, replicate_weights, sum_replicates
from transforms.experiments.off_policy.choice_sums import (
    ALL_CHOICES,
    BY_SHELF,
    MISSING,
    NUM_USERS,
    WHOLE_PAGE,
    merge_choice_sums,
)
from transforms.experiments.off_policy.schemas import CHOICE_SUMS
from transforms.experiments.off_policy.statistics import BY_PAGE, BY_REPLICATE, LARGEST, SUMMED
from transforms.experiments.off_policy.weights import (
    MAX_WEIGHT,
    ChoicesMade,
    WeighedPages,
    lacks_propensity,
    usable_requests,
    weigh_pages,
    with_choices_made,
)
from transforms.tables.buckets import CombineBuckets
from transforms.tables.hashing import mix, stable_hash

# Cells of the arrays of a block.
_MAX_CELLS = 1 << 21
# The sums of a block of users stay exact in float64 while each user's are below this, divided by the users.
_MAX_SUM = 2.0**53 / FIXED_POINT / 8


@dataclass(eq=False)
class SumChoices(beam.PTransform):
    """sum_choices() on every bucket, added up."""

    made: ChoicesMade
    num_replicates: int
    seed: int

    def expand(self, choices: beam.PCollection) -> beam.PCollection:
        """Reduce to one table."""
        return choices | CombineBuckets(
            sum_choices,
            merge_choice_sums,
            out=CHOICE_SUMS,
            made=self.made,
            num_replicates=self.num_replicates,
            seed=self.seed,
        )


def sum_choices(choices: pl.DataFrame, *, made: ChoicesMade, num_replicates: int, seed: int) -> pl.DataFrame:
    """LOGGED_CHOICES of whole users -> CHOICE_SUMS. A request of which a propensity is missing is only counted."""
    chosen = with_choices_made(choices, made)
    missing = chosen.select(
        pl.lit(MISSING).alias("statistic"), (lacks_propensity().sum() * FIXED_POINT).cast(pl.Int64).alias("value")
    )
    every = pl.DataFrame({"statistic": [ALL_CHOICES], "value": [len(chosen) * FIXED_POINT]})
    counts = pl.concat([missing, every]).with_columns(values=pl.concat_list("value"))
    sums = [_complete(counts.drop("value"))]
    for block in _blocks(usable_requests(chosen)):
        sums += _BlockSums(block, num_replicates, seed).tables()
    return merge_choice_sums(pl.concat(sums))


def _blocks(choices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the choices of whole users, as many as fit into the arrays of a block."""
    if choices.is_empty():
        return
    places = (1 + int(choices["shelf_position"].to_numpy().max())) * (2 + int(choices["position"].to_numpy().max()))
    request = choices.select(pl.struct("user_id", "request").rle_id()).to_series()
    first = request.gather(choices["user_id"].rle_id().is_first_distinct().arg_true())
    block_of_user = np.maximum(
        first.to_numpy() // max(1, _MAX_CELLS // places), np.arange(len(first)) // MAX_BLOCK_USERS
    )
    block = pl.Series(block_of_user).gather(choices["user_id"].rle_id())
    for number in np.unique(block_of_user):
        yield choices.filter(block == number)


class _BlockSums:
    """The sums of a block of users."""

    def __init__(self, choices: pl.DataFrame, num_replicates: int, seed: int) -> None:
        self.choices = choices
        self.pages: WeighedPages = weigh_pages(choices)
        requests = choices.unique(["user_id", "request"], keep="first", maintain_order=True)
        users = requests["user_id"].cast(pl.String)
        self.first = np.flatnonzero(users.rle_id().is_first_distinct().to_numpy())
        keys = mix(stable_hash(users.gather(self.first), seed=0) + np.uint64(seed))
        self.weights = replicate_weights(keys, num_replicates)
        self.fold = (mix(keys) & np.uint64(1)).astype(np.int64)

    def tables(self) -> list[pl.DataFrame]:
        """Return CHOICE_SUMS of all statistics."""
        places = np.flatnonzero(self.pages.is_there.any(axis=0))
        tables = [*self._by_place(places), self._by_page(), self._by_shelf()]
        largest = np.where(self.pages.is_open, self.pages.weight, 0.0).reshape(len(self.pages.page), -1)[:, places]
        most = np.rint(largest.max(axis=0) * FIXED_POINT).astype(np.int64)[:, None]
        return [*tables, _table([LARGEST], most, self._where(places), 0)]

    def _by_place(self, places: np.ndarray) -> Iterator[pl.DataFrame]:
        """Yield the sums of choices, of each half of the users, one statistic after the other."""
        where = self._where(places)
        drawn, plain = (
            np.concatenate([self._by_user(statistic(self.pages), places) for statistic in kind.values()], axis=1)
            for kind in (BY_REPLICATE, SUMMED)
        )
        for fold in (0, 1):
            of_fold = self.fold == fold
            yield _table(list(BY_REPLICATE), self._replicates(drawn, of_fold), where, fold)
            summed = np.rint(plain[of_fold] * FIXED_POINT).astype(np.int64).sum(axis=0)
            yield _table(list(SUMMED), summed[:, None], where, fold)

    def _by_page(self) -> pl.DataFrame:
        """Return the sums of whole pages, and the number of users."""
        sums = [np.add.reduceat(of_page(self.pages), self.first) for of_page in BY_PAGE.values()]
        values = np.stack([*sums, np.ones(len(self.fold))], axis=1)
        return _table([*BY_PAGE, NUM_USERS], self._replicates(values, np.ones(len(self.fold), dtype=bool)), {}, 0)

    def _where(self, places: np.ndarray) -> dict[str, np.ndarray]:
        shelf, place = np.divmod(places, self.pages.is_there.shape[2])
        return {"shelf_position": shelf, "position": place - 1}

    def _by_user(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Sum values of choices [Q, S, 1 + K] by user at some places: float64 [U, P]."""
        return np.asarray(np.add.reduceat(values.reshape(len(values), -1)[:, places], self.first, axis=0))

    def _replicates(self, values: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Sum values [U, P] of some users (bool [U]) in every replicate, exactly: int64 [P, 1 + R]."""
        size = max(1, int(_MAX_SUM / max(1.0, float(np.abs(values).max(initial=0)))))
        chosen, weights = values[of], self.weights[of]
        sums = np.zeros((values.shape[1], weights.shape[1]), dtype=np.int64)
        for start in range(0, len(chosen), size):
            sums += sum_replicates(chosen[start : start + size], weights[start : start + size])
        return sums

    def _by_shelf(self) -> pl.DataFrame:
        """Return the sums of ratios of probabilities, minus 1, over the tracks of each shelf."""
        ratio = (pl.col("target_propensity") / pl.col("propensity")).clip(0, MAX_WEIGHT) - 1
        is_open = (pl.col("position") >= 0) & pl.col("target_propensity").is_not_null()
        cards = self.choices.with_columns(user=pl.col("user_id").rle_id()).filter(is_open)
        shelf = cards["shelf_id"].cast(pl.String).fill_null("")
        names = shelf.unique().sort()
        values = np.zeros((len(self.fold), len(names)))
        column = names.search_sorted(shelf).to_numpy()
        np.add.at(
            values, (cards["user"].to_numpy(), column), cards.select(ratio.fill_null(-1.0)).to_series().to_numpy()
        )
        everyone = np.ones(len(self.fold), dtype=bool)
        return _table([BY_SHELF], self._replicates(values, everyone), {"shelf_id": names}, 0)


def _table(
    statistics: Sequence[str], values: np.ndarray, where: Mapping[str, np.ndarray | pl.Series], fold: int
) -> pl.DataFrame:
    """Return CHOICE_SUMS of statistics: values int64 [statistics x P, ...] of P places, one statistic after another."""
    num_places = len(values) // len(statistics)
    repeated = {name: np.tile(np.asarray(column), len(statistics)) for name, column in where.items()}
    named = pl.Series(statistics, dtype=pl.String).gather(np.repeat(np.arange(len(statistics)), num_places))
    listed = pl.Series("values", values).cast(pl.List(pl.Int64))
    return _complete(pl.DataFrame({"statistic": named, **repeated, "values": listed}).with_columns(fold=fold))


def _complete(sums: pl.DataFrame) -> pl.DataFrame:
    """Return CHOICE_SUMS with the keys that these sums lack: of the whole page."""
    kinds = CHOICE_SUMS.frame().schema
    empty = {"shelf_id": None, "shelf_position": WHOLE_PAGE, "position": WHOLE_PAGE, "fold": 0}
    added = [pl.lit(value, kinds[name]).alias(name) for name, value in empty.items() if name not in sums.columns]
    return sums.with_columns(added).select(pl.col(name).cast(kind) for name, kind in kinds.items())
