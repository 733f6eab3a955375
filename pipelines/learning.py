"""Which models learn, with which options. TensorFlow takes seconds to load: only who trains or scores does it."""

from typing import Any

import numpy as np

from models.ranker.contract import CheckpointStore, ExampleStream, FeatureSpec, Ranker
from models.towers.contract import Sequences, TowerOptions, TrackContent
from pipelines.options.options import StageOptions
from transforms.candidates.sources import SOURCES
from transforms.embeddings.train_towers import Continued

# In which candidates the calibration is looked at apart: a feature, from, and below.
_SEGMENTS = {
    "new users": ("user_plays", 0.0, 20.0),
    "tail tracks": ("track_users", 0.0, float(np.log1p(10))),
    "heard tracks": ("plays_of_track", 1.0, np.inf),
    **{f"source {source.name}": (f"rank_score_{source.name}", 1e-6, np.inf) for source in SOURCES},
}


def train_and_save_ranker(
    options: StageOptions,
    training: ExampleStream,
    holdout: ExampleStream,
    spec: FeatureSpec,
    path: str,
    on_epoch: Any,
    checkpoints: CheckpointStore,
) -> Any:
    """Train the ranker that these options ask for, judge it, save it (see models.ranker.training_run)."""
    from models.ranker.training_run import train_and_evaluate

    asked = ranker_options(options, options.num_epochs)
    return train_and_evaluate(
        training,
        holdout,
        spec,
        path,
        on_epoch,
        checkpoints,
        options=asked,
        popularity="track_popularity",
        segments=_SEGMENTS,
    )


def ranker_options(options: StageOptions, num_epochs: int) -> Any:
    """The hyper-parameters of the ranker that the flags ask for."""
    from models.ranker.ranker import RankerOptions

    return RankerOptions(
        base="blend_score",
        embedding_size=options.embedding_size,
        cross_layers=options.cross_layers,
        hidden=options.hidden_units,
        id_dropout=options.id_dropout,
        min_propensity=options.min_propensity,
        batch_size=options.batch_size,
        num_epochs=num_epochs,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )


def tower_options(options: StageOptions) -> TowerOptions:
    """The hyper-parameters of the two towers that the flags ask for."""
    return TowerOptions(
        size=options.tower_size,
        num_epochs=options.num_tower_epochs,
        num_warm_epochs=options.num_warm_epochs,
        batch_size=options.tower_batch_size,
        learning_rate=options.tower_learning_rate,
        temperature=options.temperature,
        dropout=options.tower_dropout,
        id_dropout=options.id_dropout,
        num_hidden=options.num_hidden_tracks,
        num_negatives=options.num_negatives,
        is_logq=True,
        seed=options.seed,
    )


def fit_towers(
    options: TowerOptions,
    sequences: Sequences,
    content: TrackContent,
    neighbours: Any,
    similarities: Any,
    earlier: Continued | None,
    on_epoch: Any,
) -> Any:
    """Train the two towers, from the neighbours' factorisation or from earlier towers."""
    from models.towers.spectral import factorize
    from models.towers.training import WarmStart, train_two_tower

    def start() -> np.ndarray:
        if earlier:
            return np.zeros((len(content), options.size), dtype=np.float32)
        return factorize(neighbours, similarities, options.size, options.seed)

    # no name holds where they start: it may be a gigabyte, and is not needed for long
    made = train_two_tower(sequences, content, start(), WarmStart(*earlier) if earlier else None, options, on_epoch)
    return made.weights, made.state, made.tracks, made.inputs


def load_ranker(path: str) -> Ranker:
    """Open a saved ranker."""
    from models.ranker.serving import load_saved_ranker as load

    return load(path)
