"""Acceptance of the sequence model: causal, the same alone and in any batch, the same bytes, better than its start."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from models.sequence.batches import scoring_batch, training_batch
from models.sequence.contract import COMPLETE, NUM_FOLDS, SKIPPED, PlayWindows, SequenceWeights
from models.sequence.model import SequenceModel
from models.sequence.scoring import SequenceScorer
from models.sequence.sequence_data import SequenceData
from models.sequence.start import initial_sequence_weights
from models.sequence.successors import list_successors
from models.sequence.training import fit_transformer
from tests.models.sequence.random_windows import (
    NUM_TRACKS,
    OPTIONS,
    KeptCheckpoints,
    changed_at,
    data_of,
    random_windows,
)


@pytest.fixture(scope="module")
def data() -> SequenceData:
    return data_of(random_windows(1))


@pytest.fixture(scope="module")
def checkpoints() -> KeptCheckpoints:
    """Return the checkpoints of the training of `weights`."""
    return KeptCheckpoints()


@pytest.fixture(scope="module")
def weights(data: SequenceData, checkpoints: KeptCheckpoints) -> SequenceWeights:
    return fit_transformer(replace(data, checkpoints=checkpoints), OPTIONS)


@pytest.fixture(scope="module")
def score(data: SequenceData, weights: SequenceWeights) -> Callable[[PlayWindows], np.ndarray]:
    scorer = SequenceScorer(OPTIONS, weights, data.successors)
    return lambda windows: scorer.score(windows)[0]


def test_scores_are_probabilities_of_known_tracks(score: Callable[[PlayWindows], np.ndarray]) -> None:
    found = score(random_windows(2))
    assert found.shape == (60, NUM_TRACKS) and (found > 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_a_score_depends_on_no_other_window_and_no_padding(score: Callable[[PlayWindows], np.ndarray]) -> None:
    windows = random_windows(3)
    together = score(windows)
    order = np.random.default_rng(1).permutation(len(windows))
    np.testing.assert_allclose(score(windows.take(order)), together[order], atol=1e-6, rtol=1e-5)
    for row in (0, 17, 59):
        np.testing.assert_allclose(score(windows.take(slice(row, row + 1)))[0], together[row], atol=1e-6, rtol=1e-5)


def test_padding_makes_no_difference_to_the_states(data: SequenceData, weights: SequenceWeights) -> None:
    model = SequenceModel(OPTIONS, weights)
    windows = random_windows(4)
    short = windows.take(windows.length <= 12)
    assert len(short)
    near, far = (model.encode(scoring_batch(short.cut(width + 1), data.successors))["h"].numpy() for width in (16, 50))
    used = np.arange(16) < short.length[:, None] - 1
    np.testing.assert_allclose(near[used], far[:, :16][used], atol=1e-5)


@pytest.mark.parametrize("column", [3, 10, 25])
def test_a_play_changes_no_prediction_before_it(column: int, data: SequenceData, weights: SequenceWeights) -> None:
    windows = random_windows(5)
    windows = windows.take(windows.length > column + 2)
    model, rng = SequenceModel(OPTIONS, weights), np.random.default_rng(1)

    def states(given: PlayWindows) -> np.ndarray:
        return model.encode(training_batch(given, data.successors, NUM_TRACKS, OPTIONS, rng))["h"].numpy()

    before, after = states(windows), states(changed_at(windows, column, 11))
    np.testing.assert_allclose(before[:, :column], after[:, :column], atol=1e-6)
    assert np.abs(before[:, column:] - after[:, column:]).max() > 1e-3


def test_the_same_seed_gives_the_same_bytes_also_after_an_interruption(
    data: SequenceData, weights: SequenceWeights, checkpoints: KeptCheckpoints
) -> None:
    cut, epochs = KeptCheckpoints(), []  # type: ignore[var-annotated]
    cut.states = checkpoints.states[:1]
    resumed = fit_transformer(replace(data, checkpoints=cut, on_epoch=epochs.append), OPTIONS)
    assert weights.keys() == resumed.keys()
    assert all(weights[name].tobytes() == resumed[name].tobytes() for name in weights)
    # the first epoch is that of the checkpoint, the second was trained anew
    assert [one["epoch"] for one in epochs] == [0, 1] and len(checkpoints.states) == len(cut.states) == 2


def mean_rank(score: Callable[[PlayWindows], np.ndarray], windows: PlayWindows) -> float:
    row, found = np.arange(len(windows)), score(windows)
    target = windows.track[row, windows.length - 1]
    return float((found > found[row, target][:, None]).sum(axis=1).mean())


def test_training_is_better_than_the_counts_that_it_starts_from(
    data: SequenceData, score: Callable[[PlayWindows], np.ndarray]
) -> None:
    start = initial_sequence_weights(data.pairs, data.content, OPTIONS)
    counts = SequenceScorer(OPTIONS, start, data.successors)
    coming = random_windows(6, num_windows=200)
    assert mean_rank(score, coming) < 0.9 * mean_rank(lambda windows: counts.score(windows)[0], coming)


def test_without_the_pointer_repeats_are_lost(data: SequenceData, weights: SequenceWeights) -> None:
    """Listeners of one rare track each: only what they played themselves tells it."""
    rng = np.random.default_rng(1)
    windows = random_windows(7)
    own = rng.integers(0, NUM_TRACKS, len(windows)).astype(np.int32)
    windows.track[:] = np.where(windows.track >= 0, own[:, None], -1)
    scorer = SequenceScorer(OPTIONS, weights, data.successors)
    found, gates = scorer.score(windows)
    assert gates.shape == (len(windows), 3) and gates.sum(axis=1) == pytest.approx(np.ones(len(windows)), abs=1e-5)
    without = dict(weights)
    without["gate_bias"] = weights["gate_bias"] + np.array([0, -50, 0], dtype=np.float32)
    lost, _ = SequenceScorer(OPTIONS, without, data.successors).score(windows)
    row = np.arange(len(windows))
    assert found[row, own].mean() > 1.1 * lost[row, own].mean()


def test_a_track_without_plays_is_reached_through_its_artist() -> None:
    """Two albums were never played: one by the artist of a played one, one by nobody; nothing is counted."""
    windows, num_tracks = random_windows(8, num_tracks=35), NUM_TRACKS + 5
    artist = 1 + np.arange(num_tracks) // 5
    artist[35:40], artist[40:] = artist[30], 0
    options = replace(OPTIONS, id_dropout=0.5, num_epochs=8, learning_rate=0.02)
    counts = list_successors([csr_matrix((num_tracks, num_tracks), dtype=np.int64)] * NUM_FOLDS)
    data = replace(data_of(windows, artist, num_tracks), successors=counts)
    found, _ = SequenceScorer(options, fit_transformer(data, options), counts).score(windows)
    last = windows.track[np.arange(len(windows)), windows.length - 2]
    is_within = (last >= 0) & (last % 5 != 4)
    # how much more probable the album is within the other album of the artist than within others
    of_artist, of_nobody = (
        found[is_within & (last >= 30), album].mean() / found[is_within & (last < 30), album].mean()
        for album in (slice(35, 40), slice(40, None))
    )
    assert of_artist > 4 and 0.5 < of_nobody < 1.5, (of_artist, of_nobody)


def test_a_skip_lowers_the_album_of_the_skipped_track() -> None:
    """Listeners who skip a track go on to another album; the others stay."""
    rng = np.random.default_rng(1)
    windows = random_windows(10, num_windows=120)
    for row in range(len(windows)):
        album = int(rng.integers(8))
        for column in range(windows.length[row]):
            windows.track[row, column] = album * 5 + rng.integers(5)
            windows.action[row, column] = SKIPPED if rng.random() < 0.3 else COMPLETE
            album = (album + 1 + int(rng.integers(7))) % 8 if windows.action[row, column] == SKIPPED else album
    options = replace(OPTIONS, num_epochs=6, learning_rate=0.02)
    data = data_of(windows)
    scorer = SequenceScorer(options, fit_transformer(data, options), data.successors)
    row, last = np.arange(len(windows)), windows.length - 2
    album = windows.track[row, last] // 5
    ranks = {}
    for action in (COMPLETE, SKIPPED):
        windows.action[row, last] = action
        found, _ = scorer.score(windows)
        order = (-found).argsort(axis=1).argsort(axis=1).reshape(len(windows), 8, 5)
        ranks[action] = order[row, album].mean(axis=1)
    assert (ranks[SKIPPED] > ranks[COMPLETE]).mean() >= 0.9


def test_sampled_negatives_estimate_the_whole_softmax(data: SequenceData) -> None:
    start = initial_sequence_weights(data.pairs, data.content, OPTIONS)
    sampled = replace(OPTIONS, max_full_tracks=10, num_negatives=400, dropout=0.0, id_dropout=0.0)
    full = replace(sampled, max_full_tracks=1_000)
    windows, losses = random_windows(9), {}
    for name, options in (("sampled", sampled), ("full", full)):
        batch = training_batch(windows, data.successors, NUM_TRACKS, options, np.random.default_rng(1))
        model = SequenceModel(options, start, data.content)
        losses[name] = float(model.compute_loss({**batch, "seed": np.array([1, 1], dtype=np.int32)}))
    assert losses["sampled"] == pytest.approx(losses["full"], rel=0.02)
