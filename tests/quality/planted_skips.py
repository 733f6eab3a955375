"""Chances of skips against those that the sample world draws from.

python -m tests.quality.planted_skips --num_users=500 fits them as a run does.

It prints the AUC and the calibration error on users who were left out, of the trees, of the sum, and of the planted
chances, which know the mood of the session.
"""

import argparse
from datetime import timedelta
from unittest import mock

import numpy as np
import polars as pl

from models.metrics import auc
from models.ranker.platt import expected_calibration_error
from models.skips.training import fit_skips
from pipelines.sample_world import outcomes
from pipelines.sample_world.catalog import track_table
from pipelines.sample_world.world import WorldSpec
from tests.quality.queue_values import ENDS_AT, Planted, draw
from transforms.events.listening import SKIP_MS
from transforms.now_playing.skips.sample_skips import features_of_plays
from transforms.now_playing.skips.session_plays import SessionPlays
from transforms.now_playing.skips.skip_features import TrackFigures, feature_matrix, smoothed_rate
from transforms.tables.hashing import stable_hash

WINDOW = timedelta(days=14)


def planted_chances(spec: WorldSpec) -> tuple[Planted, np.ndarray]:
    """Draw a world; return it, and the probability of a skip of each play, given the play before."""
    with mock.patch.object(outcomes, "draw_skips", wraps=outcomes.draw_skips) as drawn:
        planted = draw(spec)
    log_odds = drawn.call_args.args[1]
    plays, skips = planted.block.plays, planted.block.outcomes.ms_played < SKIP_MS
    before = np.where(np.append(False, skips[:-1]), outcomes._STREAK, -outcomes._STREAK)
    return planted, 1 / (1 + np.exp(-(log_odds + np.where(plays.position > 0, before, 0.0))))


def print_figures(spec: WorldSpec) -> None:
    """Fit to the plays of the last 14 days of the world, and print the figures."""
    planted, chance = planted_chances(spec)
    plays, found, catalog = planted.block.plays, planted.block.outcomes, planted.catalog
    skips, unknown = (found.ms_played < SKIP_MS).astype(float), np.full(len(chance), np.nan)
    complete = (found.ms_played >= 0.8 * catalog.duration_ms[plays.track]).astype(float)
    seconds = found.played_at / 1000
    known = SessionPlays(
        plays.user, plays.track.astype(np.int64), plays.session, seconds, skips, complete, unknown, unknown
    )
    late = seconds >= (ENDS_AT - WINDOW).timestamp()
    count = len(catalog.artist)
    played = np.bincount(plays.track[~late], minlength=count).astype(float)
    skipped = np.bincount(plays.track[~late], skips[~late], minlength=count)
    vectors = np.array(track_table(catalog, np.random.default_rng(4))["vector"].to_pylist(), dtype=np.float32)
    figures = TrackFigures(smoothed_rate(skipped, played), played, catalog.artist.astype(np.int64), vectors)
    features = feature_matrix(features_of_plays(known, figures))[late].astype(np.float32).astype(np.float64)
    ids = pl.Series(planted.block.listeners.user_id.to_pylist())
    user = stable_hash(ids, seed=0)[plays.user[late]]
    report = fit_skips(features, skips[late], complete[late], user, seed=1).report
    judged = user % np.uint64(5) == 0
    print(f"{len(features):,} plays, of these {judged.sum():,} of users who were left out")
    for name in ("skipped", "order", "completed"):
        print(f"{name:10} AUC {report[f'{name}_auc']:.4f} calibration error {report[f'{name}_calibration_error']:.4f}")
    of_planted = auc(skips[late][judged], chance[late][judged])
    error = expected_calibration_error(skips[late][judged], chance[late][judged])
    lead = (report["skipped_auc"] - 0.5) / (of_planted - 0.5)
    print(f"{'planted':10} AUC {of_planted:.4f} calibration error {error:.4f}; lead over .5: {lead:.3f} of it")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num_users", type=int, default=500)
    print_figures(
        WorldSpec(num_users=parser.parse_args().num_users, num_tracks=5000, num_days=60, seed=1, ends_at=ENDS_AT)
    )
