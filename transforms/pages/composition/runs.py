"""Sorted arrays as runs of equal rows: where each run begins; and sorting by two keys at once."""

import numpy as np


def find_runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of each run of rows whose keys are all equal, and the number of each row's run; int32."""
    changes = np.zeros(len(keys[0]), dtype=bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes).astype(np.int32), np.cumsum(changes, dtype=np.int32) - 1


def join_spans(first: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return the numbers from first[i] up to first[i + 1], for each i of `of`, one span after the other."""
    begin, size = first[of], first[of + 1] - first[of]
    ends = np.cumsum(size)
    return np.arange(ends[-1] if len(of) else 0) + np.repeat(begin - (ends - size), size)


def stable_order(major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Return the order by two keys of 32 bits, none negative; equal rows keep theirs. Faster than np.lexsort.

    Both keys and the row number are sorted as one number where they fit into 64 bits, which is faster again by half.
    """
    minor_bits, row_bits = (int(most).bit_length() for most in (minor.max(initial=0), len(minor)))
    pair = (major.astype(np.uint64) << np.uint64(minor_bits)) | minor.astype(np.uint64)
    if int(major.max(initial=0)).bit_length() + minor_bits + row_bits > 64:
        return np.argsort(pair, kind="stable")
    numbers = (pair << np.uint64(row_bits)) | np.arange(len(minor), dtype=np.uint64)
    numbers.sort()
    return (numbers & np.uint64((1 << row_bits) - 1)).view(np.int64)
