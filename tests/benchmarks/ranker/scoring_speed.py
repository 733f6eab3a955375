"""ranker_speed: scoring against a plain loop over the SavedModel, and numpy's matrix products of the same shapes."""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from models._tensorflow import tf
from models.ranker.contract import INPUTS, FeatureBatch, FeatureSpec
from models.ranker.dcn_v2 import RankingModel, Scales
from models.ranker.serving import SCORING_BLOCK_ROWS, TensorFlowRanker, load_saved_model
from pipelines.learning import ranker_options
from pipelines.options.options import RunOptions
from tests.benchmarks.report import Figure, Ratio, Section, Table, at_least
from transforms.features.features import FEATURES
from transforms.features.rewards import REWARD_NAMES
from transforms.tables.schemas import RECENT_LENGTH

NUM_TRACKS, NUM_ARTISTS = 1_000_000, 100_000
PLAIN_ROWS, TARGET = 4096, 0.8
DEFAULTS = RunOptions(events="", output="")


def score_and_multiply(num_rows: int, repetitions: int) -> dict[str, Any]:
    """Return the seconds of scoring, of a plain loop, and of every product, in turns in one process."""
    spec = FeatureSpec(
        tuple(feature.name for feature in FEATURES), NUM_TRACKS, NUM_ARTISTS, RECENT_LENGTH, REWARD_NAMES
    )
    options, width = ranker_options(DEFAULTS, num_epochs=1), len(spec.dense)
    scales = Scales(
        np.zeros(width, np.float32), np.ones(width, np.float32), np.zeros(len(REWARD_NAMES), np.float32), 1.0
    )
    with tempfile.TemporaryDirectory() as folder:
        model = RankingModel(spec, options, scales)
        model({name: array for name, array in random_batch(1, width).items()})
        TensorFlowRanker(spec, model.exported(spec)).save(folder)
        ranker, plain = load_saved_model(folder, spec), tf.saved_model.load(folder).signatures["serving_default"]
    batch, rng = random_batch(num_rows, width), np.random.default_rng(2)
    inputs = width + 2 * options.embedding_size + 1
    layers = (inputs, *options.hidden, len(REWARD_NAMES))
    sizes = [*[(inputs, inputs)] * options.cross_layers, *zip(layers[:-1], layers[1:], strict=True)]
    shapes = [(SCORING_BLOCK_ROWS, *size) for size in sizes]
    factors = [(rng.random(shape[:2], np.float32), rng.random(shape[1:], np.float32)) for shape in shapes]
    timed: dict[str, Callable[[], Any]] = {"score": lambda: ranker.score(batch), "plain": lambda: loop(plain, batch)}
    for number, pair in enumerate(factors):
        timed[f"numpy {number}"] = lambda pair=pair: [pair[0] @ pair[1] for _ in range(20)]  # type: ignore[misc]
    found: dict[str, list[float]] = {name: [] for name in timed}
    for repetition in range(repetitions + 1):
        for name, call in timed.items():
            start = time.perf_counter()
            call()
            if repetition:  # the first is to warm up
                found[name].append(time.perf_counter() - start)
    return {"num_rows": num_rows, "shapes": shapes, **found}


def random_batch(rows: int, width: int) -> FeatureBatch:
    """Return features and ids of all kinds."""
    rng = np.random.default_rng(1)
    return {
        "dense": rng.lognormal(0, 2, (rows, width)).astype(np.float32),
        "track": rng.integers(0, NUM_TRACKS, rows, np.int32),
        "artist": rng.integers(0, NUM_ARTISTS, rows, np.int32),
        "recent": rng.integers(0, NUM_TRACKS, (rows, RECENT_LENGTH), np.int32),
    }


def loop(model: Any, batch: FeatureBatch) -> None:
    """Call the signature on batch after batch."""
    for at in range(0, len(batch["track"]), PLAIN_ROWS):
        model(**{name: tf.constant(batch[name][at : at + PLAIN_ROWS]) for name in INPUTS})["probability"].numpy()


def speed_section(found: dict[str, Any]) -> Section:
    """Return the figures and tables."""
    rows, shapes = found["num_rows"], found["shapes"]
    flops = sum(2 * n * m for _, n, m in shapes)
    products = [np.median(found[f"numpy {number}"]) / 20 for number in range(len(shapes))]
    of_numpy = [2 * k * n * m / seconds / 1e9 for (k, n, m), seconds in zip(shapes, products, strict=True)]
    of_model = {name: rows * flops / np.median(found[name]) / 1e9 for name in ("score", "plain")}
    alone = flops * SCORING_BLOCK_ROWS / sum(products) / 1e9
    figures: list[Figure] = [
        at_least(
            f"rows/s scored / a plain loop over the SavedModel, batches of {PLAIN_ROWS:,}",
            Ratio.of(found["plain"], found["score"]),
            TARGET,
            "checks of every array; blocks are filled up to one size, so that a score has one value",
        )
    ]
    table = Table(
        "GFLOP/s, float32",
        ("what", "GFLOP/s"),
        [
            *(
                (f"numpy, {k:,} x {n} times {n} x {m}", f"{rate:.1f}")
                for (k, n, m), rate in zip(shapes, of_numpy, strict=True)
            ),
            ("numpy, all of these", f"{alone:.1f}"),
            ("the ranker's products, scoring", f"{of_model['score']:.1f}"),
            ("the same, plain loop", f"{of_model['plain']:.1f}"),
        ],
    )
    rates = [
        (name, f"{rows / np.median(found[key]):,.0f}") for name, key in (("score()", "score"), ("plain loop", "plain"))
    ]
    return Section(
        "ranker: scoring",
        f"{rows:,} random candidates of {NUM_TRACKS:,} tracks, default options, {flops:,} floating-point operations a"
        " row in matrix products; what is not in these is squashing, looking up, adding and taking sigmoids.",
        figures,
        [table, Table("Rows a second (median)", ("way", "rows/s"), rates)],
    )
