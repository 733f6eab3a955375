"""towers: the cost of training the two towers by the size of the catalogue, new and warm-started."""

import time
from dataclasses import dataclass

import numpy as np

from models.towers.contract import (
    DAY_PARTS,
    FREQUENT_LENGTH,
    NUM_GENRES,
    NUM_WORDS,
    SEQUENCE_LENGTH,
    Sequences,
    TrackContent,
    WarmStart,
)
from models.towers.training import train_two_tower
from pipelines.learning import tower_options
from pipelines.options.options import RunOptions
from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Figure, Section, Table, megabytes

TARGET_RATE, TARGET_AT, TARGET_GROWTH = 50_000, 1_000_000, 1.3
CONTENT_SIZE = 32
DEFAULTS = RunOptions(events="", output="")


@dataclass(frozen=True)
class TowersCost:
    """Random sequences over random content: the towers learn nothing, but do all the work."""

    num_tracks: tuple[int, ...]
    num_sequences: int
    repetitions: int

    def __call__(self) -> Section:
        """Train at every size, in turns."""
        found: dict[int, list[Child]] = {size: [] for size in self.num_tracks}
        for _ in range(self.repetitions):
            for size, children in found.items():
                children.append(in_child(train, num_tracks=size, num_sequences=self.num_sequences))
        rates = {size: [child.result["rate"] for child in children] for size, children in found.items()}
        return Section(
            "towers: training",
            f"{self.num_sequences:,} random sequences of {SEQUENCE_LENGTH} plays, content vectors of {CONTENT_SIZE},"
            " default options. An example is a hidden track that is predicted; the first epoch, which compiles, is not"
            " counted. A continued training starts from the weights and step sizes of an earlier one, for one epoch.",
            self.figures(rates),
            [Table("Sizes", ("tracks", "examples/s", "new: all", "continued: all", "peak memory"), rows_of(found))],
        )

    def figures(self, rates: dict[int, list[float]]) -> list[Figure]:
        """Return the figures."""
        medians = {size: float(np.median(values)) for size, values in rates.items()}
        smallest, largest = self.num_tracks[0], self.num_tracks[-1]
        at = TARGET_AT if TARGET_AT in medians else largest
        growth = medians[smallest] / medians[largest]
        limits = (
            "arithmetic: of the processors' time two fifths go to TensorFlow's step, two to reading and moving the rows"
            " of the tables (mostly words, which here hardly repeat), one to the draw of batches; the part that grows"
            " with the catalogue is cache misses in the tables"
        )
        rate = Figure(
            f"examples/s at {at:,} tracks",
            f"{medians[at]:,.0f} ({min(rates[at]):,.0f} to {max(rates[at]):,.0f})",
            f"at least {TARGET_RATE:,}",
            medians[at] >= TARGET_RATE,
            limits,
        )
        slower = Figure(
            f"time of an example, {largest:,} / {smallest:,} tracks",
            f"{growth:.2f}x",
            f"at most {TARGET_GROWTH:g}x",
            growth <= TARGET_GROWTH,
            limits,
        )
        return [rate, slower]


def rows_of(found: dict[int, list[Child]]) -> list[tuple[str, ...]]:
    """Return a table row of medians for each size."""
    rows: list[tuple[str, ...]] = []
    for size, children in found.items():
        of = {name: float(np.median([child.result[name] for child in children])) for name in children[0].result}
        peak = max(child.peak_bytes - child.bytes_before for child in children)
        rows.append(
            (f"{size:,}", f"{of['rate']:,.0f}", f"{of['new']:.1f} s", f"{of['continued']:.1f} s", megabytes(peak))
        )
    return rows


def train(num_tracks: int, num_sequences: int) -> dict[str, float]:
    """Train new towers, then continue them; return examples a second of all epochs but the first."""
    sequences, content = random_sequences(num_tracks, num_sequences), random_content(num_tracks)
    options = tower_options(DEFAULTS)
    epochs: list[tuple[float, float]] = []

    def on_epoch(figures: dict[str, float]) -> None:
        epochs.append((time.perf_counter(), figures["pairs"]))

    start = time.perf_counter()
    made = train_two_tower(sequences, content, random_vectors(num_tracks), None, options, on_epoch)
    new = time.perf_counter() - start
    rate = sum(pairs for _, pairs in epochs[1:]) / (epochs[-1][0] - epochs[0][0])
    # all that a run reads of an earlier one
    warm_start = WarmStart(made.weights, made.state, np.arange(num_tracks))
    del made
    start = time.perf_counter()
    nothing = np.zeros((num_tracks, options.size), dtype=np.float32)
    train_two_tower(sequences, content, nothing, warm_start, options, on_epoch)
    return {"rate": rate, "new": new, "continued": time.perf_counter() - start}


def random_vectors(num_tracks: int) -> np.ndarray:
    """Return random vectors in place of factorised neighbours."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((num_tracks, DEFAULTS.tower_size), dtype=np.float32)


def random_sequences(num_tracks: int, num_sequences: int) -> Sequences:
    """Return plays by Zipf's law, spread over the whole catalogue whatever its size."""
    rng = np.random.default_rng(1)
    rank = (num_tracks ** rng.random((num_sequences, SEQUENCE_LENGTH))).astype(np.int64)
    tracks = (rank * 2_654_435_761 % num_tracks).astype(np.int32)
    daypart_histogram = np.full((num_sequences, DAY_PARTS), 1 / DAY_PARTS, dtype=np.float32)
    return Sequences(tracks, tracks[:, :FREQUENT_LENGTH], daypart_histogram)


def random_content(num_tracks: int) -> TrackContent:
    """Return content of every kind."""
    rng = np.random.default_rng(2)
    rows = {"artist": 1 << 18, "genre": 1 << 10, "word": 1 << 18}

    def drawn(table: str, *shape: int) -> np.ndarray:
        return rng.integers(1, rows[table], size=shape, dtype=np.int32)

    return TrackContent(
        artist=drawn("artist", num_tracks),
        genres=drawn("genre", num_tracks, NUM_GENRES),
        words=drawn("word", num_tracks, NUM_WORDS),
        vector=rng.standard_normal((num_tracks, CONTENT_SIZE), dtype=np.float32),
        facts=rng.standard_normal((num_tracks, 2), dtype=np.float32),
        num_plays=np.ones(num_tracks, np.int64),
        num_rows=rows,
    )
