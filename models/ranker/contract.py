"""The contract between the pipeline and a ranker: named arrays in, the probability of each reward out.

Loads no TensorFlow.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

# One row per candidate, all arrays of the same length B:
#   dense   float32 [B, F]  the features, in the order of FeatureSpec.dense; finite, missing values are already filled
#   track   int32   [B]     row of the track's embedding, 0: unknown
#   artist  int32   [B]     row of the artist's embedding, 0: unknown
#   recent  int32   [B, K]  embedding rows of the user's latest tracks, newest first, padded with 0
FeatureBatch = Mapping[str, np.ndarray]
INPUTS = ("dense", "track", "artist", "recent")
# Impression columns of examples: they debias training, and scores never depend on them.
#   shelf_position, position  int32 [B]  0: unknown, 1: not shown, 2 + position, the last row for all further positions
#   surface     int32   [B]  0: unknown, or not shown
#   propensity  float32 [B]  probability with which the track was shown there, NaN: unknown, or not shown
IMPRESSION_INPUTS = {"shelf_position": 16, "position": 32, "surface": 4}  # number of ids of each
PROPENSITY = "propensity"

SPEC_FILE = "spec.json"  # in the folder of every saved ranker
_SPEC_VERSION = 2


@dataclass(frozen=True)
class FeatureSpec:
    """Shape of a FeatureBatch; saved with a model, and compared when the model is used.

    dense: names of the features. num_tracks, num_artists: rows 1 to that number belong to known ids, row 0 to all
        others. recent_length: number of latest tracks. heads: rewards whose probabilities the model gives, in order.
    """

    dense: tuple[str, ...]
    num_tracks: int
    num_artists: int
    recent_length: int
    heads: tuple[str, ...]

    def to_json(self) -> str:
        """Write the spec with the version of its format."""
        return json.dumps({"version": _SPEC_VERSION, **asdict(self)}, indent=1)

    @staticmethod
    def from_json(text: str) -> "FeatureSpec":
        """Read what to_json() wrote (ValueError: the text is something else, or of another version)."""
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.pop("version", None) != _SPEC_VERSION:
            raise ValueError(f"not a feature spec of version {_SPEC_VERSION}, the only one that this code reads")
        names = {field.name for field in dataclasses.fields(FeatureSpec)}
        if names != set(fields):
            raise ValueError(f"not a feature spec: it holds {sorted(fields)}, expected {sorted(names)}")
        return FeatureSpec(**{**fields, "dense": tuple(fields["dense"]), "heads": tuple(fields["heads"])})


@dataclass(frozen=True)
class Examples:
    """Labelled rows.

    features: a FeatureBatch that also has IMPRESSION_INPUTS and PROPENSITY.
    label: float32 [B, H], one column a head: 1 where the reward came true, else 0; NaN where that is unknown or not
        settled yet.
    group: int32 [B], the row's user; rows of a user are contiguous.
    """

    features: FeatureBatch
    label: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.label)


# Each call starts a new pass over the same rows in the same order. How they are split into chunks does not matter.
ExampleStream = Callable[[], Iterator[Examples]]


class CheckpointStore(Protocol):
    """Storage of the states of one training."""

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Write a state, whole or not at all."""

    def latest(self) -> Mapping[str, np.ndarray] | None:
        """Return the state that any attempt saved last; None without one."""


class NothingToLearnError(ValueError):
    """The examples cannot train a ranker: there are none, or all have the same label."""


class Ranker(Protocol):
    """A model that scores candidates; the score of a row does not depend on the other rows of its batch."""

    @property
    def spec(self) -> FeatureSpec:
        """Return the shape of the batches that score() takes."""

    def score(self, batch: FeatureBatch) -> np.ndarray:
        """Return the probability of each reward, float32 [B, H]."""

    def save(self, path: str) -> None:
        """Write the model and its spec into a folder (see entries.save_ranker())."""


def check_spec(found: FeatureSpec, expected: FeatureSpec) -> None:
    """Raise ValueError naming every difference between `found` (the model's) and `expected` (the data's)."""
    if differences := list(_differences(found, expected)):
        raise ValueError(f"the model does not fit the data: {'; '.join(differences)}")


def _differences(found: FeatureSpec, expected: FeatureSpec) -> Iterator[str]:
    yield from (f"only the model has the feature {name!r}" for name in found.dense if name not in expected.dense)
    yield from (f"only the data has the feature {name!r}" for name in expected.dense if name not in found.dense)
    if found.dense != expected.dense and set(found.dense) == set(expected.dense):
        column = next(i for i, pair in enumerate(zip(found.dense, expected.dense, strict=True)) if pair[0] != pair[1])
        yield f"dense feature {column} is {found.dense[column]!r} in the model, {expected.dense[column]!r} in the data"
    for name in ("num_tracks", "num_artists", "recent_length"):
        if getattr(found, name) != getattr(expected, name):
            yield f"{name} is {getattr(found, name)} in the model, {getattr(expected, name)} in the data"
    if found.heads != expected.heads:
        yield f"the rewards are {', '.join(found.heads)} in the model, {', '.join(expected.heads)} in the data"


def check_batch(batch: FeatureBatch, spec: FeatureSpec) -> None:
    """Raise ValueError naming the array or the dense feature that contradicts the spec."""
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
    """Raise ValueError naming the array that contradicts Examples or the spec."""
    check_batch(examples.features, spec)
    rows = len(examples.features["track"])
    for name, limit in IMPRESSION_INPUTS.items():
        _check_array(examples.features, name, np.int32, (rows,), limit=limit - 1)
    propensity = examples.features[PROPENSITY]
    _check_array(examples.features, PROPENSITY, np.float32, (rows,))
    if not ((propensity > 0) & (propensity <= 1) | np.isnan(propensity)).all():
        raise ValueError("propensity has values that are neither NaN nor above 0 and at most 1")
    arrays = {"label": examples.label, "group": examples.group}
    _check_array(arrays, "label", np.float32, (rows, len(spec.heads)))
    _check_array(arrays, "group", np.int32, (rows,))
    if not (np.isin(examples.label, (0, 1)) | np.isnan(examples.label)).all():
        raise ValueError("label has values other than 0, 1 and NaN")


def _check_array(
    arrays: FeatureBatch, name: str, dtype: type, shape: tuple[int, ...], limit: int | None = None
) -> None:
    array = arrays[name]
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
    if limit is not None and array.size and not 0 <= array.min() <= array.max() <= limit:
        raise ValueError(f"{name} has ids from {array.min()} to {array.max()}; expected 0 to {limit}")
