"""ranker: examples a second that the ranker learns from Parquet, and whether memory grows with their number."""

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from models.contract import FeatureSpec
from models.training import train_ranker
from pipelines.learning import ranker_options
from pipelines.options import RunOptions
from tests.benchmarks.children import Child, in_child
from tests.benchmarks.report import Figure, Section, Table, megabytes
from transforms.columns import to_table
from transforms.features import FEATURE_ROWS, FEATURES
from transforms.files import parquet_bytes
from transforms.rewards import LABELS, NAMES
from transforms.schemas import RECENT_LENGTH
from transforms.train_models import stream_examples
from transforms.training_states import Checkpoints

TARGET_RATE, TARGET_BYTES, TARGET_GROWTH = 50_000, 3e9, 1.3
ROWS_PER_FILE, PER_USER = 1 << 18, 500
NUM_TRACKS, NUM_ARTISTS = 1_000_000, 100_000
DEFAULTS = RunOptions(events="", output="")


@dataclass(frozen=True)
class RankerCost:
    """Random examples of all features: what is learned is nothing, what is done is all."""

    num_rows: tuple[int, ...]
    repetitions: int

    def __call__(self) -> Section:
        """Train on every number of rows, by turns."""
        found: dict[int, list[Child]] = {rows: [] for rows in self.num_rows}
        with tempfile.TemporaryDirectory() as folder:
            in_child(write_files, folder=folder, num_files=-(-max(self.num_rows) // ROWS_PER_FILE))
            for _ in range(self.repetitions):
                for rows, children in found.items():
                    children.append(in_child(train, folder=folder, num_files=-(-rows // ROWS_PER_FILE)))
        return Section(
            "ranker: training from Parquet",
            f"Random candidates of {NUM_TRACKS:,} tracks with all {len(FEATURES)} features and {len(NAMES)} rewards,"
            f" default options; {PER_USER} a user. The rate is that of the second epoch, reading and shuffling"
            " included; memory is that of the whole process.",
            self.figures(found),
            [Table("Sizes", ("examples", "examples/s", "peak memory", "above the imports"), rows_of(found))],
        )

    def figures(self, found: dict[int, list[Child]]) -> list[Figure]:
        """Say what was found."""
        rates = [child.result["rate"] for child in found[self.num_rows[-1]]]
        peaks = {rows: max(child.peak_bytes for child in children) for rows, children in found.items()}
        least, most = peaks[self.num_rows[0]], peaks[self.num_rows[-1]]
        growth = most / least
        held = "a shuffled chunk and its batches; the tables of embeddings and their step sizes"
        return [
            Figure(
                f"examples/s of {self.num_rows[-1]:,}",
                f"{np.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
                f"at least {TARGET_RATE:,}",
                bool(np.median(rates) >= TARGET_RATE),
                "decoding Parquet, gathering shuffled rows, and the step itself",
            ),
            Figure("peak memory", megabytes(most), f"at most {megabytes(TARGET_BYTES)}", most <= TARGET_BYTES, held),
            Figure(
                f"peak memory, {self.num_rows[-1]:,} / {self.num_rows[0]:,} examples",
                f"{growth:.2f}x",
                f"at most {TARGET_GROWTH:g}x",
                growth <= TARGET_GROWTH,
                held,
            ),
        ]


def rows_of(found: dict[int, list[Child]]) -> list[tuple[str, ...]]:
    """A row a size, of medians."""
    rows = []
    for size, children in found.items():
        rate = float(np.median([child.result["rate"] for child in children]))
        peak, before = (max(getattr(child, name) for child in children) for name in ("peak_bytes", "bytes_before"))
        rows.append((f"{size:,}", f"{rate:,.0f}", megabytes(peak), megabytes(peak - before)))
    return rows


def write_files(folder: str, num_files: int) -> None:
    """Files of random examples, each of whole users."""
    for number in range(num_files):
        table = to_table(random_rows(np.random.default_rng(number), number), FEATURE_ROWS)
        Path(folder, f"{number:05d}.parquet").write_bytes(parquet_bytes(table))


def random_rows(rng: np.random.Generator, number: int) -> pl.DataFrame:
    """FEATURE_ROWS of one file: skewed features, chances that listens follow."""
    n = ROWS_PER_FILE
    user = number * n + np.arange(n) // PER_USER
    chance = rng.beta(0.3, 8, n).astype(np.float32)
    features = {feature.name: rng.lognormal(0, 2, n).astype(np.float32) for feature in FEATURES} | {"fusion": chance}
    labels = {label: (rng.random(n) < chance).astype(np.float32) for label in LABELS}
    recent = rng.integers(NUM_TRACKS, size=(n // PER_USER + 1, RECENT_LENGTH), dtype=np.int32)
    columns = {
        "user_id": pl.Series(user).cast(pl.String).cast(pl.Categorical),
        "track": rng.integers(NUM_TRACKS, size=n, dtype=np.int32),
        "artist": rng.integers(NUM_ARTISTS, size=n, dtype=np.int32),
        "recent": pl.Series(recent[np.arange(n) // PER_USER], dtype=pl.Array(pl.Int32, RECENT_LENGTH)),
        "source": pl.Series(["popular"], dtype=pl.Categorical).gather(np.zeros(n, int)),
        **features,
        **labels,
    }
    rest = {name: FEATURE_ROWS.frame().schema[name] for name in FEATURE_ROWS.names if name not in columns}
    nothing = [pl.lit(None, kind).alias(name) for name, kind in rest.items()]
    return pl.DataFrame(columns).with_columns(nothing).select(FEATURE_ROWS.names)


def train(folder: str, num_files: int) -> dict[str, float]:
    """Train two epochs with the default options; examples a second of the second."""
    paths = [str(path) for path in sorted(Path(folder).iterdir())[:num_files]]
    rows = tuple(np.append(np.arange(1, count + 1), 0).astype(np.int32) for count in (NUM_TRACKS, NUM_ARTISTS))
    spec = FeatureSpec(tuple(feature.name for feature in FEATURES), NUM_TRACKS, NUM_ARTISTS, RECENT_LENGTH, NAMES)
    epochs: list[tuple[float, float]] = []

    def on_epoch(figures: dict[str, float]) -> None:
        epochs.append((time.perf_counter(), figures["examples"]))

    options = ranker_options(DEFAULTS, num_epochs=2)
    passes = partial(stream_examples, paths, rows, NAMES)
    with tempfile.TemporaryDirectory() as scratch:
        train_ranker(passes, lambda: iter(()), spec, options, on_epoch, Checkpoints(scratch, "benchmark"))
    (first, _), (second, examples) = epochs
    return {"rate": examples / (second - first)}
