import numpy as np
import polars as pl
import pyarrow as pa

from transforms.tables.hashing import stable_hash, uniform

PINNED = [17237409465090386050, 9852466814462909848, 8012774130537242976, 15255342805160647363]


def test_hashes_never_change() -> None:
    # a new release of a library that changed them would move every user to another bucket and seed
    found = stable_hash(pl.Series(["", "a", "user-0000001", "Zoë"]), seed=0)
    assert found.tolist() == PINNED
    assert stable_hash(pl.Series([None], dtype=pl.String), seed=0).tolist() == PINNED[:1]


def test_integers_have_their_own_hashes() -> None:
    expected = [12035550249420947055, 3069472533636442495, 7259628554680249319]
    for kind in (pl.Int8, pl.Int64):
        assert stable_hash(pl.Series([0, 1, -7], dtype=kind), seed=0).tolist() == expected
    # floats would stand in for a null, and their NaN is another integer on each machine
    assert stable_hash(pl.Series([1, None], dtype=pl.Int32), seed=0).tolist() == [expected[1], expected[0]]


def test_an_empty_array_has_no_hashes() -> None:
    for empty in (pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.Int32), pa.array([], pa.string())):
        found = stable_hash(empty, seed=0)
        assert found.dtype == np.uint64 and found.shape == (0,)


def test_types_of_strings_do_not_matter() -> None:
    names = ["b", "a", "b"]
    expected = stable_hash(pl.Series(names), seed=3).tolist()
    assert stable_hash(pa.array(names), seed=3).tolist() == expected
    assert stable_hash(pl.Series(names, dtype=pl.Enum(["a", "b"])), seed=3).tolist() == expected


def test_seeds_and_neighbours_are_independent() -> None:
    numbers = pl.Series(np.arange(20_000))
    one, two = (uniform(stable_hash(numbers, seed=seed)) for seed in (1, 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03 and abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    assert np.histogram(one, 10, (0, 1))[0].min() > 1_800 and one.min() >= 0 and one.max() < 1
