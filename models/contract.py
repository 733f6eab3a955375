"""What a ranker is to the pipeline: named arrays in, one probability a row out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# One row per candidate, all arrays of the same length B:
#   dense   float32 [B, F]  the features, in the order of FeatureSpec.dense
#   track   int32   [B]     row of the track's embedding, 0: unknown
#   artist  int32   [B]     row of the artist's embedding, 0: unknown
#   recent  int32   [B, K]  embedding rows of the user's latest tracks, newest first, padded with 0
Batch = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FeatureSpec:
    """The shape of a Batch; saved with a model, and compared when the model is used."""

    dense: tuple[str, ...]
    num_tracks: int
    num_artists: int
    recent_length: int
