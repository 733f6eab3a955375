import time
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from transforms.tables.buckets import (
    CombineBuckets,
    Element,
    GroupByBucket,
    MapBlocks,
    MapBuckets,
    Opened,
    SameBucket,
    TableCoder,
    _MergeTables,
    _RunKernel,
    open_arguments,
)
from transforms.tables.columns import Column, Schema
from transforms.tables.groups import blocks_of_users
from transforms.tables.hashing import split_by_bucket, stable_hash
from transforms.tables.schemas import USER_ID
from transforms.tables.stage_counters import StageError

ROWS = Schema("rows", (Column("user_id", USER_ID, "who"), Column("n", pa.int64(), "how many")))
SUMS = Schema("sums", (Column("n", pa.int64(), "sum"),))


def table(*rows: tuple[str | None, int]) -> pa.Table:
    return pa.Table.from_pylist([{"user_id": user, "n": n} for user, n in rows], schema=ROWS.arrow)


def pipeline(*flags: str) -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions([*flags, "--runner=FnApiRunner"]))


def doubled(rows: pl.DataFrame, *, factor: int = 2) -> pl.DataFrame:
    return rows.with_columns(pl.col("n") * factor)


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col("n").sum())


# ---- the coder ----


def test_beam_chooses_the_arrow_coder() -> None:
    with pipeline("--runtime_type_check") as root:
        tables = root | beam.Create([(0, table(("a", 1)))]).with_output_types(Element)
        mapped, grouped = tables | MapBuckets(doubled, out=ROWS), tables | GroupByBucket("user_id", 3)
        for pcollection in (mapped, grouped, mapped | CombineBuckets(summed, summed, out=SUMS)):
            coder = beam.coders.registry.get_coder(pcollection.element_type)
            assert isinstance(coder.value_coder() if hasattr(coder, "value_coder") else coder.coders()[1], TableCoder)


def test_a_slice_is_encoded_without_its_parent() -> None:
    whole = table(*((f"user {number}", number) for number in range(10_000)))
    coder = TableCoder()
    assert len(coder.encode(whole.select(["n"]).slice(5, 3))) < 1_000
    assert coder.decode(coder.encode(whole.slice(5, 3))).to_pylist() == whole.slice(5, 3).to_pylist()
    assert coder.estimate_size(whole) == whole.nbytes


# ---- buckets ----

names = st.lists(st.none() | st.text(max_size=3), max_size=30)


@given(names, st.sampled_from([1, 7, 64]))
def test_buckets_hold_whole_users_and_only_their_ids(users: list[str | None], num_buckets: int) -> None:
    rows = table(*((user, n) for n, user in enumerate(users)))
    found: dict[int, list[tuple[str | None, int]]] = {}
    for bucket, piece in split_by_bucket(rows, "user_id", num_buckets):
        assert piece.schema == ROWS.arrow
        piece.validate(full=True)
        found[bucket] = [(row["user_id"], row["n"]) for row in piece.to_pylist()]
        ids = piece.column("user_id").combine_chunks().dictionary.to_pylist()
        assert len(set(ids)) == len(ids)
        assert None in users or set(ids) == {user for user, _ in found[bucket]}
    expected: dict[int, list[tuple[str | None, int]]] = {}
    for n, user in enumerate(users):
        bucket = int(stable_hash(pl.Series([user], dtype=pl.String), seed=0)[0] % num_buckets)
        expected.setdefault(bucket, []).append((user, n))
    assert found == expected


@given(st.lists(st.integers(0, 50), max_size=30))
def test_integers_are_bucketed_like_strings(values: list[int]) -> None:
    rows = pa.table({"n": pa.array(values, pa.int64())})
    pieces = list(split_by_bucket(rows, "n", 5))
    assert sorted(n for _, piece in pieces for n in piece["n"].to_pylist()) == sorted(values)
    homes = [(n, bucket) for bucket, piece in pieces for n in set(piece["n"].to_pylist())]
    assert len(homes) == len(dict(homes))


def test_grouping_brings_users_together() -> None:
    with pipeline() as root:
        tables = [(0, table(("a", 1), ("b", 2))), (1, table(("b", 3), ("c", 4)))]
        grouped = root | beam.Create(tables).with_output_types(Element) | GroupByBucket("user_id", 2)
        users = grouped | beam.MapTuple(lambda bucket, rows: sorted(map(tuple, (r.values() for r in rows.to_pylist()))))
        flat = users | beam.FlatMap(lambda rows: [(user, bucket_of(user)) for user, _ in rows])
        assert_that(flat, equal_to([(user, bucket_of(user)) for user in "abbc"]))


def bucket_of(user: str) -> int:
    return int(stable_hash(pl.Series([user]), seed=0)[0] % 2)


@given(st.permutations([table(("a", n), (f"u{n}", 1)) for n in range(6)]), st.lists(st.integers(0, 6), max_size=3))
def test_merging_in_any_grouping_is_the_same(tables: list[pa.Table], cutoffs: list[int]) -> None:
    def per_user(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.group_by("user_id").agg(pl.col("n").sum()).sort("user_id")

    merging, accumulators = _MergeTables(per_user, ROWS), []
    for low, high in zip([0, *sorted(cutoffs)], [*sorted(cutoffs), 6], strict=True):
        accumulator = merging.create_accumulator()
        for part in tables[low:high]:
            accumulator = merging.add_input(accumulator, part)
        accumulators.append(accumulator)
    merged = merging.extract_output(merging.merge_accumulators(accumulators))
    found = {row["user_id"]: row["n"] for row in merged.to_pylist()}
    assert found == {"a": 15, **{f"u{n}": 1 for n in range(6)}} and len(merged) == len(found)


# ---- stages ----


def test_same_bucket_joins_the_tables_of_a_bucket() -> None:
    """A joined bucket without a main table is dropped; for a missing joined table the function gets None."""

    def counted(rows: pl.DataFrame, *, others: pl.DataFrame | None, factor: int) -> pl.DataFrame:
        return rows.with_columns(n=factor * pl.lit(0 if others is None else others["n"].sum()))

    with pipeline() as root:
        one, other = ({1: ("a", 1), 2: ("b", 2)}, {2: ("x", 10), 3: ("y", 20)})
        tables, others = (
            root | name >> beam.Create([(key, table(row)) for key, row in rows.items()]).with_output_types(Element)
            for name, rows in (("Tables", one), ("Others", other))
        )
        found = tables | MapBuckets(counted, out=ROWS, others=SameBucket(others), factor=2)
        rows = found | beam.MapTuple(lambda key, rows: (key, [tuple(row.values()) for row in rows.to_pylist()]))
        assert_that(rows, equal_to([(1, [("a", 0)]), (2, [("b", 20)])]))


def test_a_stage_in_blocks_gets_whole_users_one_block_after_the_other() -> None:
    sizes: list[int] = []

    def sum_rows(rows: pl.DataFrame) -> pl.DataFrame:
        sizes.append(rows["user_id"].n_unique())
        return rows.group_by("user_id", maintain_order=True).agg(pl.col("n").sum())

    rows = table(*[(f"u{user:02d}", n) for user in range(10) for n in range(user + 1)])
    stage = MapBlocks(sum_rows, 4, out=ROWS)
    doer = _RunKernel(stage.function, stage.out, {}, (), (), stage.max_users)
    found = doer.process((7, rows))
    key, first = next(found)
    assert (key, sizes) == (7, [4])  # the others wait until the stages after it are done with the block
    whole = pa.concat_tables([first, *(one for _, one in found)])
    assert sizes == [4, 3, 3]
    assert whole.column("n").to_pylist() == [user * (user + 1) // 2 for user in range(10)]


@given(
    sizes=st.lists(st.integers(min_value=1, max_value=5), max_size=20), max_users=st.integers(min_value=1, max_value=8)
)
def test_blocks_are_all_rows_in_order_and_near_equal(sizes: list[int], max_users: int) -> None:
    users = [f"u{user:02d}" for user, size in enumerate(sizes) for _ in range(size)]
    frame = pl.DataFrame({"user_id": users}, {"user_id": pl.String}).with_row_index("n")
    blocks = list(blocks_of_users(frame, max_users))
    assert pl.concat(blocks).equals(frame)
    counts = [block["user_id"].n_unique() for block in blocks]
    assert sum(counts) == len(sizes) and len(counts) == max(1, -(-len(sizes) // max_users))
    assert max(counts) <= max_users and max(counts) - min(counts) <= 1


def test_arguments_of_every_kind_arrive() -> None:
    def probe(rows: pl.DataFrame, *, plain: int, one: str, many: list[str], opened: str) -> pl.DataFrame:
        assert (plain, one, sorted(many), opened) == (1, "x", ["x", "y"], "OPENED x")
        return rows

    with pipeline() as root:
        one, many = root | "One" >> beam.Create(["x"]), root | "Many" >> beam.Create(["x", "y"])
        tables = root | "Tables" >> beam.Create([(3, table(("a", 1)))]).with_output_types(Element)
        opened = Opened(one, lambda path: f"OPENED {path}")
        result = tables | MapBuckets(probe, out=ROWS, plain=1, one=one, many=[many], opened=opened)
        assert_that(result | beam.Keys(), equal_to([3]))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda rows: rows.drop("n"), ["bucket 7", "'rows'", "missing columns ['n']"]),
        (lambda rows: rows.with_columns(m=1), ["bucket 7", "'rows'", "undeclared columns ['m']"]),
        (lambda rows: rows.with_columns(n=pl.lit("x")), ["bucket 7", "'rows'", "column 'n' is large_string"]),
        (lambda rows: 1 // 0, ["bucket 7", "ZeroDivisionError"]),
    ],
)
def test_an_error_names_stage_and_bucket(function, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    function.__name__ = "bend_rows"
    with pytest.raises(StageError) as error, pipeline() as root:
        _ = root | beam.Create([(7, table(("a", 1)))]).with_output_types(Element) | MapBuckets(function, out=ROWS)
    assert all(word in str(error.value) for word in ["bend_rows", *words])


def test_an_artifact_is_opened_by_one_thread_at_a_time() -> None:
    inside, most = 0, 0

    def slow(path: str) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return path.upper()

    with ThreadPoolExecutor(4) as threads:
        given_each = list(threads.map(lambda n: open_arguments({"a": "x", "b": n}, {"a": slow}), range(4)))
    assert most == 1 and given_each == [{"a": "X", "b": n} for n in range(4)]


@pytest.mark.parametrize("tables", [[], [(0, table())], [(n, table(("a", n), ("b", n * n))) for n in range(9)]])
def test_combining_merges_everything_once(tables: list[Element]) -> None:
    expected = sum(row["n"] for _, rows in tables for row in rows.to_pylist())
    with pipeline() as root:
        elements = root | beam.Create(tables, reshuffle=False).with_output_types(Element)
        total = elements | CombineBuckets(summed, summed, out=SUMS)
        rows = total | beam.MapTuple(lambda _, rows: sum(row["n"] or 0 for row in rows.to_pylist()))
        assert_that(rows, equal_to([expected]))
