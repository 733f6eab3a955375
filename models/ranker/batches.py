"""Shuffled batches from a stream of examples, by numpy gathers (a tf.data shuffle is five times slower)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from models.ranker.contract import IMPRESSION_INPUTS, Examples, FeatureSpec, check_examples

# Rows held and permuted at a time, about 200 bytes each.
SHUFFLE_ROWS = 1 << 19
_Item = TypeVar("_Item")


def shuffled_batches(
    chunks: Iterator[Examples], spec: FeatureSpec, *, batch_size: int, id_dropout: float, seed: int, epoch: int
) -> Iterator[Examples]:
    """Yield every row once, in batches and in an order that follows from (seed, epoch), with a share of ids dropped."""
    generator = np.random.default_rng((seed, epoch))
    for chunk in prefetch(rechunked(chunks, spec, SHUFFLE_ROWS)):
        order = generator.permutation(len(chunk))
        for start in range(0, len(chunk), batch_size):
            yield apply_id_dropout(take_rows(chunk, order[start : start + batch_size]), id_dropout, generator)


def rechunked(chunks: Iterator[Examples], spec: FeatureSpec, rows: int) -> Iterator[Examples]:
    """Yield the stream in chunks of `rows` rows (the last one shorter), whatever chunks it arrives in.

    arriving:  |aaaaa|bbbbbbbbb|c|      rows = 4:  |aaaa|abbb|bbbb|bbc|
    """
    held: list[Examples] = []
    num_held = 0
    for chunk in chunks:
        check_examples(chunk, spec)
        start = 0
        while num_held + len(chunk) - start >= rows:
            end = start + rows - num_held
            yield concatenate_examples([*held, take_rows(chunk, slice(start, end))])
            held, num_held, start = [], 0, end
        held.append(take_rows(chunk, slice(start, None)))
        num_held += len(chunk) - start
    if num_held:
        yield concatenate_examples(held)


def apply_id_dropout(batch: Examples, share: float, generator: np.random.Generator) -> Examples:
    """Replace a `share` of the track ids by 0, and independently of the artist ids, and of the impression ids.

    So the rows of the unknown track and artist are trained, and so are the logits without a known position, which are
    the ones that scoring uses.
    """
    together: list[tuple[str, ...]] = [("track",), ("artist",)]
    if batch.features["position"].any():
        together.append(tuple(IMPRESSION_INPUTS))
    hidden = [(names, generator.random(len(batch), dtype=np.float32) < share) for names in together]
    ids = {name: np.where(mask, np.int32(0), batch.features[name]) for names, mask in hidden for name in names}
    return Examples({**batch.features, **ids}, batch.label, batch.group)


def take_rows(examples: Examples, rows: slice | np.ndarray) -> Examples:
    """Return the rows of a slice (no copy), of an index array or of a mask."""
    features = {name: array[rows] for name, array in examples.features.items()}
    return Examples(features, examples.label[rows], examples.group[rows])


def concatenate_examples(parts: list[Examples]) -> Examples:
    """Return the rows of all parts, in order."""
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
    label, group = (np.concatenate([getattr(part, name) for part in parts]) for name in ("label", "group"))
    return Examples(features, label, group)


def prefetch(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield the same items in the same order; a thread computes the next one while one is used."""
    with ThreadPoolExecutor(1) as executor:
        coming = executor.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = executor.submit(next, items, None)
            yield item


def signed_log1p(dense: np.ndarray) -> np.ndarray:
    """Compress heavy tails on both sides: sign(x) log(1 + |x|)."""
    return np.asarray(np.copysign(np.log1p(np.abs(dense)), dense))
