import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.tables.columns import Column, Schema, categories, fingerprint, to_frame, to_table
from transforms.tables.schemas import PAGES, USER_ID

ROWS = Schema("rows", (Column("user_id", USER_ID, "who"), Column("n", pa.int32(), "how many")))


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.integers(-5, 5)), max_size=20), st.integers(1, 4))
def test_a_table_comes_back_from_polars(rows: list[tuple[str | None, int | None]], parts: int) -> None:
    tables = [
        pa.Table.from_pylist([{"user_id": u, "n": n} for u, n in rows[part::parts]], schema=ROWS.arrow)
        for part in range(parts)
    ]
    frame = to_frame(pa.concat_tables(tables))
    ids = categories(frame["user_id"])
    assert ids.is_sorted() and ids.n_unique() == len(ids)
    back = to_table(frame, ROWS)
    assert back.schema == ROWS.arrow
    found = [(row["user_id"], row["n"]) for row in back.to_pylist()]
    assert found == [row for part in range(parts) for row in rows[part::parts]]


def test_codes_sort_like_the_ids() -> None:
    frame = ROWS.frame([{"user_id": name, "n": 0} for name in ["b", "a", "ä", "B", ""]])
    assert frame.sort("user_id")["user_id"].cast(pl.String).to_list() == sorted(["b", "a", "ä", "B", ""])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.DataFrame({"user_id": ["u"]}), ["'rows'", "missing columns ['n']"]),
        (pl.DataFrame({"user_id": ["u"], "n": [1], "m": [1]}), ["undeclared columns ['m']"]),
        (pl.DataFrame({"user_id": ["u"], "n": ["many"]}), ["'rows'", "column 'n' is large_string, not int32", "many"]),
        (pl.DataFrame({"user_id": ["u"], "n": [2**40]}), ["'rows'", "column 'n' is int64", str(2**40)]),
        (pl.DataFrame({"user_id": ["u"], "n": [0.5]}), ["column 'n' is double, not int32"]),
        (pl.DataFrame({"user_id": ["u"], "n": [[1]]}), ["column 'n' is large_list"]),
    ],
)
def test_what_does_not_fit_is_named(frame: pl.DataFrame, words: list[str]) -> None:
    with pytest.raises(TypeError) as error:
        to_table(frame, ROWS)
    assert all(word in str(error.value) for word in words)


def test_empty_tables_are_typed() -> None:
    assert to_table(PAGES.frame(), PAGES).schema == PAGES.arrow == PAGES.empty().schema


def test_a_fingerprint_sees_names_types_and_order() -> None:
    turned = Schema("rows", ROWS.columns[::-1])
    other = Schema("rows", (ROWS.columns[0], Column("n", pa.int64(), "how many")))
    reworded = Schema("rows", (ROWS.columns[0], Column("n", pa.int32(), "the number")))
    assert len({fingerprint(schema) for schema in (ROWS, turned, other)}) == 3
    assert fingerprint(reworded) == fingerprint(ROWS)
