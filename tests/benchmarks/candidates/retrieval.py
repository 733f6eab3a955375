"""retrieval: 500 tracks for each user by exact search and by indexes: time, recall and memory."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Figure, Ratio, Section, Table, megabytes
from transforms.embeddings.exact_search import SearchFilter, find_exactly
from transforms.embeddings.index_search import MAX_EXACT_ITEMS, build_index, find_by_index

SIZE, QUOTA = 64, 500
KINDS, SPREAD = 2_000, 0.9
# voyager's and faiss's graphs have no cells to probe: how far they look around is what is asked of them
AROUND = (500, 1000)
SHARES = (0.02, 0.04, 0.08)


@dataclass(frozen=True)
class Retrieval:
    """Clustered vectors, like those of towers; users lie near tracks."""

    num_tracks: tuple[int, ...]
    num_users: int
    repetitions: int

    def __call__(self) -> Section:
        """Measure every method at every size, each in a process of its own."""
        rows, figures = [], []
        for size in self.num_tracks:
            exact = in_child(search_exactly, num_tracks=size, num_users=self.num_users, repetitions=self.repetitions)
            rows.append((f"{size:,} exact", "1.000", f"{exact.result['rate']:,.0f}", "", "", _memory(exact)))
            figures.append(
                Figure(
                    f"users/s of exact search / bare product, {size:,} tracks",
                    f"{exact.result['rate']:,.0f} users/s, {Ratio(tuple(exact.result['ratios']))}",
                    "",
                    None,
                    "the product itself, and one pass over every score for those above a floor",
                )
            )
            for way in (search_faiss, search_voyager):
                found = in_child(way, num_tracks=size, num_users=self.num_users)
                rows += [
                    (f"{size:,} {name}", f"{recall:.3f}", f"{rate:,.0f}", build, held, _memory(found))
                    for name, recall, rate, build, held in found.result
                ]
        return Section(
            "retrieval: the nearest tracks of users",
            f"{QUOTA} of the tracks for each of {self.num_users:,} users, vectors of {SIZE} in {KINDS:,} clusters. The"
            " bare product multiplies the same blocks with numpy and selects nothing. Indexes search with all cores;"
            f" above {MAX_EXACT_ITEMS:,} tracks faiss is used.",
            figures,
            [
                Table(
                    "Ways",
                    ("tracks, way", "recall@500", "users/s", "build", "index", "peak memory above imports"),
                    rows,
                )
            ],
        )


def _memory(child: Child) -> str:
    return megabytes(child.peak_bytes - child.bytes_before)


def random_vectors(num_tracks: int, num_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of tracks [N, SIZE] and of users [U, SIZE]."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((KINDS, SIZE), dtype=np.float32)
    tracks = centres[rng.integers(KINDS, size=num_tracks)]
    tracks += SPREAD * rng.standard_normal(tracks.shape, dtype=np.float32)
    users = tracks[rng.integers(num_tracks, size=num_users)]
    users += SPREAD * rng.standard_normal(users.shape, dtype=np.float32)
    return _unit(tracks), _unit(users)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def search_exactly(num_tracks: int, num_users: int, repetitions: int) -> dict[str, Any]:
    """Return users a second of the exact search and of the matrix product alone, in turns."""
    tracks, users = random_vectors(num_tracks, num_users)
    ours, bare = [], []
    for _ in range(repetitions):
        start = time.perf_counter()
        find_exactly(users, tracks, QUOTA, SearchFilter())
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        for at in range(0, num_users, 128):
            for begin in range(0, num_tracks, 32_768):
                users[at : at + 128] @ tracks[begin : begin + 32_768].T
        bare.append(time.perf_counter() - start)
    return {"rate": num_users / float(np.median(ours)), "ratios": [b / o for b, o in zip(bare, ours, strict=True)]}


Way = list[tuple[str, float, float, str, str]]


def search_faiss(num_tracks: int, num_users: int) -> Way:
    """Search an inverted file with growing numbers of probed cells."""
    tracks, users = random_vectors(num_tracks, num_users)
    start = time.perf_counter()
    index = build_index(tracks)
    build = f"{time.perf_counter() - start:.1f} s"
    held = megabytes(len(faiss.serialize_index(index)))
    found: Way = []
    for share in SHARES:
        start = time.perf_counter()
        near = find_by_index(index, users, QUOTA, SearchFilter(), probed_share=share)
        rate = num_users / (time.perf_counter() - start)
        lists = np.split(near.item, np.searchsorted(near.query, np.arange(1, num_users)))
        found.append((f"faiss IVF, {share:.0%} of cells", _recall(lists, users, tracks), rate, build, held))
    return found


def search_voyager(num_tracks: int, num_users: int) -> Way:
    """Search Spotify's graph index, built with its own defaults."""
    import voyager

    tracks, users = random_vectors(num_tracks, num_users)
    start = time.perf_counter()
    index = voyager.Index(voyager.Space.InnerProduct, SIZE)
    index.add_items(tracks)
    build = f"{time.perf_counter() - start:.1f} s"
    with tempfile.TemporaryDirectory() as folder:
        index.save(f"{folder}/index")
        held = megabytes(Path(folder, "index").stat().st_size)
    found: Way = []
    for around in AROUND:
        start = time.perf_counter()
        near, _ = index.query(users, k=QUOTA, query_ef=around)
        rate = num_users / (time.perf_counter() - start)
        found.append((f"voyager, ef {around}", _recall(list(near.astype(np.int64)), users, tracks), rate, build, held))
    return found


def _recall(lists: list[np.ndarray], users: np.ndarray, tracks: np.ndarray, num_checked: int = 500) -> float:
    """Return the share of the true nearest tracks that was found, over the first users."""
    exact = find_exactly(users[:num_checked], tracks, QUOTA, SearchFilter())
    true = np.split(exact.item, np.searchsorted(exact.query, np.arange(1, min(num_checked, len(users)))))
    return float(np.mean([len(np.intersect1d(a, b)) / QUOTA for a, b in zip(true, lists, strict=False)]))
