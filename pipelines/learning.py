"""Choice of the models that learn, and of their options; TensorFlow, which takes seconds, loads only where it works."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from models.ranker.entry import RankerModel, RankerOptions, TrainingData
from models.ranker.training_run import Segment, train_and_evaluate
from models.sequence.contract import SequenceOptions, SequenceWeights
from models.sequence.sequence_data import SequenceData
from models.skips.fitted import FittedSkips
from models.towers.contract import Sequences, TowerOptions, TrackContent, TrainedTowers, WarmStart
from pipelines.options.options import StageOptions, UsageError
from transforms.candidates.sources import SOURCES
from transforms.features.rewards import LISTENED
from transforms.ranking.rankers import find_ranker_model
from transforms.sequence_model.recommender import SequenceRecommender
from transforms.sequence_model.sequence_files import read_sequence_model

# Candidates among which calibration is measured apart.
_SEGMENTS = (
    Segment("new users", "user_plays", 0.0, 20.0),
    Segment("tail tracks", "track_users", 0.0, float(np.log1p(10))),
    Segment("played tracks", "plays_of_track", 1.0, np.inf),
    *(Segment(f"source {source.name}", f"rank_score_{source.name}", 1e-6, np.inf) for source in SOURCES),
)


def train_and_save_ranker(options: StageOptions, given: TrainingData, path: str) -> dict[str, object]:
    """Train the ranker that the flags name, save it in the folder `path`, and return its report."""
    return train_and_evaluate(
        chosen_ranker(options), given, ranker_options(options, options.num_epochs), _SEGMENTS, path
    )


def chosen_ranker(options: StageOptions) -> RankerModel:
    """Return the model that --ranker_model names (UsageError: there is none)."""
    try:
        return find_ranker_model(options.ranker_model)
    except ValueError as error:
        raise UsageError(f"--ranker_model: {error}") from None


def ranker_options(options: StageOptions, num_epochs: int) -> RankerOptions:
    """Return the hyper-parameters of the ranker that the flags set."""
    return RankerOptions(
        main_head=LISTENED,
        base="blend_score",
        popularity="track_popularity",
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
    """Return the hyper-parameters of the two towers that the flags set."""
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
        seed=options.seed,
    )


def fit_towers(
    options: TowerOptions,
    sequences: Sequences,
    content: TrackContent,
    neighbours: np.ndarray,
    similarities: np.ndarray,
    warm_start: WarmStart | None,
    on_epoch: Callable[[dict[str, float]], None],
) -> TrainedTowers:
    """Train the two towers, from the factorised neighbours or warm-started from earlier towers."""
    from models.towers.spectral import factorize
    from models.towers.training import train_two_tower

    def initial_vectors() -> np.ndarray:
        if warm_start:
            return np.zeros((len(content), options.size), dtype=np.float32)
        return factorize(neighbours, similarities, options.size, options.seed)

    # no variable holds the initial vectors: they may take a gigabyte and are not needed for long
    return train_two_tower(sequences, content, initial_vectors(), warm_start, options, on_epoch)


def fit_skip_models(
    seed: int, features: np.ndarray, skipped: np.ndarray, completed: np.ndarray, user: np.ndarray
) -> FittedSkips:
    """Train the chances of a skip and of a completion."""
    from models.skips.training import fit_skips

    return fit_skips(features, skipped, completed, user, seed)


@lru_cache(maxsize=4)
def open_skip_trees(text: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that predicts probabilities from features, of trees as text."""
    from models.skips.boosting import open_trees

    return open_trees(text)


def sequence_options(num_epochs: int, size: int, seed: int) -> SequenceOptions:
    """Return the hyper-parameters of the sequence model."""
    return SequenceOptions(
        size=size,
        num_layers=2,
        num_heads=2,
        num_epochs=num_epochs,
        batch_plays=3200,
        learning_rate=0.002,
        table_learning_rate=0.06,
        dropout=0.2,
        id_dropout=0.1,
        num_negatives=2048,
        max_full_tracks=50_000,
        feedback_weight=0.1,
        seed=seed,
    )


def fit_sequence_model(data: SequenceData, options: SequenceOptions) -> SequenceWeights:
    """Train the sequence model from the factorised counts."""
    from models.sequence.training import fit_transformer

    return fit_transformer(data, options)


@lru_cache(maxsize=2)
def open_sequence_recommender(path: str) -> SequenceRecommender:
    """Open a trained sequence model."""
    from models.sequence.scoring import SequenceScorer

    files = read_sequence_model(path)
    scorer = SequenceScorer(files.options, files.weights, files.successors)
    return SequenceRecommender(scorer.score, files.duration_ms)
