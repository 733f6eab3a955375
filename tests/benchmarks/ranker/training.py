"""ranker: examples a second that the ranker learns from Parquet, and whether memory grows with their number."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from models.ranker.batches import SHUFFLE_ROWS
from models.ranker.contract import Examples, FeatureSpec
from models.ranker.entry import TrainingData
from models.ranker.training import train_dcn
from pipelines.learning import ranker_options
from pipelines.options.options import RunOptions
from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Figure, Ratio, Section, Table, megabytes
from transforms.features.feature_tables import FEATURE_ROWS
from transforms.features.features import FEATURES
from transforms.features.rewards import LABELS, REWARD_NAMES
from transforms.ranking.example_stream import stream_examples
from transforms.tables.checkpoints import CheckpointFolder
from transforms.tables.columns import to_table
from transforms.tables.files import parquet_bytes
from transforms.tables.schemas import RECENT_LENGTH

TARGET_RATE, TARGET_BYTES, TARGET_GROWTH = 50_000, 3e9, 1.3
ROWS_PER_FILE, PER_USER = 1 << 18, 500
# Files beyond these are the same ones under other names: what is read is as much, what must be written is not.
DISTINCT_FILES = 64
NUM_TRACKS, NUM_ARTISTS = 1_000_000, 100_000
DEFAULTS = RunOptions(events="", output="")


@dataclass(frozen=True)
class RankerCost:
    """Random examples of all features: the ranker learns nothing, but does all the work."""

    num_rows: tuple[int, ...]
    repetitions: int

    def __call__(self) -> Section:
        """Train on every number of rows, in turns."""
        found: dict[int, list[Child]] = {rows: [] for rows in self.num_rows}
        with tempfile.TemporaryDirectory() as folder:
            in_child(write_files, folder=folder, num_files=-(-max(self.num_rows) // ROWS_PER_FILE))
            for _ in range(self.repetitions):
                for rows, children in found.items():
                    children.append(in_child(train, folder=folder, num_files=-(-rows // ROWS_PER_FILE)))
        return Section(
            "ranker: training from Parquet",
            f"Random candidates of {NUM_TRACKS:,} tracks with all {len(FEATURES)} features and {len(REWARD_NAMES)}"
            f" rewards, default options, one epoch; {PER_USER} a user. The rate is that after the first shuffled chunk,"
            " with which the step is compiled, reading and shuffling included; memory is that of the whole process."
            f" More than {DISTINCT_FILES * ROWS_PER_FILE:,} examples are the same files again.",
            self.figures(found),
            [Table("Sizes", ("examples", "examples/s", "peak memory", "above the imports"), rows_of(found))],
        )

    def figures(self, found: dict[int, list[Child]]) -> list[Figure]:
        """Return the figures."""
        rates = [child.result["rate"] for child in found[self.num_rows[-1]]]
        peaks = {rows: max(child.peak_bytes for child in children) for rows, children in found.items()}
        least, most = peaks[self.num_rows[0]], peaks[self.num_rows[-1]]
        growth = most / least
        first_rates = [child.result["rate"] for child in found[self.num_rows[0]]]
        speeds = Ratio(tuple(rate / first for rate, first in zip(rates, first_rates, strict=True)))
        held = "a shuffled chunk and its batches; the tables of embeddings and their step sizes"
        return [
            Figure(
                f"examples/s of {self.num_rows[-1]:,}",
                f"{np.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
                f"at least {TARGET_RATE:,}",
                bool(np.median(rates) >= TARGET_RATE),
                "decoding Parquet, gathering shuffled rows, and the step itself",
            ),
            Figure(
                f"speed, {self.num_rows[-1]:,} / {self.num_rows[0]:,} examples",
                str(speeds),
                "the same",
                None,
                "nothing grows with the number of examples",
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
    """Return a table row of medians for each size."""
    rows: list[tuple[str, ...]] = []
    for size, children in found.items():
        rate = float(np.median([child.result["rate"] for child in children]))
        peak, before = (max(getattr(child, name) for child in children) for name in ("peak_bytes", "bytes_before"))
        rows.append((f"{size:,}", f"{rate:,.0f}", megabytes(peak), megabytes(peak - before)))
    return rows


def write_files(folder: str, num_files: int) -> None:
    """Write files of random examples, each of whole users; see DISTINCT_FILES."""
    for number in range(num_files):
        if number >= DISTINCT_FILES:
            os.link(Path(folder, f"{number % DISTINCT_FILES:05d}.parquet"), Path(folder, f"{number:05d}.parquet"))
            continue
        table = to_table(random_rows(np.random.default_rng(number), number), FEATURE_ROWS)
        Path(folder, f"{number:05d}.parquet").write_bytes(parquet_bytes(table))


def random_rows(rng: np.random.Generator, number: int) -> pl.DataFrame:
    """Return FEATURE_ROWS of one file: skewed features, and labels that follow a probability."""
    n = ROWS_PER_FILE
    user = number * n + np.arange(n) // PER_USER
    probability = rng.beta(0.3, 8, n).astype(np.float32)
    features = {feature.name: rng.lognormal(0, 2, n).astype(np.float32) for feature in FEATURES} | {
        "blend_score": probability
    }
    labels = {label: (rng.random(n) < probability).astype(np.float32) for label in LABELS}
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
    """Train one epoch with the default options; return examples a second from the second shuffled chunk on."""
    paths = [str(path) for path in sorted(Path(folder).iterdir())[:num_files]]
    tracks, artists = (np.append(np.arange(1, count + 1), 0).astype(np.int32) for count in (NUM_TRACKS, NUM_ARTISTS))
    spec = FeatureSpec(
        tuple(feature.name for feature in FEATURES), NUM_TRACKS, NUM_ARTISTS, RECENT_LENGTH, REWARD_NAMES
    )
    asked_at: list[tuple[float, int]] = []

    def passes() -> Iterator[Examples]:
        # the first pass finds the scales of features, the last one learns; after a chunk it asks for the next
        asked_at.clear()
        num_rows = 0
        for chunk in stream_examples(paths, (tracks, artists), REWARD_NAMES):
            if num_rows >= SHUFFLE_ROWS and not asked_at:
                asked_at.append((time.perf_counter(), num_rows))
            num_rows += len(chunk)
            yield chunk

    options = ranker_options(DEFAULTS, num_epochs=1)
    with tempfile.TemporaryDirectory() as scratch:
        kept = CheckpointFolder(scratch, "benchmark")
        train_dcn(TrainingData(passes, lambda: iter(()), spec, lambda figures: None, kept), options)
    (second_at, before), ended_at = asked_at[0], time.perf_counter()
    return {"rate": (num_files * ROWS_PER_FILE - before) / (ended_at - second_at)}
