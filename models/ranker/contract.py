"""What a ranker is to the pipeline: named arrays in, the chance of each reward a row out. Loads no TensorFlow."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

# One row per candidate, all arrays of the same length B:
#   dense   float32 [B, F]  the features, in the order of FeatureSpec.dense, finite: missing values are already filled
#   track   int32   [B]     row of the track's embedding, 0: unknown
#   artist  int32   [B]     row of the artist's embedding, 0: unknown
#   recent  int32   [B, K]  embedding rows of the user's latest tracks, newest first, padded with 0
FeatureBatch = Mapping[str, np.ndarray]
INPUTS = ("dense", "track", "artist", "recent")
# What examples have besides: how the track was shown, which bends what the user did, and which no score goes by.
#   shelf_position, position  int32 [B]  0: not known, 1: not shown, 2 + place, the last for all further places
#   surface     int32   [B]  0: not known, or not shown
#   propensity  float32 [B]  probability with which it was shown there, NaN: not known, or not shown
IMPRESSION_INPUTS = {"shelf_position": 16, "position": 32, "surface": 4}  # rows of each
PROPENSITY = "propensity"

SPEC_FILE = "spec.json"  # the file that stands in the folder of every saved ranker
_SPEC_VERSION = 2


@dataclass(frozen=True)
class FeatureSpec:
    """The shape of a Batch; saved with a model, and compared when the model is used."""

    dense: tuple[str, ...]
    num_tracks: int  # embedding rows 1..num_tracks; row 0 stands for every unknown track
    num_artists: int  # likewise
    recent_length: int
    heads: tuple[str, ...]  # the rewards whose chances the model gives, in order

    def to_json(self) -> str:
        """Write the spec with the version of its format."""
        return json.dumps({"version": _SPEC_VERSION, **asdict(self)}, indent=1)

    @staticmethod
    def from_json(text: str) -> "FeatureSpec":
        """Read what to_json() wrote (ValueError: it is something else, or of another version)."""
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.pop("version", None) != _SPEC_VERSION:
            raise ValueError(f"not a feature spec of version {_SPEC_VERSION}, which is what this code reads")
        names = {field.name for field in dataclasses.fields(FeatureSpec)}
        if names != set(fields):
            raise ValueError(f"not a feature spec: it holds {sorted(fields)}, expected {sorted(names)}")
        return FeatureSpec(**{**fields, "dense": tuple(fields["dense"]), "heads": tuple(fields["heads"])})


@dataclass(frozen=True)
class Examples:
    """Labelled rows.

    features: a Batch that has EXPOSURE and PROPENSITY too.
    label: float32 [B, H], by head 1 where it came true, else 0; NaN where that is not known, or not settled yet.
    group: int32 [B], the row's user; rows of a user stand together.
    """

    features: FeatureBatch
    label: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.label)


# Each call starts a new pass over the same rows in the same order; how they are split into chunks does not matter.
ExampleStream = Callable[[], Iterator[Examples]]


class CheckpointStore(Protocol):
    """Where a training keeps how far it has come."""

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Keep a state, whole or not at all."""

    def latest(self) -> Mapping[str, np.ndarray] | None:
        """Return the state that was saved last, of whichever attempt; None: there is none."""


class NothingToLearnError(ValueError):
    """The examples cannot train a ranker: there are none, or all have one label."""


class Ranker(Protocol):
    """Anything that gives candidates chances; score() does not depend on which rows stand beside a row."""

    @property
    def spec(self) -> FeatureSpec:
        """The batches that score() takes."""

    def score(self, batch: FeatureBatch) -> np.ndarray:
        """Return the chance of each reward, float32 [B, H]."""

    def save(self, path: str) -> None:
        """Write a folder that serving.load_ranker() reads."""


def check_spec(found: FeatureSpec, expected: FeatureSpec) -> None:
    """Raise ValueError naming what of `found` (a model's) differs from `expected` (the data's)."""
    if differences := list(_differences(found, expected)):
        raise ValueError(f"the model does not fit the data: {'; '.join(differences)}")


def _differences(found: FeatureSpec, expected: FeatureSpec) -> Iterator[str]:
    yield from (f"only the model has the feature {name!r}" for name in found.dense if name not in expected.dense)
    yield from (f"only the data has the feature {name!r}" for name in expected.dense if name not in found.dense)
    if found.dense != expected.dense and set(found.dense) == set(expected.dense):
        place = next(i for i, pair in enumerate(zip(found.dense, expected.dense, strict=True)) if pair[0] != pair[1])
        yield f"dense feature {place} is {found.dense[place]!r} in the model, {expected.dense[place]!r} in the data"
    for name in ("num_tracks", "num_artists", "recent_length"):
        if getattr(found, name) != getattr(expected, name):
            yield f"{name} is {getattr(found, name)} in the model, {getattr(expected, name)} in the data"
    if found.heads != expected.heads:
        yield f"the rewards are {', '.join(found.heads)} in the model, {', '.join(expected.heads)} in the data"


def check_batch(batch: FeatureBatch, spec: FeatureSpec) -> None:
    """Raise ValueError naming the array, or the dense feature, that is not as the spec says."""
    if missing := [name for name in INPUTS if name not in batch]:
        raise ValueError(f"the batch has no {', '.join(missing)}")
    rows = len(batch["track"])
    _check_array(batch, "dense", np.float32, (rows, len(spec.dense)))
    _check_array(batch, "track", np.int32, (rows,), limit=spec.num_tracks)
    _check_array(batch, "artist", np.int32, (rows,), limit=spec.num_artists)
    _check_array(batch, "recent", np.int32, (rows, spec.recent_length), limit=spec.num_tracks)
    if not (finite := np.isfinite(batch["dense"])).all():
        names = ", ".join(spec.dense[column] for column in np.flatnonzero(~finite.all(axis=0)))
        raise ValueError(f"not finite: {names}")


def check_examples(examples: Examples, spec: FeatureSpec) -> None:
    """Raise ValueError naming what is not as Examples and the spec say."""
    check_batch(examples.features, spec)
    rows = len(examples.features["track"])
    for name, limit in IMPRESSION_INPUTS.items():
        _check_array(examples.features, name, np.int32, (rows,), limit=limit - 1)
    propensity = examples.features[PROPENSITY]
    _check_array(examples.features, PROPENSITY, np.float32, (rows,))
    if not ((propensity > 0) & (propensity <= 1) | np.isnan(propensity)).all():
        raise ValueError("propensity has values other than NaN that are not above 0 and at most 1")
    arrays = {"label": examples.label, "group": examples.group}
    _check_array(arrays, "label", np.float32, (rows, len(spec.heads)))
    _check_array(arrays, "group", np.int32, (rows,))
    if not (np.isin(examples.label, (0, 1)) | np.isnan(examples.label)).all():
        raise ValueError("label has values other than 0, 1 and NaN")


def _check_array(batch: FeatureBatch, name: str, dtype: type, shape: tuple[int, ...], limit: int | None = None) -> None:
    array = batch[name]
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
    if limit is not None and array.size and not 0 <= array.min() <= array.max() <= limit:
        raise ValueError(f"{name} has ids from {array.min()} to {array.max()}; expected 0 to {limit}")
