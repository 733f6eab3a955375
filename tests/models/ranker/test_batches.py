import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranker import batches
from models.ranker.batches import apply_id_dropout, concatenate_examples, prefetch, rechunked, shuffled_batches
from models.ranker.contract import Examples
from tests.models.ranker.planted import SPEC, planted_examples, rows_of

EXAMPLES = planted_examples(60, seed=3)
# A group per row names the row wherever it goes.
NAMED = Examples(EXAMPLES.features, EXAMPLES.label, np.arange(60, dtype=np.int32))


def shuffle(examples: Examples, **changes: float) -> list[Examples]:
    arguments = {"batch_size": 8, "id_dropout": 0.0, "seed": 1, "epoch": 0, **changes}
    return list(shuffled_batches(iter([examples]), SPEC, **arguments))


@given(cuts=st.lists(st.integers(0, 60), max_size=8), rows=st.integers(1, 70))
def test_rechunked_keeps_the_rows_and_their_order(cuts: list[int], rows: int) -> None:
    edges = [0, *sorted(cuts), 60]
    arriving = (rows_of(NAMED, slice(start, end)) for start, end in zip(edges, edges[1:], strict=False))
    chunks = list(rechunked(arriving, SPEC, rows))
    expected = [min(rows, 60 - start) for start in range(0, 60, rows)]
    assert [len(chunk) for chunk in chunks] == expected
    whole = concatenate_examples(chunks)
    np.testing.assert_array_equal(whole.group, NAMED.group)
    np.testing.assert_array_equal(whole.features["recent"], NAMED.features["recent"])


def test_no_examples_give_no_chunk() -> None:
    assert list(rechunked(iter([]), SPEC, 10)) == []
    assert list(rechunked(iter([rows_of(NAMED, slice(0))]), SPEC, 10)) == []


@pytest.mark.parametrize("buffer_rows", [16, 25, 1000])
def test_shuffled_yields_whole_rows_each_once(buffer_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SHUFFLE_ROWS", buffer_rows)
    whole = concatenate_examples(shuffle(NAMED))
    assert sorted(whole.group) == list(range(60))
    for name in ("dense", "track", "artist", "recent"):
        np.testing.assert_array_equal(whole.features[name], NAMED.features[name][whole.group])
    np.testing.assert_array_equal(whole.label, NAMED.label[whole.group])


def test_the_order_follows_from_seed_and_epoch() -> None:
    def order(**changes: int) -> list[int]:
        return concatenate_examples(shuffle(NAMED, **changes)).group.tolist()

    assert order() == order()
    assert len({tuple(order(seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert order() != list(range(60))


def test_id_dropout_hides_a_share_of_the_ids_and_nothing_else() -> None:
    examples = planted_examples(20_000, seed=4)
    before = examples.features["track"].copy()
    batch = apply_id_dropout(examples, 0.2, np.random.default_rng(0))
    forgotten = {name: batch.features[name] == 0 for name in ("track", "artist")}
    assert [mask.mean() for mask in forgotten.values()] == pytest.approx([0.2, 0.2], abs=0.01)
    assert (forgotten["track"] & forgotten["artist"]).mean() == pytest.approx(0.04, abs=0.01)
    np.testing.assert_array_equal(batch.features["track"], np.where(forgotten["track"], 0, before))
    np.testing.assert_array_equal(examples.features["track"], before)
    assert batch.features["recent"] is examples.features["recent"]
    assert batch.features["track"].dtype == np.int32


def test_wrong_examples_are_refused_with_their_name() -> None:
    half = dataclasses.replace(NAMED, label=np.full((60, 2), 0.5, np.float32))
    with pytest.raises(ValueError, match="label has values other than 0, 1 and NaN"):
        shuffle(half)
    with pytest.raises(ValueError, match="group is int64"):
        shuffle(dataclasses.replace(NAMED, group=np.arange(60)))


def test_prefetch_yields_the_same_items_and_raises_the_same_errors() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found = []
    with pytest.raises(ValueError, match="the sixth"):
        for item in prefetch(items()):
            found.append(item)
    assert found == [0, 1, 2, 3, 4]
    assert list(prefetch(iter(range(3)))) == [0, 1, 2] and not list(prefetch(iter(())))
