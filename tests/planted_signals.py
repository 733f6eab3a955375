"""Columns planted in the sample world: its own parameters, noise, and leaks of the labels."""

from dataclasses import replace

import numpy as np
import polars as pl

from pipelines.signals.dataset import LabelledCandidates, SignalDataset
from pipelines.signals.verdict import LEAKS, NO_EVIDENCE, SHIP
from transforms.tables.hashing import stable_hash, uniform

PAIR, USER, TRACK = ("user_id", "track_id"), ("user_id",), ("track_id",)
MIN_WEIGHT = 0.001
# kind -> the right verdict
PLANTED_VERDICTS = {
    "loyalty to the artist": SHIP,
    "loyalty under as much noise": SHIP,
    "noise by pair": NO_EVIDENCE,
    "noise by user": NO_EVIDENCE,
    "noise by track": NO_EVIDENCE,
    "copy of the label": LEAKS,
    "label under noise": LEAKS,
    "label of a tenth of the rows": LEAKS,
    "loyalty, and the label of a tenth": LEAKS,
    "snapshot of the last week": LEAKS,
    "plays so far and to come": LEAKS,
    "listens of the user to come": LEAKS,
    "listens of the track to come": LEAKS,
}
Column = tuple[tuple[str, ...], np.ndarray, np.ndarray]


def sample_dataset(dataset: SignalDataset, num_users: int, seed: int) -> SignalDataset:
    """Return the rows of a random sample of about `num_users` users."""
    share = num_users / len(np.unique(dataset.validation.user))
    train, validation = (
        rows.select(uniform(stable_hash(rows.keys["user_id"], seed=seed)) < share)
        for rows in (dataset.train, dataset.validation)
    )
    return SignalDataset(train, validation, dataset.scored)


def first_reward_only(dataset: SignalDataset) -> SignalDataset:
    """Return the dataset with the first reward alone, listens, which is most of the sum of rewards."""
    train, validation = (
        replace(rows, heads=rows.heads[:1], labels=rows.labels[:, :1], log_odds=rows.log_odds[:, :1])
        for rows in (dataset.train, dataset.validation)
    )
    return SignalDataset(train, validation, dataset.scored)


def column_of(dataset: SignalDataset, kind: str, folder: str, seed: int) -> Column:
    """Return a planted column: its key, its values for the training and for the validation rows."""
    rng, rows = np.random.default_rng(seed), (dataset.train, dataset.validation)
    if kind.startswith("noise by "):
        key = {"pair": PAIR, "user": USER, "track": TRACK}[kind.rsplit(" ", 1)[1]]
        train, validation = (_noise(part, key, seed) for part in rows)
    elif kind.startswith("loyalty"):
        key, (train, validation) = PAIR, _loyal(rows, kind, folder, rng)
    elif kind.endswith(" to come") and kind.startswith("listens"):
        key = USER if "user" in kind else TRACK
        codes = (part.user if key == USER else part.track for part in rows)
        train, validation = (np.bincount(code, y)[code] for code, y in zip(codes, map(_listened, rows), strict=True))
    else:
        key, (train, validation) = PAIR, _leaked(rows, kind, rng)
    return key, train, validation


def _listened(rows: LabelledCandidates) -> np.ndarray:
    return rows.listened.astype(float)


def _noise(rows: LabelledCandidates, key: tuple[str, ...], seed: int) -> np.ndarray:
    """Return a random number of each key, the same at both cutoffs."""
    keys = rows.keys.select(pl.concat_str(*key, separator="/")).to_series()
    return uniform(stable_hash(keys, seed=1000 + seed))


def _tenth(rows: LabelledCandidates, otherwise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(rows)) < 0.1, 3 * _listened(rows), otherwise)


def _loyal(
    rows: tuple[LabelledCandidates, LabelledCandidates], kind: str, folder: str, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the log of the planted weight of the artist for the user, with noise or leaks in some kinds."""
    values = [_loyalty(part, folder) for part in rows]
    spread = values[0].std() * {"loyalty under as much noise": 1.0, "loyalty under twice its noise": 2.0}.get(kind, 0.0)
    if kind == "loyalty, and the label of a tenth":
        return [_tenth(part, value, rng) for part, value in zip(rows, values, strict=True)]
    return [value + spread * rng.standard_normal(len(value)) for value in values]


def _loyalty(rows: LabelledCandidates, folder: str) -> np.ndarray:
    truth = pl.read_parquet(f"{folder}/truth/*.parquet").select(
        "user_id", artist_id="favourite_artist_ids", weight="favourite_weights"
    )
    # an artist may be a favourite twice
    loyal = (
        truth.explode("artist_id", "weight", empty_as_null=False)
        .group_by("user_id", "artist_id")
        .agg(pl.col("weight").sum())
    )
    artists = pl.read_parquet(f"{folder}/tracks/*.parquet").select("track_id", "artist_id")
    joined = rows.keys.join(artists, on="track_id", how="left", maintain_order="left").join(
        loyal, on=["user_id", "artist_id"], how="left", maintain_order="left"
    )
    return np.log(joined["weight"].fill_null(0).to_numpy() + MIN_WEIGHT)


def _leaked(
    rows: tuple[LabelledCandidates, LabelledCandidates], kind: str, rng: np.random.Generator
) -> list[np.ndarray]:
    train, validation = rows
    listened = [_listened(part) for part in rows]
    if kind == "copy of the label":
        return listened
    if kind == "label under noise":
        return [y + 1.2 * rng.standard_normal(len(y)) for y in listened]
    if kind == "label of a tenth of the rows":
        return [np.where(rng.random(len(y)) < 0.1, y, np.nan) for y in listened]
    # a table as of the end: at both cutoffs it holds the last label window
    last = validation.keys.select("user_id", "track_id").with_columns(pl.Series("y", listened[1]))
    joined = train.keys.join(last, on=["user_id", "track_id"], how="left", maintain_order="left")
    week = [joined["y"].fill_null(0).to_numpy(), listened[1]]
    if kind == "snapshot of the last week":
        return week
    plays = [part.feature("plays_of_track").astype(float) for part in rows]
    return [plays[0] + listened[0] + week[0], plays[1] + week[1]]
