"""Learn clicks on pages of the sample world with and without their positions and propensities.

python -m tests.benchmarks.ranker.position_bias --world=out/sample --run=out/home     a run on that world

A user's eye goes down a shelf and stops: a track further down is clicked less often than it is wanted. The examples are
the impressions in the label windows of the run; the label is a click. Evaluation is on later shelves, by the tracks
that the user wanted, whether the eye reached them or not.
"""

import argparse
import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from models.metrics import auc, ndcg_of_groups
from models.ranker.contract import IMPRESSION_INPUTS, PROPENSITY, Examples, ExampleStream, FeatureSpec
from pipelines.inputs.published import PublishedRun
from pipelines.learning import ranker_options
from pipelines.options.options import RunOptions
from pipelines.ranker_study.boosting import ratio_interval
from pipelines.sample_world.impressions import LOOK_MS
from tests.benchmarks.ranker.variants import chosen, train_once
from transforms.events.match_impressions import encode_impressions
from transforms.ranking.ranker_files import Vocabulary, encode_batch, open_vocabulary

TAKEN, WANTED = "taken", "wanted"
REPLICATES = 300
BATCH_SIZE = 256  # in the default one a pass over so few rows would be three steps
DEFAULTS = RunOptions(events="", output="")
POSITIONS, PROPENSITIES = tuple(IMPRESSION_INPUTS), (PROPENSITY,)
# what each way of learning does not know
FORGETS = {
    "neither": (*POSITIONS, *PROPENSITIES),
    "positions": PROPENSITIES,
    "propensities": POSITIONS,
    "both": (),
}


def shelves(world: Path, examples: pl.DataFrame, days: float) -> pl.DataFrame:
    """Return impressions in the label window of examples with their features; taken and wanted, by request."""
    cutoff = examples["cutoff_at"][0]
    ends_at = cutoff + pl.duration(days=days)
    shown = pl.read_parquet(world / "impressions").filter(
        (pl.col("shown_at") >= cutoff) & (pl.col("shown_at") < ends_at)
    )
    events = pl.read_parquet(world / "events").filter(pl.col("action") == "play")
    takes = events.select("user_id", "track_id", "request_id", taken=pl.lit(1.0, pl.Float32)).drop_nulls().unique()
    came = events.select(
        "user_id", "track_id", (pl.col("played_at") - pl.duration(milliseconds=LOOK_MS)).alias("shown_at")
    )
    wanted = came.unique().with_columns(wanted=pl.lit(1.0, pl.Float32))
    said = shown.join(takes, on=["user_id", "track_id", "request_id"], how="left").join(
        wanted, on=["user_id", "track_id", "shown_at"], how="left"
    )
    features = examples.with_columns(pl.col("user_id", "track_id").cast(pl.String)).drop(
        "position", "shelf_position", "surface", "propensity"
    )
    rows = said.with_columns(pl.col("taken", "wanted").fill_null(0.0), surface=pl.lit(1, pl.Int32)).join(
        features, on=["user_id", "track_id"], how="inner"
    )
    return rows.sort("user_id", "request_id", "position")


def examined(rows: pl.DataFrame, probability: float | None) -> pl.DataFrame:
    """Return the shelves as if a user took a wanted track only when the eye reached it."""
    if probability is None:
        return rows
    drawn = pl.Series(np.random.default_rng(1).random(len(rows)))
    reached = drawn < pl.lit(probability).pow(pl.col("position"))
    return rows.with_columns(taken=pl.when(reached).then("wanted").otherwise(0.0).cast(pl.Float32))


def to_examples(rows: pl.DataFrame, row_numbers: tuple[np.ndarray, np.ndarray], label: str) -> Examples:
    """Turn rows of shelves into examples, a user a group."""
    group = rows["user_id"].rle_id().cast(pl.Int32).to_numpy()
    features = {**encode_batch(rows, row_numbers), **encode_impressions(rows.cast({"propensity": pl.Float32}))}
    return Examples(features, rows.select(label).to_numpy(), group)


def forgetting(examples: Examples, names: tuple[str, ...]) -> ExampleStream:
    """Return the examples without some of the impression columns."""
    nothing = {
        name: np.full(len(examples), np.nan, np.float32) if name == PROPENSITY else np.zeros(len(examples), np.int32)
        for name in names
    }
    return lambda: iter([Examples({**examples.features, **nothing}, examples.label, examples.group)])


def learned(
    known: Examples, later: Examples, judging: Examples, spec: FeatureSpec, forgets: tuple[str, ...], seed: int
) -> np.ndarray:
    """Train; return probabilities of the evaluated rows."""
    options = dataclasses.replace(ranker_options(DEFAULTS, DEFAULTS.num_epochs), seed=seed, batch_size=BATCH_SIZE)
    passes = forgetting(known, forgets), forgetting(later, forgets)
    return train_once(*passes, spec, options).score(judging.features)[:, spec.heads.index(options.main_head)]


def main() -> None:
    """Train in every way, evaluate, print."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.ranker.position_bias", description=__doc__)
    parser.add_argument("--world", required=True, type=Path)
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--examined", type=float, help="probability that the eye goes on, sampled again; default: as logged"
    )
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    published = PublishedRun(asked.run, needs_pages=False)
    vocabulary: Vocabulary = open_vocabulary(published.artifact("ranker"))
    row_numbers = vocabulary.rows_of(published.catalog)
    days = published.options.label_days
    *windows, second = (
        examined(shelves(asked.world, published.table(name).collect(), days), asked.examined)
        for name in sorted(published.manifest.tables)
        if name.startswith(("features", "holdout"))
    )
    first = pl.concat(windows)
    found, seeds = {}, range(1, asked.seeds + 1)
    # what no service knows says how much there is to gain
    for name, forgets, label in (
        *((*way, TAKEN) for way in FORGETS.items()),
        ("the truth", FORGETS["neither"], WANTED),
    ):
        known, later = (to_examples(rows, row_numbers, label) for rows in (first, second))
        is_evaluated = later.group % 2 == 1
        stopping, judging = chosen(later, ~is_evaluated), chosen(later, is_evaluated)
        fit = partial(learned, known, stopping, judging, vocabulary.spec((TAKEN,)), forgets)
        found[name] = [fit(seed) for seed in seeds]
    evaluated = second.filter(pl.Series(is_evaluated))
    Console(width=130).print(compared(found, evaluated, len(first)))


def compared(found: dict[str, list[np.ndarray]], evaluated: pl.DataFrame, num_learned: int) -> Table:
    """Return a table row for each way; means over seeds, ratios of NDCG paired by request."""
    request, wanted = evaluated["request_id"].rank("dense").to_numpy(), evaluated["wanted"].to_numpy()
    table = Table(
        title=f"learned from {num_learned:,} tracks on shelves, evaluated by {len(evaluated):,}",
        title_justify="left",
        box=None,
    )
    for column in ("knows", "NDCG of what was wanted", "to that of neither", "AUC", "minus that of neither"):
        table.add_column(column, justify="left" if column == "knows" else "right")
    quality = {
        name: np.mean([ndcg_of_groups(request, wanted, one, 10) for one in scores], axis=0)
        for name, scores in found.items()
    }
    for name, scores in found.items():
        times, low, high = ratio_interval(quality[name], quality["neither"])
        area = np.mean([auc(wanted, one) for one in scores])
        gain = "" if name == "neither" else f"{times:.4f}x ({low:.4f} to {high:.4f})"
        low, high = area_interval(evaluated, wanted, scores, found["neither"])
        more = "" if name == "neither" else f"({low:+.4f} to {high:+.4f})"
        table.add_row(name, f"{np.nanmean(quality[name]):.4f}", gain, f"{area:.4f}", more)
    return table


def area_interval(
    evaluated: pl.DataFrame, wanted: np.ndarray, ours: list[np.ndarray], theirs: list[np.ndarray]
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the difference of AUC over users, of means over seeds."""
    user, rng = evaluated["user_id"].rle_id().to_numpy(), np.random.default_rng(1)
    differences = []
    for _ in range(REPLICATES):
        rows = np.repeat(np.arange(len(user)), rng.poisson(1, user[-1] + 1)[user])
        pairs = zip(ours, theirs, strict=True)
        differences.append(np.mean([auc(wanted[rows], one[rows]) - auc(wanted[rows], two[rows]) for one, two in pairs]))
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
